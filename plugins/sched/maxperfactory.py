"""MaxPerFactory: cap what all queues of the factory have together."""

from factory.plugin import Info, SchedPlugin, Step, View


class MaxPerFactory(SchedPlugin):
    """Keep ``total + n <= maximum``, total being pending + running + unaccounted of all queues of this factory.

    *Unaccounted* is what MaxToRun says. The maximum is ``maxperfactory.maximum`` of section ``[Factory]``. Up to it
    n_out = min(n, maximum - total). Above it n_out = 0: the factory is not cut down to its maximum, and what
    the plugins before this one wanted to retire stays. Same law as AutoPyFactory's MaxPerFactory, except that
    without a maximum n_out = n, where the old one gave 0 by accident.
    """

    needs = frozenset({Info.FACTORY_TOTAL})

    def step(self, n: int, view: View) -> Step:
        cap, total = self.factory.max_per_factory, view.factory_total
        if cap is None:
            return Step(n, "no maximum set")
        if total > cap:
            return Step(0, f"the factory has {total}, over its maximum of {cap}")
        return Step(min(n, cap - total), f"the factory has room for {cap - total} of {cap}")
