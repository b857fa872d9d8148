"""Cloud plugins: list and end instances through a cloud's own API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from factory.model.cloud import Account, CloudAct, InstanceRow
from factory.model.source import Source
from factory.plugin.base import Plugin


class CloudPlugin(Plugin, ABC):
    """Access to a cloud's own API. Does no I/O itself: it names a source and returns what to call."""

    category = "cloud"

    @abstractmethod
    def instances(self, account: Account) -> Source:
        """Return the source of this factory's instances in an account; its rows are ``CloudRows``."""

    @abstractmethod
    def terminate(self, account: Account, instances: Iterable[InstanceRow], key_pairs: Iterable[str] = ()) -> CloudAct:
        """Return the call that deletes key pairs and ends instances, if their tags still name this factory."""
