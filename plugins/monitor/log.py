"""Log: one line in the factory's log for each round of a queue."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

from factory.plugin import MonitorPlugin, PluginSettings
from factory.report.status import log_line

log = logging.getLogger("apf.monitor")


class Log(MonitorPlugin):
    """Writes what was decided, from what, and what came of it, as one line of ``key=value``.

    The factory itself logs each decision before it reports; this adds the actions and their outcome.
    """

    class Settings(PluginSettings):
        level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
        """At which level it is logged."""

    settings: Settings

    def report(self, decision: Mapping[str, Any]) -> None:
        """One line, under the logger ``apf.monitor``."""
        actions = decision["actions"]
        failed = sum(action["error"] is not None for action in actions)
        log.log(
            logging.getLevelNamesMapping()[self.settings.level],
            "%s actions=%d failed=%d", log_line(decision), len(actions), failed,
        )  # fmt: skip


class Dummy(Log):
    """The same, under the name that it had in AutoPyFactory."""
