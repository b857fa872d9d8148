"""Cloud plugins: list and end instances through a cloud's own API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from factory.model.cloud import Account, CloudAct, InstanceRow
from factory.model.source import Source
from factory.plugin.base import Plugin


class CloudPlugin(Plugin, ABC):
    """Asks a cloud's own API. Does no I/O itself: it names a source."""

    category = "cloud"

    @abstractmethod
    def instances(self, account: Account) -> Source:
        """What to poll for the instances of this factory in an account; it brings ``CloudRows``."""

    @abstractmethod
    def terminate(self, account: Account, instances: Iterable[InstanceRow], key_pairs: Iterable[str] = ()) -> CloudAct:
        """What ends these instances, as far as they still are this factory's by their tags, and deletes key pairs."""
