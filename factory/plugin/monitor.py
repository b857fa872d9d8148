"""Monitor plugins: report decisions to other services."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from factory.plugin.base import Plugin


class MonitorPlugin(Plugin, ABC):
    """Receive the report of each round, in a thread beside the rounds. An error is logged and changes nothing.

    A slow monitor delays no round: a report that waits too long is dropped. The plugin limits its own waiting.
    """

    category = "monitor"
    channel: str = ""
    """Monitors of one class with equal channels share a thread."""

    def environment(self) -> Mapping[str, str]:
        """Return environment variables by which plain jobs of the queue report to this monitor."""
        return {}

    @abstractmethod
    def report(self, decision: Mapping[str, Any]) -> None:
        """Send one queue's part of a round, as the journal has it."""
