"""How long a VM may take for each part of its life, and what it is after that. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from factory.model.job_status import JobStatus
from factory.model.status import BatchStatus
from factory.model.vm import VM, VMState


@dataclass(frozen=True, slots=True)
class Overdue:
    """A VM that should end."""

    why: str
    since: float
    """When its time was over."""
    master: bool = False
    """Its master may be in the pool all the same."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What was seen of a VM in the pool, as epoch seconds; None: not so, or nobody has looked yet."""

    absent: float | None = None
    """Neither its startd nor its master is there since."""
    alone: float | None = None
    """Only its master is there since."""
    unseen: float | None = None
    """No startd of it was ever there, and it was looked for since."""

    def watched(self, vm: VM) -> bool:
        """Whether its startd was looked for from the moment when its instance began to run, and never seen."""
        return self.unseen is not None and self.unseen <= vm.entered_status


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of a queue, in seconds."""

    start_s: float = 1800
    """From the submit to the instance."""
    boot_s: float = 900
    """From the instance that runs to the startd."""
    job_s: float | None = None
    """From the startd to the first claim."""
    lost_s: float = 3600
    """From the last sign of a VM to its end."""

    def stuck(self, vm: VM, now: float) -> str | None:
        """Why nobody should wait for this VM any more, if so."""
        waits = now - _waits_since(vm)
        if vm.state is VMState.SUBMITTED and waits > self.start_s / 2:
            return f"no instance for {waits:.0f} s"
        if _starts(vm) and waits > self.start_s / 2:
            return f"its instance is {vm.grid_status or 'not running'} for {waits:.0f} s"
        return self.never_claimed(vm, now)

    def never_claimed(self, vm: VM, now: float) -> str | None:
        """Why this VM should retire, if it joined long ago and was never claimed."""
        if self.job_s is None or vm.state is not VMState.JOINED or vm.joined_at is None:
            return None
        waited = now - max(vm.joined_at, vm.unretire_time or 0)
        return f"joined {waited:.0f} s ago and was never claimed" if waited > self.job_s else None

    def overdue(self, vm: VM, traces: Traces, now: float) -> Overdue | None:
        """Whether the time of this VM is over (docs/decisions/0009-never-joined.md).

        A VM was watched if its startd was looked for already when its instance began to run, and never seen: then no
        job has been there. Of another one nobody knows, and a job may be on it until the job's lease has run out.
        """
        waits, over = now - _waits_since(vm), _waits_since(vm) + self.start_s
        if vm.state is VMState.SUBMITTED:
            return Overdue(f"no instance after {waits:.0f} s", over) if now > over else None
        if vm.job_status == JobStatus.IDLE and vm.grid_status == _ERROR:
            return Overdue("the cloud could not start its instance: it is in ERROR", vm.entered_status)
        if _starts(vm):
            what = vm.grid_status or "not running"
            return Overdue(f"its instance is {what} after {waits:.0f} s", over) if now > over else None
        if vm.instance is None or vm.job_status not in (JobStatus.IDLE, JobStatus.RUNNING) or vm.state not in _AWAY:
            return None
        if traces.watched(vm):
            over = vm.entered_status + self.boot_s
            ran = f"its instance runs for {now - vm.entered_status:.0f} s"
            if traces.absent is None:
                return (
                    Overdue(f"{ran}, its master is in the pool, its startd never was", over, True)
                    if now > over
                    else None
                )
            return Overdue(f"{ran} and never joined the pool", over) if now > over else None
        gone = traces.alone if traces.absent is None else traces.absent
        if gone is None:
            return None
        since = max(gone, vm.entered_status)
        over = since + max(self.boot_s, self.lost_s)
        if now <= over:
            return None
        if traces.absent is None:
            return Overdue(f"its master is in the pool, its startd is not for {now - since:.0f} s", over, True)
        return Overdue(f"no sign of its startd or its master for {now - since:.0f} s", over)


def mark_stuck_vms(batch: BatchStatus, timeouts: Timeouts, now: float) -> BatchStatus:
    """Return the batch status with VMs marked that take so long that no one should wait for them."""
    why = {vm.uuid: timeouts.stuck(vm, now) for vm in batch.vms}
    if all(why[vm.uuid] == vm.stuck for vm in batch.vms):
        return batch  # the usual case; copying thousands of VMs would take as long as the rest of the decision
    return BatchStatus.of_vms(replace(vm, stuck=why[vm.uuid]) for vm in batch.vms)


def _waits_since(vm: VM) -> float:
    """Since when a VM job waits for its instance; one that was on hold begins anew."""
    return max(vm.submitted, vm.entered_status) if vm.job_status == JobStatus.IDLE else vm.submitted


def _starts(vm: VM) -> bool:
    """The cloud has taken the instance on, and it does not run yet; perhaps it is to retire when it does."""
    waits = vm.state in {VMState.BOOTING, VMState.RETIRING} and vm.startd is None
    return waits and vm.job_status == JobStatus.IDLE and vm.instance is not None


_ERROR = "error"
"""OpenStack keeps an instance that it can't start, against the quota; nothing ever happens to it by itself."""
_AWAY = {VMState.BOOTING, VMState.LOST, VMState.RETIRING}
