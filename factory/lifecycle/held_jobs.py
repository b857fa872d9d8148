"""What is done with VM jobs on hold, so that none stays, none is released blindly, and no job is killed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from factory.health.breakers import LaunchFailure
from factory.health.hold_reasons import HoldKind, classify, short_text
from factory.model.actions import Method, Release, Remove, Retire
from factory.model.job_status import JobStatus
from factory.model.vm import VM

_ENDED = {"terminated", "stopped", "shutoff", "not-found"}
"""The cloud's word that nothing runs there any more."""

_AGAIN_S = 600
"""A hold that may have come too early is released no more often than this; what it came of has often passed by then."""


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A VM job on hold."""

    vm: VM

    @property
    def fault(self) -> LaunchFailure | None:
        """What it says of its shape; None: nothing."""
        hold = self.vm.hold
        if hold is None:
            return None
        found = classify(hold)
        if found.kind in {HoldKind.PURPOSE, HoldKind.TERMINATION}:
            return None
        text = short_text(hold)
        text = text if found.code in text else f"{found.code}: {text}"
        return LaunchFailure(self.vm, found.kind.value, text, self.vm.entered_status)

    @property
    def purpose(self) -> str | None:
        """Who holds it on purpose; None: nobody."""
        found = classify(self.vm.hold) if self.vm.hold is not None else None
        return found.code if found is not None and found.kind is HoldKind.PURPOSE else None

    def action(self, sent: float, repeat_s: float, method: Method, now: float) -> Remove | Release | Retire | None:
        """What to do about it. ``sent``: when a command about it was last sent; ``method``: how machines leave.

        Without an instance it is removed; the gridmanager then looks whether there is one after all, and ends it.
        A termination that failed is tried again, but first a machine that has joined meanwhile leaves peacefully, if
        its lease has not ended. Where the instance may live the hold is taken back after ``repeat_s``, then every ten
        minutes, so that the gridmanager looks at it anew; only the cloud's own word that it has ended lets the job be
        removed (rule 5).
        """
        vm, hold = self.vm, self.vm.hold
        if hold is None or self.purpose is not None:
            return None
        kind = classify(hold).kind
        what = f"{kind.value}: {short_text(hold)[:120]}"
        still = f"JobStatus == {JobStatus.HELD} && HoldReasonCode == {hold.code}"
        if hold.status_on_release == JobStatus.REMOVED:
            over = vm.lease_end is not None and now > vm.lease_end
            if now - sent < repeat_s or (vm.slots and vm.retire_seen and not over):
                return None
            if vm.slots and not over:
                reason = "to be terminated, and its startd is in the pool: it leaves peacefully first"
                return Retire(queue=vm.queue, vm=vm, method=method, repeat=vm.asked_to_retire, reason=reason)
            reason = f"its termination failed, try again: {hold.reason[:120]}"
            return Release(
                queue=vm.queue, vm=vm, still=f"JobStatusOnRelease == {JobStatus.REMOVED}", ends=not over, reason=reason
            )
        if vm.instance is None and not vm.slots:
            still += " && EC2InstanceName =?= undefined"
            reason = f"held without an instance, {what}"
            return Remove(queue=vm.queue, job=vm.job, still=still, vm=vm, absent=True, reason=reason)
        if vm.grid_status in _ENDED:
            still += f' && GridJobStatus =?= "{vm.grid_status}"'
            reason = f"held, its instance is {vm.grid_status}, {what}"
            unsure = vm.grid_status == "not-found"  # what a cloud also says of an instance that it does not show yet
            return Remove(queue=vm.queue, job=vm.job, still=still, vm=vm, absent=unsure, reason=reason)
        if now - vm.entered_status < repeat_s or now - sent < max(repeat_s, _AGAIN_S):
            return None
        return Release(queue=vm.queue, vm=vm, still=still, reason=f"held, look again at its instance, {what}")


def held_by_person(vms: Iterable[VM]) -> Iterator[str]:
    """Notes on VM jobs that somebody holds on purpose."""
    who = [purpose for vm in vms if (purpose := HeldJob(vm).purpose) is not None]
    for name in sorted(set(who)):
        yield f"{who.count(name)} VM jobs are held {name}: left alone; release or remove them by hand"
