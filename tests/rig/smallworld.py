"""A small world to try the factory's decisions on: jobs, VM jobs, instances, machines and their ads, in one process.

It keeps what is (:class:`Host`) apart from what is shown (``readings``), and carries out actions as act does: each only
if the schedd, by its own books, still finds what was decided on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from factory.act.actor import retire_time, unretire_time
from factory.condor.schedd.job_counts import QUEUE_ATTRIBUTE, JobCountRows
from factory.lifecycle.plan import NO_INSTANCE
from factory.model.actions import Action, ClearRetire, Release, Remove, Retire, Submit, Unretire
from factory.model.pool import MachineRow, MasterRow, PoolRows
from factory.model.vm import Hold, JobId
from factory.model.vm_job import VMJobRow, VMJobRows

UPDATE_S = 60
"""Between two updates of an ad."""
LEASE_S = 2400
"""A job whose machine is silent is given up after this."""
EXPIRES_S = 900
"""An ad that was not renewed for so long is dropped (CLASSAD_LIFETIME)."""
IDLE, RUNNING, REMOVED, HELD = 1, 2, 3, 5


@dataclass
class Host:
    """One VM: its job in the schedd, its instance, and what runs on it."""

    uuid: str
    number: int
    submitted: float
    status: int = IDLE
    entered: float = 0
    instance: str | None = None
    retire: float | None = None
    unretire: float | None = None
    hold: Hold | None = None
    alive: bool = False
    """The instance runs."""
    startd: bool = False
    since: float = 0
    """The startd started."""
    jobs: int = 0
    """That run there."""
    served: bool = False
    """A job has been there."""
    idle_since: float = 0
    leaving: str | None = None
    """``off`` or ``drain``: it takes no more jobs, and its startd leaves when it has none."""
    theirs: bool = False
    """An administrator asked for it."""
    returns: bool = False
    """``condor_on`` came while it was leaving."""
    unheard: bool = False
    """The collector takes no ads of its startd."""
    silent_since: float | None = None
    """The host has vanished; the schedd finds that out when its jobs' lease is over."""
    shown: tuple[MachineRow | None, MasterRow | None] = (None, None)
    """Its last ads."""


