"""What a plugin is: the only module of the engine that a plugin author needs.

A plugin is one class in one module, found by an entry point of its category whose name is the name
that stands in queues.conf: ``apf.wmsstatus``, ``apf.batchstatus``, ``apf.sched``, ``apf.batchsubmit``,
``apf.cloud``, ``apf.monitor``. Its settings are the fields of its inner ``Settings`` model, read from
``<category>.<name in lower case>.<field>`` of the queue's section.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from factory.check import files
from factory.check.finding import Finding
from factory.clouds import Account, CloudAct, CloudRows, InstanceRow
from factory.condor.daemons import ScheddAddress
from factory.condor.expression import ATTRIBUTE, checked
from factory.condor.history import HistorySource, HistoryWindow, RecentJobs
from factory.config.types import CommaList, Duration, KeepLines, Named, Settings, Switch
from factory.fit.model import Offer, Room, Template
from factory.fit.share import Share, Verdict
from factory.health import Health
from factory.ledger import Cost
from factory.model import VM, Ask, BatchStatus, Shape, SiteStatus, Unknown, VMState, WmsStatus
from factory.source import Reading, Readings, Source
from factory.track import Memory

if TYPE_CHECKING:
    from factory.actions import Action
    from factory.config.settings import FactorySettings, QueueSettings

T = TypeVar("T")

__all__ = [
    "ATTRIBUTE",
    "VM",
    "Account",
    "Ask",
    "AskPlugin",
    "AskStep",
    "BatchStatus",
    "BatchStatusPlugin",
    "BatchSubmitPlugin",
    "Cap",
    "CloudAct",
    "CloudPlugin",
    "CloudRows",
    "CommaList",
    "Cost",
    "Duration",
    "Finding",
    "Health",
    "HistorySource",
    "HistoryWindow",
    "Info",
    "InstanceRow",
    "Jobs",
    "KeepLines",
    "Machines",
    "Memory",
    "MonitorPlugin",
    "Named",
    "Offer",
    "Plan",
    "Plugin",
    "PluginSettings",
    "Reading",
    "Readings",
    "RecentJobs",
    "Room",
    "SchedPlugin",
    "ScheddAddress",
    "Settings",
    "Shape",
    "Share",
    "SiteStatus",
    "Source",
    "Step",
    "Submission",
    "SubmitTools",
    "Switch",
    "Template",
    "Unknown",
    "VMState",
    "Verdict",
    "View",
    "WmsStatus",
    "WmsStatusPlugin",
    "checked",
    "files",
]


class PluginSettings(Settings):
    """Base of a plugin's ``Settings``."""


class Plugin:
    """What all plugins have: the queue they serve and their settings."""

    category: ClassVar[str]
    name: str
    """What it is called in queues.conf."""

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
        """What ``apf check`` should say beyond the settings, such as files that are missing. Asks no daemon."""
        return ()

    def key(self, field: str) -> str:
        """How a field of the settings is written in the queue's section."""
        return f"{self.category}.{self.name.lower()}.{field}"


class Info(Enum):
    """Information that a sched plugin may need; a chain holds when one that it needs is unknown."""

    WMS = "WMS status"
    BATCH = "batch status"
    SITE = "site status"
    FACTORY_TOTAL = "factory total"
    DEMAND = "job groups"


class Jobs(Enum):
    """The two kinds of jobs that a factory has in its schedd."""

    PLAIN = "plain jobs"
    VM = "VM jobs"


class WmsStatusPlugin(Plugin, ABC):
    """Says what work waits. Does no I/O: it names sources and reads what they brought."""

    category = "wmsstatus"
    templates: tuple[Template, ...] | None = None
    """The machines that the queue may buy, if its chain looks at groups of jobs: then ``demand`` is wanted of
    ``read``. None: it does not. Set when the configuration is read."""

    @abstractmethod
    def sources(self) -> tuple[Source, ...]:
        """What to poll."""

    @abstractmethod
    def read(self, readings: Readings) -> WmsStatus | Unknown:
        """The work of this queue; pure."""

    def shares(self) -> frozenset[str]:
        """Names of the work that it counts: queues with one in common share it, in the order of their priority.

        By default the keys of its sources; otherwise where one source brings the work of many queues.
        """
        return frozenset(source.key for source in self.sources())

    def jobs(self) -> tuple[tuple[ScheddAddress, ...], str] | None:
        """Schedds whose jobs are its work, and the ClassAd expression that selects them. None: it reads no schedd."""
        return None

    def read_site(self, readings: Readings) -> SiteStatus | Unknown:
        """Status of the site; pure."""
        return Unknown(f"{self.name} knows no site status")


