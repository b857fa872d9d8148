"""MaxPerCycle: cap the machines added in one cycle."""

from factory.plugin import PluginSettings, SchedPlugin, Step, View


class MaxPerCycle(SchedPlugin):
    """Keep ``n <= maximum``.

    n_out = min(n, maximum). Same law as AutoPyFactory's MaxPerCycle.
    """

    class Settings(PluginSettings):
        maximum: int | None = None
        """Most added in one cycle; none: no cap."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        cap = self.settings.maximum
        if cap is None:
            return Step(n, "no maximum set")
        return Step(min(n, cap), f"at most {cap} per cycle")
