"""Batch submit plugins: turn an ask into actions, and a submit into a submit description."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from factory.condor.classad.literals import quote
from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.lifecycle.timeouts import mark_stuck_vms
from factory.model.actions import Plan
from factory.model.address import ScheddAddress
from factory.model.ask import Ask
from factory.model.cloud import Account
from factory.model.demand import Offer, Room, Template
from factory.model.memory import Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.plugin.base import Jobs, Plugin
from factory.settings.factory import FactorySettings


def log_name(queue: str) -> str:
    """Return the name of a queue's log directory."""
    return re.sub(r"[/:]", "_", queue)


@dataclass(frozen=True)
class JobOwner:
    """The party that jobs are submitted for, a factory or an annex, and how it marks what it owns."""

    user: str
    """Owner of the jobs in the schedd."""
    attributes: Mapping[str, str]
    """Attributes of each job: name → ClassAd expression."""
    tags: Mapping[str, str]
    """Tags of each instance, beside ``apf:vm`` and ``apf:schedd``."""
    names: Mapping[str, str]
    """Values for the layers of the user-data, such as ``factory`` and ``queue``."""

    @classmethod
    def of_factory(cls, factory: FactorySettings, queue: str, incarnation: str) -> JobOwner:
        """Return the owner of jobs that a factory submits for one of its queues."""
        marks = {"MATCH_APF_QUEUE": queue, "APF_QUEUE": queue, "APFFactory": factory.id, "APFIncarnation": incarnation}
        return cls(
            user=factory.owner,
            attributes={name: quote(text) for name, text in marks.items()},
            tags={"apf:factory": factory.id, "apf:queue": queue},
            names={"factory": factory.id, "queue": queue},
        )

    def lines(self) -> list[str]:
        """Return the lines of a submit description that set the attributes."""
        return [f"MY.{name} = {expression}" for name, expression in self.attributes.items()]


@dataclass(frozen=True)
class Token:
    """An IDTOKEN for a VM."""

    text: str
    identity: str
    """The identity that it stands for, such as ``apf@pool``."""


@dataclass(frozen=True)
class Submission:
    """All that goes to the schedd in one transaction: a submit description and one dictionary for each job."""

    description: str
    items: tuple[Mapping[str, str], ...]
    """Macros of each job; empty ones for jobs that are all alike."""
    files: Mapping[str, bytes]
    """Files to write (0600) before the submit, by path."""
    schedd: ScheddAddress = ScheddAddress()
    maximum: int | None = None
    """VM jobs that the queue may have in the schedd after the submit; checked by the worker that submits (rule 6)."""
    directories: tuple[Path, ...] = ()
    """Directories to make before the submit, for logs and output."""


@dataclass(frozen=True)
class SubmitTools:
    """The effects that a submit plugin may have, and whom it submits for; passed in by the caller."""

    now: float
    owner: JobOwner
    userdata: Path
    """Directory for user-data files, named by ``APFVM``."""
    pool: str
    """Collector that machines join."""
    logs: Path
    """Directory for logs and output of plain jobs, where the configuration names none."""
    uuid: Callable[[], str]
    token: Callable[[int], Token]
    """Make an IDTOKEN for a VM, valid for this many seconds, with only ADVERTISE_STARTD, ADVERTISE_MASTER and READ."""
    schedd: Callable[[], str] = str
    """Full name of the schedd that gets the VM jobs."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment that the queue's monitors add to plain jobs, so that these report to them."""


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """The machines that a submit plugin starts, for ``apf check`` to compare with the pool's configuration."""

    resource: str
    """Endpoint and account. Queues with the same one share the gridmanager's limit."""
    host: str
    """Host of the endpoint; the limit can be set per host."""
    instance_type: str
    cores: int | None = None
    """Cores of one machine; None: unknown."""
    idle_s: int
    """A machine ends by itself after it has been unclaimed for this long."""
    lease_max_s: int
    """The longest life of a machine, and of its token."""
    maxinstances: int | None = None
    """The hard cap."""


class BatchSubmitPlugin(Plugin, ABC):
    """Turn an ask into actions, and a Submit into a submit description."""

    category = "batchsubmit"
    submits: ClassVar[Jobs | None] = None
    """The kind of jobs that it submits; the queue's batch status plugin must show it. None: any plugin will do."""

    @abstractmethod
    def plan(self, ask: Ask, batch: BatchStatus, memory: Memory, now: float) -> Plan:
        """Return the actions for this ask, and those that are due in any case; pure.

        It is called whenever the batch status is known; with an empty ask while the chain is blocked.
        """

    @abstractmethod
    def submission(self, n: int, shapes: tuple[Shape, ...], tools: SubmitTools) -> Submission:
        """Return the submission for n jobs, or for these shapes."""

    def mark_stuck(self, batch: BatchStatus, now: float) -> BatchStatus:
        """Return the batch status with stuck VMs marked: they count for caps, not as supply; pure."""
        return batch

    def account(self) -> Account | None:
        """Return the account of the cloud's own API. None: there is none."""
        return None

    def machines(self) -> MachineFacts | None:
        """Return facts on the machines that it starts. None: it submits plain jobs."""
        return None

    def usd_per_hour(self, shape: str) -> float | None:
        """Return the highest cost of an hour of a machine of this shape (``""``: of any). None: unknown."""
        return None

    def offers(self, seen: Mapping[str, Room]) -> tuple[Offer, ...]:
        """Return the shapes that it may buy, and the resources of each for jobs; pure.

        ``seen``: ``str(shape)`` → resources of the startds of the shape, where one was seen.
        """
        return ()

    def templates(self) -> tuple[Template, ...]:
        """Return the ads that new machines of these shapes would show, as far as the plugin can tell."""
        return tuple(Template(str(offer.shape), offer.room) for offer in self.offers({}))


class VMSubmitPlugin(BatchSubmitPlugin):
    """A submit plugin for VM jobs: the plugin states the policy of VMs, the engine plans by it."""

    submits = Jobs.VM

    @abstractmethod
    def policy(self) -> VMPolicy:
        """Return the policy of the queue's VMs; pure."""

    def plan(self, ask: Ask, batch: BatchStatus, memory: Memory, now: float) -> Plan:
        """Return the actions for this ask by the queue's policy (``factory/lifecycle/plan.py``)."""
        return plan(self.policy(), ask, batch, memory, now)

    def mark_stuck(self, batch: BatchStatus, now: float) -> BatchStatus:
        """Return the batch status with VMs that take too long marked as stuck: they count for caps, not as supply."""
        return mark_stuck_vms(batch, self.policy().timeouts, now)
