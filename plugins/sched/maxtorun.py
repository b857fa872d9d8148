"""MaxToRun: cap the machines that a queue may have at once."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class MaxToRun(SchedPlugin):
    """Keep ``pending + running + unaccounted + n <= maximum``.

    n_out = min(n, maximum - (pending + running + unaccounted)). *Unaccounted* are machines that may run though they
    are no capacity: lost VMs, VM jobs on hold with an instance, instances without a VM job. Below zero it asks for that
    many to retire, but for none because of those, which the factory ends by itself. VMs that retire do not count, so
    the machines that live can be more for as long as those finish their jobs; ``maxinstances`` bounds them all.
    Same law as AutoPyFactory's MaxToRun for pending, running and retiring, except that unknown batch status never
    reaches a plugin.
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
        room, unaccounted = cap - (view.batch.pending + view.batch.running), view.batch.unaccounted
        if room < 0:
            return Step(min(n, room), f"{-room} over the maximum of {cap}")
        also = f", {unaccounted} taken by machines that are lost, on hold or without a VM job" if unaccounted else ""
        room = max(0, room - unaccounted)
        return Step(min(n, room), f"room for {room} of {cap}{also}")
