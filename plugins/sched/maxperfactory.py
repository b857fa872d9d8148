"""MaxPerFactory: cap the machines of all queues of the factory together."""

from factory.plugin import Info, SchedPlugin, Step, View


class MaxPerFactory(SchedPlugin):
    """Keep ``total + n <= maximum``, total being pending + running + unaccounted of all queues of this factory.

    *Unaccounted* is defined in MaxToRun. The maximum is ``maxperfactory.maximum`` of section ``[Factory]``. Up to it
    n_out = min(n, maximum - total). Above it n_out = 0: the factory is not cut down to its maximum, and machines that
    earlier plugins wanted to retire stay. Same law as AutoPyFactory's MaxPerFactory, except that without a maximum
    n_out = n; the old plugin returned 0 by accident.
    """

    needs = frozenset({Info.FACTORY_TOTAL})

    def step(self, n: int, view: View) -> Step:
        cap, total = self.factory.max_per_factory, view.factory_total
        if cap is None:
            return Step(n, "no maximum set")
        if total > cap:
            return Step(0, f"the factory has {total}, over its maximum of {cap}")
        return Step(min(n, cap - total), f"the factory has room for {cap - total} of {cap}")
