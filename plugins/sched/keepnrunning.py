"""KeepNRunning: keep a fixed number of machines or pilots."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class KeepNRunning(SchedPlugin):
    """Keep ``pending + running`` at a target, by adding or retiring.

    n_out = target - (pending + running), where the target is ``keep_running``, or n if that is not set.
    Retiring machines do not count. Same law as AutoPyFactory's KeepNRunning.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        keep_running: int | None = None
        """Machines to keep; none: the number that the previous plugin asks for."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        target = n if self.settings.keep_running is None else self.settings.keep_running
        here = max(0, view.batch.pending) + max(0, view.batch.running)
        return Step(target - here, f"{here} pending or running, target {target}")
