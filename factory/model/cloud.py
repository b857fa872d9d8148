"""Instances and key pairs of a factory, as a cloud lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from factory.model.status import Unknown
from factory.model.vm import JobId

ENDED = frozenset({"terminated", "shutting-down"})
"""States of an instance that need no termination any more."""
STOPPED = frozenset({"stopped", "error"})
"""States of an instance that runs nothing but must be terminated; OpenStack calls them SHUTOFF and ERROR."""


@dataclass(frozen=True, slots=True)
class Account:
    """An endpoint and the credential files of a queue. None: the credentials of this host."""

    plugin: str
    """Name of the cloud plugin that queries the endpoint."""
    url: str
    access_key: Path | None = None
    secret_key: Path | None = None


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One instance that carries the factory's tag."""

    id: str
    state: str
    """State in the cloud's words: pending, running, stopping, stopped, shutting-down, terminated."""
    vm: str
    """APFVM, from its tag."""
    queue: str
    """Queue, from its tag."""
    type: str
    zone: str
    launched: float
    """Launch time in epoch seconds; 0: unknown."""
    schedd: str = ""
    """Schedd of its VM job, from its tag."""
    lease_max: float | None = None
    """Epoch of the latest end of its lease, from its tag; None: launched by an older apf."""


@dataclass(frozen=True)
class CloudRows:
    """Instances and key pairs of one account."""

    instances: tuple[InstanceRow, ...] = ()
    key_pairs: tuple[str, ...] | Unknown = ()
    """Names of key pairs that a gridmanager makes for VM jobs and deletes when they end. Instances don't need them."""


class CloudAct(ABC):
    """An action on a cloud. It is picklable, because a worker process performs it."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The address of the source that reads the same account."""

    @abstractmethod
    def perform(self) -> Mapping[str, str | None]:
        """Perform the action on each instance or key pair by itself: a failure stops no other.

        Return None or the reason of the failure, by instance id or key pair name. An entry that is missing was not
        tried for lack of time; a later round tries it.
        """


def perform(act: CloudAct) -> Mapping[str, str | None]:
    """Perform an action; runs in a worker."""
    return act.perform()


StampedJob = tuple[JobId, int]
"""A job and its QDate, because a schedd that lost its spool counts clusters from 1 again."""


class KeyPairOwner(Enum):
    """Owner of a key pair that belongs to a job of our schedd. The value is the reason."""

    NEEDED = "its job is in the queue"
    LEFT = "its job was a VM job of this factory and has left the queue"
    FOREIGN = "its job was not a VM job of this factory"
    UNKNOWN = "neither queue nor history shows its job"


@dataclass(frozen=True, slots=True)
class KeyPairMaker:
    """Factory and owner of a job that has left the queue, from the history; empty: not recorded."""

    factory: str
    owner: str
