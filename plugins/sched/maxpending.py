"""MaxPending: cap the machines that are pending at once."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, Switch, View


class MaxPending(SchedPlugin):
    """Keep ``pending + n <= maximum`` while anything is pending.

    n_out = min(n, maximum - pending), or n if nothing is pending: then all that was added has joined.
    Above the maximum n_out is below zero and retires, unless ``allow_negative`` is off: then it is min(n, 0).
    Same law as AutoPyFactory's MaxPending.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        maximum: int | None = None
        """Most pending at once; none: no cap."""
        allow_negative: Switch = True
        """Retire the surplus if more than the maximum is pending."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        cap, pending = self.settings.maximum, view.batch.pending
        if cap is None:
            return Step(n, "no maximum set")
        if pending == 0:
            return Step(n, "nothing is pending")
        room = cap - pending if self.settings.allow_negative else max(0, cap - pending)
        return Step(min(n, room), f"{pending} of at most {cap} pending")
