"""The state of a VM, from the evidence of schedd, collector and memory. Pure.

The life of a VM::

    submitted ──► booting ──► joined ──► busy ◄──► idle
        │            │           │         │         │
        │            │           └─────────┴────┬────┘
        ▼            ▼                          ▼
       held      retiring (as it joins)     retiring ──► retired ──► done
                                                │
    lost: left the pool without retiring    ◄───┘

Nothing is stored: each poll derives the state from what is seen, and the first row that fits decides.

    VM job             startd                  master                    further           state
    held               any                     any                                         held
    removed, completed any                     any                                         done
    no instance        none                    any                                         submitted
    no instance        in the pool             any                                         booting
    runs, or instance  ad too old              any                                         lost
                       draining                any                                         retiring
                       claims retiring         any                                         retiring
                       shows no retirement     any                       asked to retire   retiring
                       has claims              any                                         busy
                       no claims, had some     any                                         idle
                       never claimed           any                                         joined
    starts             none                    none                      startd never seen booting *
    runs               none                    none                      startd seen       lost
    runs               none                    none                      startd never seen booting *
                       none                    ad too old                                  lost
                       none                    says: no startd, late     or startd seen    retired
                       none                    in the pool               asked to retire   retiring
                       none                    in the pool               startd seen       lost
                       none                    in the pool               startd never seen booting *

``*``: retiring if it was asked to retire. A startd or master with another identity than the VM job's, or on another
instance, counts as none. An ad is too old after twice the update interval with which the VM was made. *Absence is no
proof* (rule 5): only a fresh master that says ``STARTD_StartTime == 0`` makes a VM ``retired``.
"""

from __future__ import annotations

from factory.model.job_status import JobStatus
from factory.model.memory import Memory
from factory.model.pool import MachineRow, MasterRow, PoolRows
from factory.model.vm import VM, Drain, VMState, counted
from factory.model.vm_job import VMJobRow

StateReason = tuple[VMState, str]
"""A state and the evidence for it, for people."""

_LEFT_QUEUE: dict[int, str] = {JobStatus.REMOVED: "removed", JobStatus.COMPLETED: "completed"}

_STARTS_S, _ASKED_S = 120, 20
"""A master also says STARTD_StartTime == 0 before its first startd starts. It is believed in an ad that is this many
seconds later than the start of the master: the second number for a VM that was asked to retire."""


_NO_STARTD = MachineRow(
    name="", vm="", identity="", instance=None, heard=0, started=0, slots=(), claims=0, retiring=0, idle_since=None,
    claimed_before=False, drain_reason=None,
)  # fmt: skip


