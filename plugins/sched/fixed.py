"""Fixed: ask for the same number each cycle."""

from factory.plugin import PluginSettings, SchedPlugin, Step, View


class Fixed(SchedPlugin):
    """Ask for a fixed number; ignores n.

    n_out = pilotspercycle, or 0 if that is not set. Same law as AutoPyFactory's Fixed.
    """

    class Settings(PluginSettings):
        pilotspercycle: int | None = None
        """Number to ask for each cycle; below zero: retire that many; none: 0."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        fixed = self.settings.pilotspercycle
        if fixed is None:
            return Step(0, "no number set")
        return Step(fixed, f"always {fixed} per cycle")
