"""MaxToRun: cap the machines that a queue may have at once."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class MaxToRun(SchedPlugin):
    """Keep ``pending + running + orphans + n <= maximum``.

    n_out = min(n, maximum - (pending + running + orphans)); below zero it asks for that many to retire, but for none
    because of orphans, which the factory ends by itself.
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
        room, orphans = cap - (view.batch.pending + view.batch.running), view.batch.orphans
        if room < 0:
            return Step(min(n, room), f"{-room} over the maximum of {cap}")
        also = f", {orphans} taken by machines without a VM job" if orphans else ""
        room = max(0, room - orphans)
        return Step(min(n, room), f"room for {room} of {cap}{also}")