@dataclass
class SmallWorld:
    """The world, and what is shown of it."""

    now: float = 1_000_000.0
    idle_jobs: int = 0
    hosts: dict[str, Host] = field(default_factory=dict)
    collector_since: float = 0
    made: int = 0
    killed: int = 0
    """Jobs on machines that the factory ended."""

    # What happens

    def passes(self, seconds: float) -> None:
        """Time goes on; who can reports."""
        self.now += seconds
        for host in list(self.hosts.values()):
            self._ends(host)
            silent = host.silent_since
            if silent is not None and host.jobs and self.now - silent > LEASE_S:
                self.idle_jobs, host.jobs = self.idle_jobs + host.jobs, 0  # the schedd gives them up
            if seconds >= UPDATE_S:
                self.report(host)

    def report(self, host: Host) -> None:
        """The ads of a machine are renewed, if there is somebody to do it."""
        if not host.alive or host.silent_since is not None:
            return
        reason = None
        if host.leaving == "drain" and host.startd:
            reason = "new kernel" if host.theirs else "apf f1: test"
        machine = None
        if host.startd and not host.unheard:
            machine = MachineRow(
                name=host.uuid, vm=host.uuid, identity="vm@pool", instance=host.instance, heard=self.now,
                started=host.since, slots=(f"slot1@{host.uuid}",), claims=host.jobs,
                retiring=host.jobs if host.leaving is not None else 0,
                idle_since=None if host.jobs else host.idle_since, claimed_before=host.served, drain_reason=reason,
            )  # fmt: skip
        master = MasterRow(
            name=host.uuid, vm=host.uuid, identity="vm@pool", heard=self.now, started=host.since,
            startd_runs=host.startd,
        )  # fmt: skip
        host.shown = machine, master

    def _ends(self, host: Host) -> None:
        """A startd that was asked to leave and has no job left."""
        if host.leaving is None or host.jobs or not host.startd or host.silent_since is not None:
            return
        if host.leaving == "drain" and host.theirs:
            return  # without -exit-on-completion it stays, and takes nothing
        host.startd, host.leaving, host.theirs = False, None, False
        if host.returns:
            self.starts(host)
        else:
            self.report(host)

    def starts(self, host: Host) -> None:
        """A startd starts."""
        host.startd, host.since, host.idle_since = True, self.now, self.now
        host.served, host.returns, host.leaving, host.theirs = False, False, None, False
        self.report(host)

    def gone(self, host: Host) -> None:
        """The instance has ended and the VM job has left the queue; jobs on it run elsewhere again."""
        self.idle_jobs += host.jobs
        del self.hosts[host.uuid]

    # What is shown

    def demand(self) -> JobCountRows:
        """The jobs in the schedd."""
        running = sum(host.jobs for host in self.hosts.values())
        return JobCountRows({}, {QUEUE_ATTRIBUTE: {"Q": {IDLE: self.idle_jobs, RUNNING: running}}})

    def vm_jobs(self) -> VMJobRows:
        """The VM jobs in the schedd."""
        return VMJobRows(tuple(self._row(host) for host in self.hosts.values()))

    def _row(self, host: Host) -> VMJobRow:
        return VMJobRow(
            job=JobId(host.number, 0), status=host.status, uuid=host.uuid, queue="Q",
            shape="ami-1/m5.large/*/on-demand", identity="vm@pool", incarnation="1000 host 1",
            submitted=host.submitted, entered_status=host.entered, lease_end=host.submitted + 172_800,
            retire_time=host.retire, unretire_time=host.unretire, instance=host.instance,
            grid_status="running" if host.alive else None, hold=host.hold,
        )  # fmt: skip

    def pool(self) -> PoolRows:
        """The ads that the collector has."""
        machines = {host.uuid: host.shown[0] for host in self.hosts.values()}
        masters = {host.uuid: host.shown[1] for host in self.hosts.values()}
        return PoolRows(
            self.now - self.collector_since,
            {uuid: row for uuid, row in machines.items() if row is not None and self.has(row)},
            {uuid: row for uuid, row in masters.items() if row is not None and self.has(row)},
        )

    def has(self, row: MachineRow | MasterRow | None) -> bool:
        """Whether the collector has this ad."""
        return row is not None and row.heard > max(self.collector_since, self.now - EXPIRES_S)

    # What is done

    def does(self, action: Action, reaches: bool = True) -> bool:
        """Carry it out. ``reaches``: commands reach machines. Whether it was done, as far as act would see."""
        if isinstance(action, Submit):
            for _ in range(action.n):
                self.made += 1
                uuid = f"vm{self.made}"
                self.hosts[uuid] = Host(uuid, self.made, self.now, entered=self.now)
            return True
        assert action.vm is not None
        host = self.hosts.get(action.vm.uuid)
        if host is None:
            return False
        match action:
            case Remove():
                return self._remove(action, host)
            case Release() if host.status == HELD and not (action.ends and self._may_be_at_work(host)):
                again = host.hold is not None and host.hold.status_on_release == REMOVED
                host.status, host.entered, host.hold = REMOVED if again else IDLE, self.now, None
                if again:
                    self._end(host)
            case ClearRetire() if host.unretire == action.vm.unretire_time:
                host.retire = None
            case Retire() if host.status != REMOVED:
                if not action.repeat:
                    host.retire = retire_time(action.vm, self.now)
                if reaches and action.vm.startd is not None and host.startd and host.leaving is None:
                    host.leaving, host.returns = action.method, False
                    self._ends(host)
            case Unretire() if host.status != REMOVED:
                if not action.vm.wanted_back:
                    host.unretire = unretire_time(action.vm, self.now)
                if reaches and action.vm.startd is not None:
                    self._called_back(host)
            case _:
                return False
        return reaches

    def _may_be_at_work(self, host: Host) -> bool:
        """As act asks before it ends a machine that is out of sight, but for its master."""
        return host.jobs > 0 or self.has(host.shown[0])

    def _called_back(self, host: Host) -> None:
        if not host.alive or host.silent_since is not None:
            return
        if host.leaving == "drain" and host.startd:
            host.leaving, host.theirs = None, False
        elif not host.startd:
            self.starts(host)
        elif host.leaving == "off":
            host.returns = True

    def _remove(self, action: Remove, host: Host) -> bool:
        if host.jobs:  # the schedd's own word (rule 5)
            return False
        if action.absent and any(self.has(row) for row in host.shown[: 1 if action.master else 2]):
            return False
        if action.still == NO_INSTANCE and not (host.status == IDLE and host.instance is None):
            return False
        if "JobStatus == 2" in action.still and host.status != RUNNING:
            return False
        if "JobStatus == 1" in action.still and host.status != IDLE:
            return False
        if "JobStatus == 5" in action.still and host.status != HELD:
            return False
        host.status, host.entered, host.hold = REMOVED, self.now, None
        self._end(host)
        return True

    def _end(self, host: Host) -> None:
        self.killed += host.jobs
        host.alive = host.startd = False
