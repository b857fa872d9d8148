"""MinPerCycle: the least that is added in one cycle, or the most that is retired."""

from factory.plugin import PluginSettings, SchedPlugin, Step, View


class MinPerCycle(SchedPlugin):
    """Keep ``n >= minimum``.

    n_out = max(n, minimum). A minimum below zero caps what is retired in one cycle, and 0 retires nothing.
    Same law as AutoPyFactory's MinPerCycle.
    """

    class Settings(PluginSettings):
        minimum: int | None = None
        """Added in one cycle, at least; -2: at most 2 retired. None: no minimum."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        least = self.settings.minimum
        if least is None:
            return Step(n, "no minimum set")
        reason = f"at most {-least} retired a cycle" if least < 0 else f"at least {least} a cycle"
        return Step(max(n, least), reason)
