"""Ready: ask for one machine or pilot for each waiting job."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class Ready(SchedPlugin):
    """Ask for one machine or pilot for each ready job that no pending one will serve; ignores n.

    n_out = max(0, (ready - offset) - pending). Machines that have been pending for too long (stuck) do not count as
    pending. Running ones are not subtracted, because a running pilot has already taken its job out of ``ready``.
    Same law as AutoPyFactory's Ready.
    """

    needs = frozenset({Info.WMS, Info.BATCH})

    class Settings(PluginSettings):
        offset: int = 0
        """Number of ready jobs for which nothing is added."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        ready, offset = view.wms.ready, self.settings.offset
        pending, stuck = view.batch.pending - view.batch.stuck, view.batch.stuck
        less = f", offset {offset}" if offset else ""
        late = f", {stuck} stuck" if stuck else ""
        return Step(max(0, ready - offset - pending), f"{ready} ready{less}, {pending} pending{late}")
