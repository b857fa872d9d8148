"""MaxToRun: cap the machines that a queue may have at once."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class MaxToRun(SchedPlugin):
    """Keep ``pending + running + n <= maximum``.

    n_out = min(n, maximum - (pending + running)); below zero it asks for that many to retire.
    Same law as AutoPyFactory's MaxToRun, except that unknown batch status never reaches a plugin.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        maximum: int | None = None
        """Machines at once; none: no cap."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        cap = self.settings.maximum
        if cap is None:
            return Step(n, "no maximum set")
        room = cap - (view.batch.pending + view.batch.running)
        over = f"{-room} over the maximum of {cap}"
        return Step(min(n, room), f"room for {room} of {cap}" if room >= 0 else over)