class BatchStatusPlugin(Plugin, ABC):
    """Says what a queue already has. Does no I/O: it names sources and reads what they brought."""

    category = "batchstatus"
    shows: ClassVar[Jobs | None] = None
    """The jobs that it shows. A queue whose submit plugin ``submits`` others would never see what it has, and submit
    without end: that is an error of the configuration. None: it goes with every submit plugin."""

    @abstractmethod
    def sources(self) -> tuple[Source, ...]:
        """What to poll."""

    @abstractmethod
    def read(self, readings: Readings, memory: Memory) -> BatchStatus | Unknown:
        """Jobs or VMs of this queue; pure. ``memory`` may delay a conclusion, never cause one (rule 1)."""


@dataclass(frozen=True)
class View:
    """What a sched plugin sees. Only what the plugin declared in ``needs`` may be read."""

    queue: str
    now: float
    wms_or_unknown: WmsStatus | Unknown
    batch_or_unknown: BatchStatus | Unknown
    site_or_unknown: SiteStatus | Unknown
    total_or_unknown: int | Unknown
    readings: Readings | None = None
    """What the sources of the sched plugins themselves brought."""
    share_or_unknown: Share | Unknown = Unknown("the WMS status names no groups of jobs")
    owned: Mapping[Cost, int] = field(default_factory=dict)
    """How many machines that may own an instance there are of each cost, in all queues whose batch status is known."""
    bought: Callable[[Ask], tuple[Cost, ...]] = lambda ask: ()
    """What would be bought for an ask, after the machines that are taken back; pure."""

    @property
    def wms(self) -> WmsStatus:
        """The work that waits."""
        return _known(self.wms_or_unknown)

    @property
    def batch(self) -> BatchStatus:
        """What the queue already has."""
        return _known(self.batch_or_unknown)

    @property
    def site(self) -> SiteStatus:
        """What the WMS says of the site."""
        return _known(self.site_or_unknown)

    @property
    def factory_total(self) -> int:
        """Pending + running of all queues of the factory."""
        return _known(self.total_or_unknown)

    @property
    def demand(self) -> Share:
        """The job groups, and what of them is left for this queue."""
        return _known(self.share_or_unknown)

    def rows(self, source: Source) -> Any:
        """Rows of a source that the plugin named in its ``sources``."""
        return _known(self._rows(source))

    def _rows(self, source: Source) -> Any:
        return Unknown(f"{source.key}: not read") if self.readings is None else self.readings.rows(source)

    def unknown(self, needs: frozenset[Info], sources: Iterable[Source] = ()) -> Unknown | None:
        """The first of ``needs``, then of ``sources``, that is unknown, if any."""
        values = {
            Info.WMS: self.wms_or_unknown,
            Info.BATCH: self.batch_or_unknown,
            Info.SITE: self.site_or_unknown,
            Info.FACTORY_TOTAL: self.total_or_unknown,
            Info.DEMAND: self.share_or_unknown,
        }
        for info in Info:
            value = values[info]
            if info in needs and isinstance(value, Unknown):
                return Unknown(f"{info.value} unknown: {value.reason}")
        for source in sources:
            rows = self._rows(source)
            if isinstance(rows, Unknown):
                return rows
        return None


def _known(value: T | Unknown) -> T:
    if isinstance(value, Unknown):
        raise LookupError(f"a plugin read what it did not declare in needs: {value.reason}")
    return value


@dataclass(frozen=True, slots=True)
class Step:
    """What a plain sched plugin answers: n, and why."""

    n: int
    reason: str


@dataclass(frozen=True, slots=True)
class AskStep:
    """What a sched plugin that sees the whole ask answers."""

    ask: Ask
    reason: str
    verdict: Verdict | None = field(default=None, repr=False)
    """Which waiting jobs the machines are for, where that is known."""


class SchedPlugin(Plugin, ABC):
    """One step of a chain, in numbers: n in, n out."""

    category = "sched"
    needs: frozenset[Info] = frozenset()
    """What must be known, or the chain holds; where it follows from the settings, set it in __init__."""
    whole_factory: bool = False
    """Every queue is polled for its decision, also those that are not due."""

    def machine_attributes(self) -> Mapping[str, str]:
        """ClassAd attributes of the machines that the queue buys, for plugins that match jobs against them."""
        return {}

    def sources(self) -> tuple[Source, ...]:
        """What it polls for itself and reads with ``view.rows``; if one is unknown the chain holds."""
        return ()

    @abstractmethod
    def step(self, n: int, view: View) -> Step:
        """N for the next plugin; pure. Below zero: retire that many."""


class AskPlugin(SchedPlugin):
    """One step of a chain that sees and returns the whole ask: shapes and victims too."""

    def step(self, n: int, view: View) -> Step:
        """The same in numbers."""
        answer = self.step_ask(Ask(n), view)
        return Step(answer.ask.n, answer.reason)

    @abstractmethod
    def step_ask(self, ask: Ask, view: View) -> AskStep:
        """The ask for the next plugin; pure."""