class Joiner:
    """Join VM jobs with their startds and masters into VMs."""

    def __init__(
        self, pool: PoolRows, evictable: frozenset[str], memory: Memory, factory_id: str, now: float, fresh_s: float
    ) -> None:
        self._pool = pool
        self._evictable = evictable
        self._memory = memory
        self._factory_id = factory_id
        self._now = now
        self._fresh_s = fresh_s

    def vm(self, job: VMJobRow) -> VM:
        """Return the VM of this job."""
        own, mismatch = self._own_startd(job)
        machine = own if own is not None and self._counts(own, job) else None
        master = self._own_master(job)
        drain = self._drain(machine)
        state, why = self._state(job, machine, master, drain, joined=own is not None)
        shown, daemon = machine or _NO_STARTD, machine or master
        return VM(
            uuid=job.uuid,
            queue=job.queue,
            job=job.job,
            state=state,
            why=f"{why}; {mismatch}" if mismatch else why,
            shape=job.shape,
            job_status=job.status,
            submitted=job.submitted,
            entered_status=job.entered_status,
            instance=job.instance,
            grid_status=job.grid_status,
            startd=daemon.name if daemon else None,
            slots=shown.slots,
            claims=shown.claims,
            idle_since=shown.idle_since if self._fresh(shown, job) else None,
            joined_at=machine.started if machine else None,
            lease_end=job.lease_end,
            retire_time=job.retire_time,
            unretire_time=job.unretire_time,
            retire_seen=drain is not None or shown.retiring > 0,
            drain=drain,
            hold=job.hold,
            evictable=machine is not None and machine.name in self._evictable,
            build=job.build,
            missed_once=state is VMState.LOST and mismatch is None and self._missed_once(job),
            foreign_startd=mismatch is not None,
            update_s=job.update_s,
        )

    def _own_startd(self, job: VMJobRow) -> tuple[MachineRow | None, str | None]:
        """Return the startd with this job's APFVM, or None and the reason why it is not the job's own."""
        row = self._pool.machines.get(job.uuid)
        mismatch = None if row is None else _identity_mismatch(job, row)
        return (row if mismatch is None else None), mismatch

    def _counts(self, row: MachineRow, job: VMJobRow) -> bool:
        """True if a VM job in this status can have a startd; an old ad does not count while the job is held."""
        if job.status == JobStatus.IDLE:
            return job.instance is not None  # the launch was answered late, or twice
        return job.status == JobStatus.RUNNING or (job.status == JobStatus.HELD and self._fresh(row, job))

    def _own_master(self, job: VMJobRow) -> MasterRow | None:
        master = self._pool.masters.get(job.uuid)
        return None if master is not None and job.identity and master.identity != job.identity else master

    def _drain(self, machine: MachineRow | None) -> Drain | None:
        if machine is None or machine.drain_reason is None:
            return None
        return Drain(machine.drain_reason, ours=machine.drain_reason.startswith(drain_reason(self._factory_id)))

    def _missed_once(self, job: VMJobRow) -> bool:
        """True if the current poll is the first that missed the startd."""
        seen = self._memory.vms.get(job.uuid)
        return seen is not None and (seen.gone is None or seen.gone >= self._now)

    def _state(
        self, job: VMJobRow, machine: MachineRow | None, master: MasterRow | None, drain: Drain | None, joined: bool
    ) -> StateReason:
        """Return the state by the table above; ``joined``: its startd is in the pool, whatever the VM job says."""
        if job.hold is not None:
            return VMState.HELD, f"held {job.hold.code}/{job.hold.subcode}"
        if job.status in _LEFT_QUEUE:
            return VMState.DONE, f"VM job {_LEFT_QUEUE[job.status]}"
        if job.status != JobStatus.RUNNING and job.instance is None:
            if joined:
                return VMState.BOOTING, "its startd is in the pool; the schedd does not know its instance yet"
            return VMState.SUBMITTED, "no instance yet"
        if machine is not None and not self._fresh(machine, job):
            return VMState.LOST, f"the last ad of its startd is {self._now - machine.heard:.0f} s old"
        if machine is not None:
            return _state_in_pool(job, machine, drain)
        state, why = self._state_without_startd(job, master)
        if state is VMState.BOOTING and _asked_to_retire(job):
            return VMState.RETIRING, f"{why}; retires as soon as it joins"
        return state, why

    def _fresh(self, row: MachineRow | MasterRow, job: VMJobRow) -> bool:
        return self._now - row.heard <= max(self._fresh_s, 2 * job.update_s)

    def _state_without_startd(self, job: VMJobRow, master: MasterRow | None) -> StateReason:
        seen = self._memory.vms.get(job.uuid)
        asked = _asked_to_retire(job)
        if job.status != JobStatus.RUNNING and master is None and seen is None:
            return VMState.BOOTING, f"instance {job.grid_status or 'starting'}"
        if master is None:
            if seen is not None:
                return VMState.LOST, "its startd and its master are no longer in the pool"
            return VMState.BOOTING, "instance runs, no startd yet"
        if not self._fresh(master, job):
            return VMState.LOST, f"the last ad of its master is {self._now - master.heard:.0f} s old"
        late = master.heard - master.started > (_ASKED_S if asked else _STARTS_S)
        if not master.startd_runs and (seen is not None or late):
            return VMState.RETIRED, "its master reports that its startd has ended"
        if asked:
            return VMState.RETIRING, "its startd has left the pool; its master has not reported that yet"
        if seen is not None:
            return VMState.LOST, "its startd is not in the pool; its master does not report that it ended"
        return VMState.BOOTING, "master in the pool, no startd yet"


def _state_in_pool(job: VMJobRow, machine: MachineRow, drain: Drain | None) -> StateReason:
    if drain is not None:
        whose = "ours" if drain.ours else f"not ours: {drain.reason or 'no reason given'}"
        return VMState.RETIRING, f"drains ({whose}), {counted(machine.claims, 'claim')}"
    if machine.retiring > 0:
        back = ", returns when they end" if job.retire_time is not None and not _asked_to_retire(job) else ""
        return VMState.RETIRING, f"{machine.retiring} of {counted(machine.claims, 'claim')} retiring{back}"
    if _asked_to_retire(job):
        return VMState.RETIRING, "asked to retire; its ads do not show it yet"
    if machine.claims > 0:
        return VMState.BUSY, counted(machine.claims, "claim")
    if machine.claimed_before:
        return VMState.IDLE, "no claims"
    return VMState.JOINED, "never claimed yet"


def _asked_to_retire(job: VMJobRow) -> bool:
    return job.retire_time is not None and (job.unretire_time or 0) < job.retire_time


def _identity_mismatch(job: VMJobRow, machine: MachineRow) -> str | None:
    """Return the reason why a startd with this job's APFVM is not its own; None if it is."""
    if job.identity and machine.identity != job.identity:
        return f"startd {machine.name} has its APFVM under identity {machine.identity or 'none'}, not {job.identity}"
    same_kind = (job.instance or "").startswith("i-") == (machine.instance or "").startswith("i-")
    # An OpenStack machine may have another id for itself than the EC2 API has.
    if job.instance and machine.instance and same_kind and machine.instance != job.instance:
        return f"startd {machine.name} runs on {machine.instance}, not on {job.instance}"
    return None


def drain_reason(factory_id: str) -> str:
    """Return the text with which the reason of every drain of this factory begins."""
    return f"apf {factory_id}:"
