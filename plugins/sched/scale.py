"""Scale: a part or a multiple of what was asked for."""

from math import ceil

from factory.plugin import PluginSettings, SchedPlugin, Step, View


class Scale(SchedPlugin):
    """Multiply, and round up.

    n_out = ceil(n x factor), up meaning towards plus infinity: half of 1 is 1, half of -1 is 0.
    Same law as AutoPyFactory's Scale.
    """

    class Settings(PluginSettings):
        factor: float = 1.0
        """What to multiply with."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        factor = self.settings.factor
        return Step(ceil(n * factor), f"{n} times {factor:g}, rounded up")
