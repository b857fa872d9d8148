"""Throttle: submit slowly while jobs end right after they start."""

from pydantic import Field

from factory.plugin import (
    Duration,
    HistorySource,
    HistoryWindow,
    PluginSettings,
    RecentJobs,
    SchedPlugin,
    Source,
    Step,
    View,
    counted,
    own_schedd,
)


class Throttle(SchedPlugin):
    """Guard against a machine or site on which jobs fail at once.

    Recent jobs are the jobs of the queue that started within ``interval`` and have ended. Those that ran for less than
    ``maxtime`` are short. n_out = submit if short / recent > ratio, else n. Same law as AutoPyFactory's Throttle,
    except that the chain is blocked while the history is unknown.
    """

    class Settings(PluginSettings):
        interval: Duration = Field(default=3600, ge=1)
        """Length of the history to read."""
        maxtime: Duration = 10
        """A job that ran for less than this is short."""
        ratio: float = 0.5
        """Fraction of recent jobs that may be short."""
        submit: int = 1
        """Number to ask for each cycle while more jobs are short."""

    settings: Settings

    def sources(self) -> tuple[Source, ...]:
        """Return the job history of the schedd."""
        return (self._source,)

    @property
    def _window(self) -> HistoryWindow:
        return HistoryWindow(self.queue.name, span_s=self.settings.interval, short_s=self.settings.maxtime)

    @property
    def _source(self) -> HistorySource:
        factory = self.factory
        return HistorySource(
            schedd=own_schedd(factory),
            owner=factory.owner,
            factory_id=factory.id,
            windows=frozenset({self._window}),
            interval_s=60,
            deadline_s=factory.deadline,
            maxage_s=factory.maxage,
        )

    def step(self, n: int, view: View) -> Step:
        recent: RecentJobs | None = view.rows(self._source).get(self._window)
        if recent is None:
            raise LookupError("the history was read before this queue asked for it")
        limit_s, ratio = self.settings.maxtime, self.settings.ratio
        reason = f"{recent.short} of {counted(recent.total, 'recent job')} ended within {limit_s} s"
        if recent.total and recent.short / recent.total > ratio:
            return Step(self.settings.submit, f"{reason}, more than {ratio:.0%}")
        return Step(n, reason)
