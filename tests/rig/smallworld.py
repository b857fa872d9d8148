"""A small world to try the factory's decisions on: jobs, VM jobs, instances, machines and their ads, in one process.

It keeps what is (:class:`Host`) apart from what is shown (``readings``), and carries out actions by the same model that
a simulator uses (``factory/world/effects.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from factory.condor.schedd.job_counts import QUEUE_ATTRIBUTE, JobCountRows
from factory.model.actions import Action, Method, Outcome, Submit
from factory.model.pool import MachineRow, MasterRow, PoolRows
from factory.model.vm import Hold, JobId
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.world.effects import VMFacts, effect, leave_if_empty, start_startd

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
    leaving: Method | None = None
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
        self._becomes(host, leave_if_empty(self.facts(host), self.now))

    def starts(self, host: Host) -> None:
        """A startd starts."""
        self._becomes(host, start_startd(self.facts(host), self.now))
        self.report(host)

    def facts(self, host: Host) -> VMFacts:
        """The VM as the model of effects sees it."""
        known: dict[str, Any] = {name: getattr(host, name) for name in _SHARED}
        ads: dict[str, Any] = {"startd_ad": self.has(host.shown[0]), "master_ad": self.has(host.shown[1])}
        return VMFacts(reachable=host.silent_since is None, **ads, **known)

    def _becomes(self, host: Host, vm: VMFacts) -> None:
        """The VM changes; a startd that starts or leaves is reported at once."""
        changed = (host.startd, host.since) != (vm.startd, vm.since)
        for name in _SHARED:
            setattr(host, name, getattr(vm, name))
        if changed:
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

    def does(self, action: Action, reaches: bool = True) -> Outcome:
        """Carry it out. ``reaches``: commands reach machines."""
        if isinstance(action, Submit):
            for _ in range(action.n):
                self.made += 1
                uuid = f"vm{self.made}"
                self.hosts[uuid] = Host(uuid, self.made, self.now, entered=self.now)
            return Outcome(action)
        assert action.vm is not None
        host = self.hosts.get(action.vm.uuid)
        if host is None:
            return Outcome(action, "the job is gone")
        before = self.facts(host)
        after, done = effect(action, before, self.now, reaches)
        if before.status != REMOVED and after.status == REMOVED:
            self.killed += host.jobs
        self._becomes(host, after)
        return Outcome(action, None if done else "not done")


_SHARED = tuple(each.name for each in fields(VMFacts) if each.name in {own.name for own in fields(Host)})
