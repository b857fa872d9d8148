"""Throttle: go slow while jobs end right after they start."""

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
    own_schedd,
)


class Throttle(SchedPlugin):
    """Guard against a machine or a site that swallows jobs.

    Of the queue's jobs that started within ``interval`` and have ended, those that ran for less than
    ``maxtime`` are short. n_out = submit where short / all > ratio, whatever n was, else n. Same law as
    AutoPyFactory's Throttle, except that the chain holds while the history is unknown.
    """

    class Settings(PluginSettings):
        interval: Duration = Field(default=3600, ge=1)
        """How far to look back."""
        maxtime: Duration = 10
        """A job that ran for less is short."""
        ratio: float = 0.5
        """Part of the jobs that may be short."""
        submit: int = 1
        """What to ask for each cycle while more of them are short."""

    settings: Settings

    def sources(self) -> tuple[Source, ...]:
        """The schedd's job history."""
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
        reason = f"{recent.short} of {recent.total} recent jobs ended within {limit_s} s"
        if recent.total and recent.short / recent.total > ratio:
            return Step(self.settings.submit, f"{reason}, more than {ratio:.0%}")
        return Step(n, reason)
