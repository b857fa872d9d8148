"""Fixed: the same number each cycle."""

from factory.plugin import PluginSettings, SchedPlugin, Step, View


class Fixed(SchedPlugin):
    """Ask for a fixed number, whatever n was.

    n_out = pilotspercycle, or 0 where that is not set. Same law as AutoPyFactory's Fixed.
    """

    class Settings(PluginSettings):
        pilotspercycle: int | None = None
        """What to ask for each cycle; below zero: retire that many. None: 0."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        fixed = self.settings.pilotspercycle
        if fixed is None:
            return Step(0, "no number set")
        return Step(fixed, f"always {fixed} a cycle")
