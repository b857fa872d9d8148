"""StatusOffline: a number of its own while the WMS calls the site ``offline``."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class StatusOffline(SchedPlugin):
    """Ask for a fixed number while the site is ``offline``.

    n_out = pilots while the status of the site is ``offline``, whatever n was, else n. Same law as
    AutoPyFactory's StatusOffline, and the same needs: WMS and batch status must be known as well.
    """

    needs = frozenset({Info.WMS, Info.BATCH, Info.SITE})

    class Settings(PluginSettings):
        pilots: int = 0
        """What to ask for each cycle while the site is ``offline``."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        status = view.site.status
        n_out = self.settings.pilots if status == "offline" else n
        return Step(n_out, f"the site is {status or 'without a status'}")
