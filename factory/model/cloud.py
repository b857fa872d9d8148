"""What a cloud itself says of the instances of a factory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from factory.model.status import Unknown
from factory.model.vm import JobId

ENDED = frozenset({"terminated", "shutting-down"})
"""States of an instance that needs no end any more."""
STOPPED = frozenset({"stopped", "error"})
"""The cloud's word that nothing runs there, and that somebody has to end it: OpenStack calls them SHUTOFF and ERROR."""


@dataclass(frozen=True, slots=True)
class Account:
    """An endpoint, and the files with the credentials that a queue uses there. None: those of this host."""

    plugin: str
    """Name of the cloud plugin that knows how to ask."""
    url: str
    access_key: Path | None = None
    secret_key: Path | None = None


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One instance that carries the factory's tag."""

    id: str
    state: str
    """The cloud's own word: pending, running, stopping, stopped, shutting-down, terminated."""
    vm: str
    """APFVM, by tag."""
    queue: str
    """By tag."""
    type: str
    zone: str
    launched: float
    """Epoch seconds; 0: not known."""
    schedd: str = ""
    """By tag: the schedd whose VM job owns it."""


@dataclass(frozen=True)
class CloudRows:
    """What one account has."""

    instances: tuple[InstanceRow, ...] = ()
    key_pairs: tuple[str, ...] | Unknown = ()
    """Names of those that a gridmanager makes for a VM job and deletes when it ends. Not needed for the instances."""


class CloudAct(ABC):
    """Something done to a cloud. Picklable: it is performed in a worker process."""

    @property
    @abstractmethod
    def address(self) -> str:
        """As of the source that reads the same account."""

    @abstractmethod
    def perform(self) -> Mapping[str, str | None]:
        """Do it, to each by itself: what one runs into stops no other.

        By id of an instance, or name of a key pair: None, or why it was not done. What is not named was not tried,
        because there was no time for it; its turn will come.
        """


def perform(act: CloudAct) -> Mapping[str, str | None]:
    """In the worker."""
    return act.perform()


StampedJob = tuple[JobId, int]
"""A job and its QDate: a schedd that lost its spool counts from 1 again."""


class KeyPairOwner(Enum):
    """What a key pair of a job of our schedd is to this factory."""

    NEEDED = "its job is in the queue, whosever it is"
    LEFT = "its job was a VM job of this factory, and has left the queue"
    FOREIGN = "its job was none of this factory's"
    UNKNOWN = "neither queue nor history shows its job"


@dataclass(frozen=True, slots=True)
class KeyPairMaker:
    """Whose a job was that has left the queue, by the history; empty: it does not say."""

    factory: str
    owner: str
