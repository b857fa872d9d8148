"""MaxPending: cap what is under way at any time."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, Switch, View


class MaxPending(SchedPlugin):
    """Keep ``pending + n <= maximum`` as long as something is pending.

    n_out = min(n, maximum - pending), but n where nothing is pending: all that was added has found its place.
    Over the maximum that is below zero and retires, unless ``allow_negative`` is off: then it is min(n, 0).
    Same law as AutoPyFactory's MaxPending.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        maximum: int | None = None
        """Pending at once; none: no cap."""
        allow_negative: Switch = True
        """Whether more than the maximum pending means retiring the surplus."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        cap, pending = self.settings.maximum, view.batch.pending
        if cap is None:
            return Step(n, "no maximum set")
        if pending == 0:
            return Step(n, "nothing is pending")
        room = cap - pending if self.settings.allow_negative else max(0, cap - pending)
        return Step(min(n, room), f"{pending} pending of at most {cap}")
