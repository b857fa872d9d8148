"""Log: log one line for each round of a queue."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

from factory.plugin import MonitorPlugin, PluginSettings
from factory.report.status import log_line

log = logging.getLogger("apf.monitor")


class Log(MonitorPlugin):
    """Log the decision, its input and its outcome as one line of ``key=value``.

    The factory itself logs each decision before its actions; this plugin adds the number of actions and failures.
    """

    class Settings(PluginSettings):
        level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
        """Level of the log line."""

    settings: Settings

    def report(self, decision: Mapping[str, Any]) -> None:
        """Log one line with the logger ``apf.monitor``."""
        actions = decision["actions"]
        failed = sum(action["error"] is not None for action in actions)
        log.log(
            logging.getLevelNamesMapping()[self.settings.level],
            "%s actions=%d failed=%d", log_line(decision), len(actions), failed,
        )  # fmt: skip


class Dummy(Log):
    """Log, under its name in AutoPyFactory."""
