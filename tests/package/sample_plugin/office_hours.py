"""OfficeHours: buy by day only."""

import time

from pydantic import Field

from factory.plugin.base import PluginSettings
from factory.plugin.sched import SchedPlugin, Step, View


class OfficeHours(SchedPlugin):
    """n_out = n while ``opens <= hour < closes`` (UTC); outside, nothing is added: min(n, 0)."""

    class Settings(PluginSettings):
        opens: int = Field(default=8, ge=0, le=23)
        """First hour of the day, UTC."""
        closes: int = Field(default=18, ge=1, le=24)
        """First hour of the night, UTC."""

    settings: Settings

    def step(self, n: int, view: View) -> Step:
        """The clock comes with the view: a plugin has none of its own."""
        hour = time.gmtime(view.now).tm_hour
        if self.settings.opens <= hour < self.settings.closes:
            return Step(n, f"open at {hour} h")
        return Step(min(n, 0), f"closed at {hour} h, opens at {self.settings.opens} h")
