"""MinPending: keep a minimum of machines pending."""

from factory.plugin import Info, PluginSettings, SchedPlugin, Step, View


class MinPending(SchedPlugin):
    """Keep ``pending + n >= minimum``.

    n_out = max(n, minimum - pending). Same law as AutoPyFactory's MinPending.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        minimum: int | None = None
        """Least pending at once; none: no minimum."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        least, pending = self.settings.minimum, view.batch.pending
        if least is None:
            return Step(n, "no minimum set")
        return Step(max(n, least - pending), f"{pending} pending, minimum {least}")
