"""MinPerCycle: set the least number added in one cycle, or cap the number retired."""

from factory.plugin import PluginSettings, SchedPlugin, Step, View


class MinPerCycle(SchedPlugin):
    """Keep ``n >= minimum``.

    n_out = max(n, minimum). A minimum below zero caps the machines retired in one cycle; 0 retires none.
    Same law as AutoPyFactory's MinPerCycle.
    """

    class Settings(PluginSettings):
        minimum: int | None = None
        """Least added in one cycle; -2: at most 2 retired; none: no minimum."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        least = self.settings.minimum
        if least is None:
            return Step(n, "no minimum set")
        reason = f"at most {-least} retired per cycle" if least < 0 else f"at least {least} per cycle"
        return Step(max(n, least), reason)
