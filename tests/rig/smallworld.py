"""A small world for the factory's decisions: jobs, VM jobs, instances, startds and their ads, in one process.

It keeps the true state (:class:`Host`) apart from the state that daemons report. Actions take effect by the model in
``factory/world/effects.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.schedd.job_counts import QUEUE_ATTRIBUTE, JobCountRows
from factory.model.actions import Action, Outcome, Submit
from factory.model.job_status import JobStatus
from factory.model.pool import MachineRow, MasterRow, PoolRows
from factory.model.vm import JobId
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.world.effects import VMFacts, effect, leave_if_empty, start_startd

UPDATE_S = 60
"""Seconds between two updates of an ad."""
LEASE_S = 2400
"""Job lease: seconds until the schedd gives up a job on an unreachable machine."""
EXPIRES_S = 900
"""Seconds without update after which the collector drops an ad (CLASSAD_LIFETIME)."""
IDLE, RUNNING, REMOVED, HELD = JobStatus.IDLE, JobStatus.RUNNING, JobStatus.REMOVED, JobStatus.HELD


@dataclass(slots=True)
class Host:
    """One VM and its ads. It reads like its :class:`VMFacts`; ``change`` gives it new ones."""

    number: int
    """Cluster of its VM job."""
    vm: VMFacts
    """VM job, instance, startd and jobs; ``SmallWorld.facts`` adds what the reports of the host tell."""
    unheard: bool = False
    """The collector refuses ads of its startd."""
    silent_since: float | None = None
    """Time since which the host is unreachable; the schedd notices when the job lease expires."""
    shown: tuple[MachineRow | None, MasterRow | None] = (None, None)
    """Its last ads."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.vm, name)

    def change(self, **facts: Any) -> None:
        """Replace facts of its VM."""
        self.vm = replace(self.vm, **facts)


@dataclass
class SmallWorld:
    """The true state of all hosts, and what schedd and collector report of it."""

    now: float = 1_000_000.0
    idle_jobs: int = 0
    hosts: dict[str, Host] = field(default_factory=dict)
    collector_since: float = 0
    made: int = 0
    killed: int = 0
    """Jobs that ran on machines when the factory ended these."""

    # Events

    def pass_time(self, seconds: float) -> None:
        """Advance the clock; retiring startds leave, and reachable ones report."""
        self.now += seconds
        for host in list(self.hosts.values()):
            self._leave_if_empty(host)
            silent = host.silent_since
            if silent is not None and host.jobs and self.now - silent > LEASE_S:
                self.idle_jobs += host.jobs  # the schedd gives them up
                host.change(jobs=0)
            if seconds >= UPDATE_S:
                self.report(host)

    def report(self, host: Host) -> None:
        """Renew the ads of a host that is alive and reachable."""
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

    def _leave_if_empty(self, host: Host) -> None:
        self._become(host, leave_if_empty(self.facts(host), self.now))

    def start_startd(self, host: Host) -> None:
        """Start the startd of a host."""
        self._become(host, start_startd(self.facts(host), self.now))
        self.report(host)

    def facts(self, host: Host) -> VMFacts:
        """Return the host as the model of effects sees it."""
        startd, master = map(self.has, host.shown)
        return replace(host.vm, reachable=host.silent_since is None, startd_ad=startd, master_ad=master)

    def _become(self, host: Host, vm: VMFacts) -> None:
        """Change a host; report it at once if its startd started or left."""
        changed = (host.startd, host.since) != (vm.startd, vm.since)
        host.vm = vm
        if changed:
            self.report(host)

    def remove(self, host: Host) -> None:
        """End the instance and remove its VM job from the queue; its jobs become idle again."""
        self.idle_jobs += host.jobs
        del self.hosts[host.uuid]

    # Reports of the daemons

    def demand(self) -> JobCountRows:
        """Return the jobs in the schedd."""
        running = sum(host.jobs for host in self.hosts.values())
        return JobCountRows({}, {QUEUE_ATTRIBUTE: {"Q": {IDLE: self.idle_jobs, RUNNING: running}}})

    def vm_jobs(self) -> VMJobRows:
        """Return the VM jobs in the schedd."""
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
        """Return the ads in the collector."""
        machines = {host.uuid: host.shown[0] for host in self.hosts.values()}
        masters = {host.uuid: host.shown[1] for host in self.hosts.values()}
        return PoolRows(
            self.now - self.collector_since,
            {uuid: row for uuid, row in machines.items() if row is not None and self.has(row)},
            {uuid: row for uuid, row in masters.items() if row is not None and self.has(row)},
        )

    def has(self, row: MachineRow | MasterRow | None) -> bool:
        """True if the collector has this ad."""
        return row is not None and row.heard > max(self.collector_since, self.now - EXPIRES_S)

    # Actions

    def act(self, action: Action, delivered: bool = True) -> Outcome:
        """Carry out an action. ``delivered``: True if commands reach machines."""
        if isinstance(action, Submit):
            for _ in range(action.n):
                self.made += 1
                uuid = f"vm{self.made}"
                self.hosts[uuid] = Host(self.made, VMFacts(uuid, self.now, entered=self.now))
            return Outcome(action)
        assert action.vm is not None
        host = self.hosts.get(action.vm.uuid)
        if host is None:
            return Outcome(action, "the job is gone")
        before = self.facts(host)
        after, done = effect(action, before, self.now, delivered)
        if before.status != REMOVED and after.status == REMOVED:
            self.killed += host.jobs
        self._become(host, after)
        return Outcome(action, None if done else "not done")
