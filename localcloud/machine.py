"""A machine of the local cloud: the facts it was launched with, its state, and what has happened to it."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path


class Flavour(StrEnum):
    """Whose EC2 API the local cloud imitates."""

    AMAZON = "amazon"
    OPENSTACK = "openstack"


class State(StrEnum):
    """Instance states by the names that EC2 gives them; ``code`` is EC2's number."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ERROR = "error"
    """Of OpenStack: it could not be started, and stays until somebody terminates it."""

    @property
    def code(self) -> int:
        """The number of this state in EC2's replies."""
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
    """What someone wants of a machine."""

    TERMINATE = "terminate"
    STOP = "stop"
    START = "start"
    REBOOT = "reboot"


@dataclass(frozen=True)
class Reason:
    """EC2's stateReason of a machine that is ending or has ended."""

    code: str
    message: str


BY_USER = Reason("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
BY_ITSELF = Reason("Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown")


@dataclass(frozen=True)
class Facts:
    """What a machine is launched with. ``user_data`` is the decoded document, empty when there is none."""

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
    """Shutting down from inside stops the machine instead of terminating it."""
    disk_gb: int
    """EBS volumes attached at launch, together."""
    user_data: bytes = field(repr=False)


@dataclass
class Machine:
    """One instance, from its launch on; the cloud remembers it for as long as it runs."""

    facts: Facts
    directory: Path
    orders: asyncio.Queue[Order]
    state: State = State.PENDING
    reason: Reason | None = None
    history: list[tuple[State, float]] = field(default_factory=list)
    """Each state it entered and when, in seconds since the epoch."""
    boots: int = 0
    pid: int | None = None
    """Its condor_master, while that runs."""
    crashed: bool = False
    """Nothing runs on it, and its cloud has not noticed."""
    visible: bool = True
    """The API still shows it. EC2 forgets an instance some time after its termination."""

    @property
    def alive(self) -> bool:
        """Neither terminated nor on the way there."""
        return self.state not in (State.SHUTTING_DOWN, State.TERMINATED)

    def enter(self, state: State, now: float) -> None:
        """Record the change to another state; to be in it already is no change."""
        if not self.history or self.history[-1][0] is not state:
            self.history.append((state, now))
        self.state = state
