"""Ready: one machine or pilot for each job that waits."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class Ready(SchedPlugin):
    """Ask for what waits and is not yet provided for.

    n_out = max(0, (ready - offset) - pending), whatever n was; machines that are pending for far too long (stuck) are
    not waited for. What runs is not subtracted: a running pilot
    has taken its job out of ``ready`` already. Same law as AutoPyFactory's Ready.
    """

    needs = frozenset({Info.WMS, Info.BATCH})

    class Settings(PluginSettings):
        offset: int = 0
        """Jobs that may wait without anything being added for them."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        ready, offset = view.wms.ready, self.settings.offset
        pending, stuck = view.batch.pending - view.batch.stuck, view.batch.stuck
        beyond = f" beyond the offset of {offset}" if offset else ""
        late = f", {stuck} stuck" if stuck else ""
        return Step(max(0, ready - offset - pending), f"{ready} ready{beyond}, {pending} pending{late}")
