"""Handle VM jobs on hold, so that none stays held, none is released blindly, and no job is killed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from factory.health.breakers import LaunchFailure
from factory.health.hold_reasons import HoldKind, classify, short_text
from factory.model.actions import Method, Release, Remove, Retire
from factory.model.job_status import JobStatus
from factory.model.vm import VM, counted

_ENDED = {"terminated", "stopped", "shutoff", "not-found"}
"""States in which the cloud says that nothing runs any more."""

_RELEASE_AGAIN_S = 600
"""Shortest time between two releases of a job that may have been held too early; its cause has often passed by then."""


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A VM job on hold."""

    vm: VM

    @property
    def fault(self) -> LaunchFailure | None:
        """The launch failure that the hold reports of the VM's shape; None if it reports none."""
        hold = self.vm.hold
        if hold is None:
            return None
        reason = classify(hold)
        if reason.kind in {HoldKind.PURPOSE, HoldKind.TERMINATION}:
            return None
        text = short_text(hold)
        text = text if reason.code in text else f"{reason.code}: {text}"
        return LaunchFailure(self.vm, reason.kind.value, text, self.vm.entered_status)

    @property
    def purpose(self) -> str | None:
        """``by a person`` or ``by a policy`` if the job is held on purpose; None if it is not."""
        reason = classify(self.vm.hold) if self.vm.hold is not None else None
        return reason.code if reason is not None and reason.kind is HoldKind.PURPOSE else None

    def action(self, sent: float, repeat_s: float, method: Method, now: float) -> Remove | Release | Retire | None:
        """Return the action for this job; None to leave it as it is for now.

        A job without an instance is removed; the gridmanager then checks for an instance after all, and ends it.

        A failed termination is tried again. If the startd has joined meanwhile and the lease has not ended, the VM
        retires peacefully first.

        If the instance may be alive, the job is released after ``repeat_s``, then every ten minutes, so that the
        gridmanager checks it again. Only the cloud's word that the instance has ended lets the job be removed (rule 5).

        Args:
            sent: Epoch of the last command for this VM.
            repeat_s: Seconds after which a command is sent again.
            method: Command that retires the VM.
            now: Epoch of this round.
        """
        vm, hold = self.vm, self.vm.hold
        if hold is None or self.purpose is not None:
            return None
        if hold.status_on_release == JobStatus.REMOVED:
            return self._end_again(hold.reason, sent, repeat_s, method, now)
        detail = f"{classify(hold).kind.value}: {short_text(hold)[:120]}"
        still = f"JobStatus == {JobStatus.HELD} && HoldReasonCode == {hold.code}"
        if vm.instance is None and not vm.slots:
            still += " && EC2InstanceName =?= undefined"
            reason = f"held without an instance; {detail}"
            return Remove(queue=vm.queue, job=vm.job, still=still, vm=vm, absent=True, reason=reason)
        if vm.grid_status in _ENDED:
            still += f' && GridJobStatus =?= "{vm.grid_status}"'
            reason = f"held, and its instance is {vm.grid_status}; {detail}"
            unsure = vm.grid_status == "not-found"  # a cloud also says so of an instance that it does not show yet
            return Remove(queue=vm.queue, job=vm.job, still=still, vm=vm, absent=unsure, reason=reason)
        if now - vm.entered_status < repeat_s or now - sent < max(repeat_s, _RELEASE_AGAIN_S):
            return None
        reason = f"held; release it so that the gridmanager checks its instance again; {detail}"
        return Release(queue=vm.queue, vm=vm, still=still, reason=reason)

    def _end_again(
        self, hold_reason: str, sent: float, repeat_s: float, method: Method, now: float
    ) -> Release | Retire | None:
        """Return the action for a job that was held while it was being removed."""
        vm = self.vm
        expired = vm.lease_end is not None and now > vm.lease_end
        if now - sent < repeat_s or (vm.slots and vm.retire_seen and not expired):
            return None
        if vm.slots and not expired:
            reason = "termination failed, and its startd is in the pool; retire it first"
            return Retire(queue=vm.queue, vm=vm, method=method, repeat=vm.asked_to_retire, reason=reason)
        still, reason = f"JobStatusOnRelease == {JobStatus.REMOVED}", f"termination failed; retry: {hold_reason[:120]}"
        return Release(queue=vm.queue, vm=vm, still=still, ends=not expired, reason=reason)


def held_by_person(vms: Iterable[VM]) -> Iterator[str]:
    """Yield notes on VM jobs that are held on purpose."""
    holders = [purpose for vm in vms if (purpose := HeldJob(vm).purpose) is not None]
    for name in sorted(set(holders)):
        n = holders.count(name)
        yield (
            f"{counted(n, 'VM job')} {'is' if n == 1 else 'are'} held {name}; apf leaves held jobs alone: use "
            "condor_release or condor_rm"
        )
