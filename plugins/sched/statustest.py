"""StatusTest: ask for a fixed number while the site is ``test``."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class StatusTest(SchedPlugin):
    """Ask for a fixed number while the site is ``test``.

    n_out = pilots while the site is ``test``, else n. Same law as AutoPyFactory's StatusTest, and the same needs:
    WMS and batch status must be known as well.
    """

    needs = frozenset({Info.WMS, Info.BATCH, Info.SITE})

    class Settings(PluginSettings):
        pilots: int = 0
        """Number to ask for each cycle while the site is ``test``."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        status = view.site.status
        n_out = self.settings.pilots if status == "test" else n
        return Step(n_out, f"the site is {status}" if status else "the site has no status")
