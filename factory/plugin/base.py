"""The base of all plugins and of their settings."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from factory.model.address import ScheddAddress
from factory.plugin.finding import Finding
from factory.settings.types import Settings

if TYPE_CHECKING:
    from factory.settings.factory import FactorySettings
    from factory.settings.queue import QueueSettings


class PluginSettings(Settings):
    """Base of a plugin's ``Settings``."""


class Plugin:
    """Base of all plugins: the queue that it serves, and its settings."""

    category: ClassVar[str]
    name: str
    """Its name in queues.conf."""

    class Settings(PluginSettings):
        """No settings."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__name__

    def __init__(self, queue: QueueSettings, settings: Any, factory: FactorySettings) -> None:
        self.queue = queue
        self.settings = settings
        self.factory = factory

    def check(self) -> Iterable[Finding]:
        """Yield findings for ``apf check`` beyond the settings, such as missing files. Asks no daemon."""
        return ()

    def key(self, field: str) -> str:
        """Return the key by which the queue's section sets a field of the settings."""
        return f"{self.category}.{self.name.lower()}.{field}"


def own_schedd(factory: FactorySettings) -> ScheddAddress:
    """Return the address of the schedd that gets the factory's jobs.

    Without ``[Factory] schedd`` it is the schedd of this host, and ``[Factory] pool`` does not help to find it.
    """
    return ScheddAddress(factory.schedd, factory.pool if factory.schedd else None)


class Jobs(Enum):
    """The two kinds of jobs that a factory has in its schedd."""

    PLAIN = "plain jobs"
    VM = "VM jobs"
