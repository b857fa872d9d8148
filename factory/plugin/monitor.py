"""Monitor plugins: tell somebody else what was decided."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from factory.plugin.base import Plugin


class MonitorPlugin(Plugin, ABC):
    """Is told of each round, in a thread beside the rounds; what it raises is logged and changes nothing.

    A monitor that is slow delays no round: what waits too long is dropped. It limits its own waiting.
    """

    category = "monitor"
    channel: str = ""
    """Monitors of one class with equal channels are told one after the other, by one thread."""

    def environment(self) -> Mapping[str, str]:
        """What plain jobs of the queue need in their environment to report to this monitor themselves."""
        return {}

    @abstractmethod
    def report(self, decision: Mapping[str, Any]) -> None:
        """One queue's part of a round, as it stands in the journal."""