@dataclass(frozen=True)
class Plan:
    """Actions, and notes on what was asked and will not be done."""

    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    health: Health | None = None
    """What the next plan shall find in ``memory.health`` of this queue. None: what is there."""


@dataclass(frozen=True)
class Cap:
    """At most ``maximum`` jobs that fit ``constraint`` may be in the schedd after the submit."""

    constraint: str
    maximum: int


@dataclass(frozen=True)
class Submission:
    """What goes to the schedd in one transaction: a submit description and one dictionary for each job."""

    description: str
    items: tuple[Mapping[str, str], ...]
    """Macros of each job; empty ones for jobs that are all alike."""
    files: Mapping[str, bytes]
    """Files to write (0600) before the submit, by path."""
    schedd: ScheddAddress = ScheddAddress()
    cap: Cap | None = None
    """Checked again by the worker that submits (rule 6)."""
    directories: tuple[Path, ...] = ()
    """Directories to make before the submit, for logs and output."""


@dataclass(frozen=True)
class SubmitTools:
    """The effects that a submit plugin may have, passed in by act."""

    now: float
    incarnation: str
    userdata: Path
    """Directory for user-data files, named by ``APFVM``."""
    pool: str
    """Collector that machines join."""
    logs: Path
    """Directory for logs and output of plain jobs, where the configuration names none."""
    uuid: Callable[[], str]
    token: Callable[[int], str]
    """An IDTOKEN for the VM with only ADVERTISE_STARTD, ADVERTISE_MASTER and READ, for so many seconds."""
    schedd: Callable[[], str] = str
    """Full name of the schedd that gets the VM jobs."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the queue's monitors want plain jobs to have in their environment, to report there themselves."""


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What ``apf check`` compares with the pool's configuration: the machines that a submit plugin starts."""

    resource: str
    """Endpoint and account: queues with equal ones share the gridmanager's limit."""
    host: str
    """Host of the endpoint, by which the limit may differ."""
    instance_type: str
    cores: int | None = None
    """Of one machine; None: not known."""
    idle_s: int
    """A machine that has been unclaimed for so long ends by itself."""
    lease_max_s: int
    """The longest life of a machine, and of its token."""
    maxinstances: int | None = None
    """The hard cap."""


class BatchSubmitPlugin(Plugin, ABC):
    """Turns what a chain asks for into actions, and a Submit into a submit description."""

    category = "batchsubmit"
    submits: ClassVar[Jobs | None] = None
    """What it submits, which the queue's batch status plugin must show. None: it goes with every one."""

    @abstractmethod
    def plan(self, ask: Ask, batch: BatchStatus, memory: Memory, now: float) -> Plan:
        """Actions for this ask, and what is due whatever the chain asks; pure.

        Called whenever the batch status is known; with an empty ask when the chain holds.
        """

    @abstractmethod
    def submission(self, n: int, shapes: tuple[Shape, ...], tools: SubmitTools) -> Submission:
        """What to submit for n jobs, or for these shapes."""

    def judged(self, batch: BatchStatus, now: float) -> BatchStatus:
        """The batch status, with what is not worth waiting for marked as stuck; pure."""
        return batch

    def account(self) -> Account | None:
        """Where the cloud itself can be asked for the machines. None: nowhere."""
        return None

    def machines(self) -> Machines | None:
        """The machines that it starts. None: it submits plain jobs."""
        return None

    def usd_per_hour(self, shape: str) -> float | None:
        """The most that an hour of a machine of this shape costs (``""``: of any). None: it is not known."""
        return None

    def offers(self, seen: Mapping[str, Room]) -> tuple[Offer, ...]:
        """The shapes that it may buy, and what a machine of each has for jobs; pure. Nothing: it knows no shapes.

        ``seen``: what the startds of a shape have, by ``str(shape)``, where one was seen.
        """
        return ()

    def templates(self) -> tuple[Template, ...]:
        """What a new machine of each of these shapes would show, as far as the plugin can tell."""
        return tuple(Template(str(offer.shape), offer.room) for offer in self.offers({}))


class CloudPlugin(Plugin, ABC):
    """Asks a cloud's own API. Does no I/O itself: it names a source."""

    category = "cloud"

    @abstractmethod
    def instances(self, account: Account) -> Source:
        """What to poll for the instances of this factory in an account; it brings ``CloudRows``."""

    @abstractmethod
    def terminate(self, account: Account, instances: Iterable[InstanceRow], key_pairs: Iterable[str] = ()) -> CloudAct:
        """What ends these instances, as far as they still are this factory's by their tags, and deletes key pairs."""


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
