"""MaxToRun: cap the machines that a queue may have at once."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class MaxToRun(SchedPlugin):
    """Keep ``pending + running + unaccounted + n <= maximum``.

    n_out = min(n, maximum - (pending + running + unaccounted)). *Unaccounted* are machines that may run but
    are no capacity: lost VMs, held VM jobs with an instance, instances without a VM job. Below zero it asks for that
    many to retire, but for none because of unaccounted machines, which the factory ends itself. Retiring VMs do not
    count, so more machines can exist while they finish their jobs; ``maxinstances`` bounds all machines.
    Same law as AutoPyFactory's MaxToRun for pending, running and retiring, except that unknown batch status never
    reaches a plugin.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        maximum: int | None = None
        """Most machines at once; none: no cap."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        cap = self.settings.maximum
        if cap is None:
            return Step(n, "no maximum set")
        room, unaccounted = cap - (view.batch.pending + view.batch.running), view.batch.unaccounted
        if room < 0:
            return Step(min(n, room), f"{-room} over the maximum of {cap}")
        also = f", {unaccounted} taken by lost or held VMs or instances without a VM job" if unaccounted else ""
        room = max(0, room - unaccounted)
        return Step(min(n, room), f"room for {room} of {cap}{also}")
