"""OfficeHours: buy by day only."""

import time

from pydantic import Field

from factory.plugin.base import PluginSettings
from factory.plugin.sched import SchedPlugin, Step, View


class OfficeHours(SchedPlugin):
    """n_out = n while ``opens <= hour < closes`` (UTC); otherwise min(n, 0), so nothing is added."""

    class Settings(PluginSettings):
        opens: int = Field(default=8, ge=0, le=23)
        """Hour at which buying starts, UTC."""
        closes: int = Field(default=18, ge=1, le=24)
        """Hour at which buying ends, UTC."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        """Read the time from the view, since a plugin has no clock of its own."""
        hour = time.gmtime(view.now).tm_hour
        if self.settings.opens <= hour < self.settings.closes:
            return Step(n, f"open at {hour} h")
        return Step(min(n, 0), f"closed at {hour} h, opens at {self.settings.opens} h")
