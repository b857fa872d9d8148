"""Timeouts for each part of a VM's life. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from factory.model.job_status import JobStatus
from factory.model.status import BatchStatus
from factory.model.vm import VM, VMState


@dataclass(frozen=True, slots=True)
class Overdue:
    """A VM that exceeded a timeout and should end."""

    why: str
    since: float
    """Epoch at which the timeout was exceeded."""
    master: bool = False
    """True if its master may still be in the pool."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Times since which ads of a VM are missing from the pool; None: they are not missing, or no poll has looked."""

    absent: float | None = None
    """Neither startd nor master has been in the pool since this epoch."""
    alone: float | None = None
    """Only the master has been in the pool since this epoch."""
    unseen: float | None = None
    """No startd was ever in the pool; polls have looked for it since this epoch."""

    def watched(self, vm: VM) -> bool:
        """True if polls have looked for its startd ever since its instance began to run, and never saw it."""
        return self.unseen is not None and self.unseen <= vm.entered_status


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of a queue, in seconds."""

    start_s: float = 1800
    """From the submit until the instance runs."""
    boot_s: float = 900
    """From the running instance until the startd joins."""
    job_s: float | None = None
    """From the join of the startd until the first claim; None: no timeout."""
    lost_s: float = 3600
    """From the last ad of a VM until its end."""
    advice: str = ""
    """Advice to people if a VM never joins."""

    def stuck(self, vm: VM, now: float) -> str | None:
        """Return the reason why this VM is no longer counted as supply; None if it is."""
        waits = now - _waits_since(vm)
        if vm.state is VMState.SUBMITTED and waits > self.start_s / 2:
            return f"no instance after {waits:.0f} s"
        if _instance_starts(vm) and waits > self.start_s / 2:
            return f"instance is still {vm.grid_status or 'not running'} after {waits:.0f} s"
        return self.never_claimed(vm, now)

    def never_claimed(self, vm: VM, now: float) -> str | None:
        """Return the reason to retire a VM that joined long ago and was never claimed; None for any other VM."""
        if self.job_s is None or vm.state is not VMState.JOINED or vm.joined_at is None:
            return None
        waited = now - max(vm.joined_at, vm.unretire_time or 0)
        return f"joined {waited:.0f} s ago and was never claimed" if waited > self.job_s else None

    def overdue(self, vm: VM, traces: Traces, now: float) -> Overdue | None:
        """Return the timeout that this VM exceeded, if any (docs/decisions/0009-never-joined.md).

        A VM was watched if polls looked for its startd already when its instance began to run, and never saw it. Then
        no job has run there. On any other VM a job may run until the lease of that job has expired.
        """
        waits = now - _waits_since(vm)
        if vm.job_status == JobStatus.IDLE and vm.grid_status == _ERROR and vm.state is not VMState.SUBMITTED:
            return Overdue("the cloud could not start its instance (status ERROR)", vm.entered_status)
        if vm.state is VMState.SUBMITTED or _instance_starts(vm):
            over = _waits_since(vm) + self.start_s
            status = f"instance is still {vm.grid_status or 'not running'}"
            text = "no instance" if vm.state is VMState.SUBMITTED else status
            return Overdue(f"{text} after {waits:.0f} s", over) if now > over else None
        if vm.instance is None or vm.job_status not in (JobStatus.IDLE, JobStatus.RUNNING) or vm.state not in _AWAY:
            return None
        return self._never_joined(vm, traces, now) if traces.watched(vm) else self._lost(vm, traces, now)

    def _never_joined(self, vm: VM, traces: Traces, now: float) -> Overdue | None:
        over = vm.entered_status + self.boot_s
        if now <= over:
            return None
        ran = f"instance has run for {now - vm.entered_status:.0f} s"
        if traces.absent is None:
            return Overdue(f"{ran}; its master joined the pool, its startd never did", over, master=True)
        return Overdue(f"{ran} and never joined the pool" + (f"; {self.advice}" if self.advice else ""), over)

    def _lost(self, vm: VM, traces: Traces, now: float) -> Overdue | None:
        gone = traces.alone if traces.absent is None else traces.absent
        if gone is None:
            return None
        since = max(gone, vm.entered_status)
        over = since + max(self.boot_s, self.lost_s)
        if now <= over:
            return None
        if traces.absent is None:
            text = f"its startd has been missing for {now - since:.0f} s; its master is in the pool"
            return Overdue(text, over, master=True)
        return Overdue(f"its startd and its master have been missing for {now - since:.0f} s", over)


def mark_stuck_vms(batch: BatchStatus, timeouts: Timeouts, now: float) -> BatchStatus:
    """Return the batch status with VMs that take too long marked as stuck: they count for caps and are no supply."""
    why = {vm.uuid: timeouts.stuck(vm, now) for vm in batch.vms}
    if all(why[vm.uuid] == vm.stuck for vm in batch.vms):
        return batch  # the usual case; copying thousands of VMs would take as long as the rest of the decision
    return BatchStatus.of_vms(replace(vm, stuck=why[vm.uuid]) for vm in batch.vms)


def _waits_since(vm: VM) -> float:
    """Return the epoch since which a VM job waits for its instance; a release from hold starts the wait anew."""
    return max(vm.submitted, vm.entered_status) if vm.job_status == JobStatus.IDLE else vm.submitted


def _instance_starts(vm: VM) -> bool:
    """True if the cloud has created the instance and it does not run yet; the VM may be due to retire already."""
    waits = vm.state in {VMState.BOOTING, VMState.RETIRING} and vm.startd is None
    return waits and vm.job_status == JobStatus.IDLE and vm.instance is not None


_ERROR = "error"
"""OpenStack keeps an instance that it can't start, and counts it against the quota, until someone deletes it."""
_AWAY = {VMState.BOOTING, VMState.LOST, VMState.RETIRING}
