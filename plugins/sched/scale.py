"""Scale: multiply the number asked for."""

from math import ceil

from factory.plugin import PluginSettings, SchedPlugin, Step, View


class Scale(SchedPlugin):
    """Multiply n and round up.

    n_out = ceil(n x factor), towards plus infinity: half of 1 is 1, half of -1 is 0.
    Same law as AutoPyFactory's Scale.
    """

    class Settings(PluginSettings):
        factor: float = 1.0
        """Number to multiply n with."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        factor = self.settings.factor
        return Step(ceil(n * factor), f"{n} times {factor:g}, rounded up")
