"""A machine of the local cloud: the facts of its launch, its state and its history."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path


class Flavour(StrEnum):
    """The EC2 implementation that the local cloud imitates."""

    AMAZON = "amazon"
    OPENSTACK = "openstack"


class State(StrEnum):
    """Instance states, by EC2's names."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ERROR = "error"
    """OpenStack only: the instance failed to start, and exists until it is terminated."""

    @property
    def code(self) -> int:
        """EC2's number of this state."""
        return _CODES[self]


_CODES = {
    State.PENDING: 0,
    State.RUNNING: 16,
    State.SHUTTING_DOWN: 32,
    State.TERMINATED: 48,
    State.STOPPING: 64,
    State.STOPPED: 80,
    State.ERROR: 0,
}


class Order(Enum):
    """An order to a machine."""

    TERMINATE = "terminate"
    STOP = "stop"
    START = "start"
    REBOOT = "reboot"


@dataclass(frozen=True)
class Reason:
    """EC2's stateReason of an instance that is ending or has ended."""

    code: str
    message: str


BY_USER = Reason("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
BY_ITSELF = Reason("Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown")


@dataclass(frozen=True)
class Facts:
    """Facts of a launch. ``user_data`` is the decoded document, or empty."""

    instance_id: str
    reservation_id: str
    launch_index: int
    image_id: str
    instance_type: str
    region: str
    zone: str
    flavour: Flavour
    spot: bool
    client_token: str
    hostname: str
    private_ip: str
    public_hostname: str
    public_ip: str
    tags: tuple[tuple[str, str], ...]
    stops_itself: bool
    """True if a shutdown from inside stops the instance instead of terminating it."""
    disk_gb: int
    """Total size of the EBS volumes attached at launch."""
    user_data: bytes = field(repr=False)


@dataclass
class LocalMachine:
    """One instance and its processes; the cloud keeps it as long as the cloud runs."""

    facts: Facts
    directory: Path
    orders: asyncio.Queue[Order]
    state: State = State.PENDING
    reason: Reason | None = None
    history: list[tuple[State, float]] = field(default_factory=list)
    """The states that it entered, with times (epoch)."""
    boots: int = 0
    pid: int | None = None
    """Process id of its condor_master; None while that does not run."""
    crashed: bool = False
    """True if its processes were killed by ``crash`` while the API shows it as running."""
    visible: bool = True
    """True while the API shows it. EC2 drops an instance some time after its termination."""

    @property
    def alive(self) -> bool:
        """True unless the machine is shutting down or terminated."""
        return self.state not in (State.SHUTTING_DOWN, State.TERMINATED)

    def enter(self, state: State, now: float) -> None:
        """Enter a state; record the time if it is another one."""
        if not self.history or self.history[-1][0] is not state:
            self.history.append((state, now))
        self.state = state
