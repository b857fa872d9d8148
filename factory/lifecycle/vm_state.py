"""The state of a VM, from the evidence of schedd and collector."""

from __future__ import annotations

from factory.model.job_status import JobStatus
from factory.model.memory import Memory
from factory.model.pool import MachineRow, MasterRow, PoolRows
from factory.model.vm import VM, Drain, VMState, counted
from factory.model.vm_job import VMJobRow

StateReason = tuple[VMState, str]
"""A state, and the evidence for it."""


_GONE: dict[int, str] = {JobStatus.REMOVED: "removed", JobStatus.COMPLETED: "completed"}


_STARTS_S, _ASKED_S = 120, 20
"""A master says STARTD_StartTime == 0 also until its first startd starts; believed of an ad that is later than this."""


class Joiner:
    """Joins one VM job with its startd and its master into a VM; pure."""

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
        """The VM of this job."""
        machine = self._pool.machines.get(job.uuid)
        master = self._pool.masters.get(job.uuid)
        stranger = None if machine is None else _identity_mismatch(job, machine)
        early = machine is not None and stranger is None and job.instance is None
        silent = job.status == JobStatus.HELD and machine is not None and not self._fresh(machine, job)
        starts = job.status == JobStatus.IDLE and job.instance is not None  # its launch was answered late, or twice
        if stranger is not None or silent or not (starts or job.status in (JobStatus.RUNNING, JobStatus.HELD)):
            machine = None
        if master is not None and job.identity and master.identity != job.identity:
            master = None
        drain = None
        if machine is not None and machine.drain_reason is not None:
            drain = Drain(machine.drain_reason, ours=machine.drain_reason.startswith(drain_reason(self._factory_id)))
        state, why = self._seat(job, machine, master, drain)
        seen = self._memory.vms.get(job.uuid)
        if state is VMState.SUBMITTED and early:
            state, why = VMState.BOOTING, "its machine is in the pool, its instance is not known to the schedd yet"
        return VM(
            uuid=job.uuid,
            queue=job.queue,
            job=job.job,
            state=state,
            why=f"{why}; {stranger}" if stranger else why,
            shape=job.shape,
            job_status=job.status,
            submitted=job.submitted,
            entered_status=job.entered_status,
            instance=job.instance,
            grid_status=job.grid_status,
            startd=machine.name if machine else (master.name if master else None),
            slots=machine.slots if machine else (),
            claims=machine.claims if machine else 0,
            idle_since=machine.idle_since if machine and self._fresh(machine, job) else None,
            joined_at=machine.started if machine else None,
            lease_end=job.lease_end,
            retire_time=job.retire_time,
            unretire_time=job.unretire_time,
            retire_seen=machine is not None and (drain is not None or machine.retiring > 0),
            drain=drain,
            hold=job.hold,
            evictable=machine is not None and machine.name in self._evictable,
            build=job.build,
            missed_once=state is VMState.LOST and stranger is None and seen is not None and self._once(seen.gone),
            stranger=stranger is not None,
            update_s=job.update_s,
        )

    def _once(self, gone: float | None) -> bool:
        """Whether the poll that is read now is the first that missed a startd."""
        return gone is None or gone >= self._now

    def _seat(
        self, job: VMJobRow, machine: MachineRow | None, master: MasterRow | None, drain: Drain | None
    ) -> StateReason:
        if job.hold is not None:
            return VMState.HELD, f"held {job.hold.code}/{job.hold.subcode}"
        if job.status in _GONE:
            return VMState.DONE, f"VM job {_GONE[job.status]}"
        if job.status != JobStatus.RUNNING and job.instance is None:
            return VMState.SUBMITTED, "no instance yet"
        if machine is not None and not self._fresh(machine, job):
            return VMState.LOST, f"last word of its startd is {self._now - machine.heard:.0f} s old"
        if machine is not None:
            return _state_in_pool(job, machine, drain)
        state, why = self._seat_outside(job, master)
        if state is VMState.BOOTING and _restart_asked(job):
            return VMState.RETIRING, f"{why}; will retire as soon as it joins"
        return state, why

    def _fresh(self, row: MachineRow | MasterRow, job: VMJobRow) -> bool:
        return self._now - row.heard <= max(self._fresh_s, 2 * job.update_s)

    def _seat_outside(self, job: VMJobRow, master: MasterRow | None) -> StateReason:
        seen = self._memory.vms.get(job.uuid)
        asked = _restart_asked(job)
        if job.status != JobStatus.RUNNING and master is None and seen is None:
            return VMState.BOOTING, f"instance {job.grid_status or 'starting'}"
        if master is None:
            if seen is not None:
                return VMState.LOST, "its startd and its master are not in the pool any more"
            return VMState.BOOTING, "instance runs, no startd yet"
        if not self._fresh(master, job):
            return VMState.LOST, f"last word of its master is {self._now - master.heard:.0f} s old"
        late = master.heard - master.started > (_ASKED_S if asked else _STARTS_S)
        if not master.startd_runs and (seen is not None or late):
            return VMState.RETIRED, "its master is there and says that its startd is not"
        if asked:
            return VMState.RETIRING, "its startd has left the pool, its master has not said so yet"
        if seen is not None:
            return VMState.LOST, "its startd is not in the pool, its master does not say that it left"
        return VMState.BOOTING, "master in the pool, no startd yet"


def _state_in_pool(job: VMJobRow, machine: MachineRow, drain: Drain | None) -> StateReason:
    if drain is not None:
        whose = "ours" if drain.ours else f"not ours: {drain.reason or 'no reason given'}"
        return VMState.RETIRING, f"drains ({whose}), {counted(machine.claims, 'claim')}"
    if machine.retiring > 0:
        back = ", comes back when they end" if job.retire_time is not None and not _restart_asked(job) else ""
        return VMState.RETIRING, f"{machine.retiring} of {counted(machine.claims, 'claim')} retiring{back}"
    if _restart_asked(job):
        return VMState.RETIRING, "asked to retire, no sign of it yet"
    if machine.claims > 0:
        return VMState.BUSY, counted(machine.claims, "claim")
    if machine.claimed_before:
        return VMState.IDLE, "no claims"
    return VMState.JOINED, "never claimed yet"


def _restart_asked(job: VMJobRow) -> bool:
    return job.retire_time is not None and (job.unretire_time or 0) < job.retire_time


def _identity_mismatch(job: VMJobRow, machine: MachineRow) -> str | None:
    """Why a startd with this job's APFVM is not its startd, if so."""
    if job.identity and machine.identity != job.identity:
        return f"startd {machine.name} claims its APFVM as {machine.identity or 'nobody'}, not {job.identity}"
    same_kind = (job.instance or "").startswith("i-") == (machine.instance or "").startswith("i-")
    # An OpenStack machine may know itself by another id than its EC2 API does.
    if job.instance and machine.instance and same_kind and machine.instance != job.instance:
        return f"startd {machine.name} runs on {machine.instance}, not on {job.instance}"
    return None


def drain_reason(factory_id: str) -> str:
    """How the reason of a drain of this factory begins."""
    return f"apf {factory_id}:"
