"""Remove VM jobs that are proven empty or that exceeded a timeout (rules 5, 9). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from factory.lifecycle.situation import Situation
from factory.model.actions import Remove
from factory.model.job_status import JobStatus
from factory.model.vm import VM, VMState

NO_INSTANCE = f"JobStatus == {JobStatus.IDLE} && EC2InstanceName =?= undefined"
"""ClassAd expression over the job ad: a VM job without an instance."""

_SETTLE_S = 120
"""Seconds that an unretired startd gets to start before its VM may be removed as empty."""


def removals(situation: Situation, unretired: Collection[str]) -> Iterator[Remove]:
    """Remove VM jobs that are proven empty or overdue, except the VMs ``unretired`` in this round.

    VMs whose removal failed before come last, so that they do not use up the blast radius (rule 8).
    """
    failed = situation.memory.refused
    for vm in sorted(situation.vms, key=lambda vm: failed.get(vm.uuid, 0)):
        if vm.state is VMState.RETIRED and vm.uuid not in unretired and not _restarting(situation, vm):
            still, why = _same_instance(vm), f"empty: {vm.why}"
            remove = Remove(queue=situation.policy.queue, job=vm.job, still=still, vm=vm, reason=why)
            yield limit_jobs(situation, remove, vm)
        late = situation.overdue.get(vm.uuid)
        if late is not None and vm.state is VMState.SUBMITTED:
            yield cancel(situation, vm, late.why)
        elif late is not None:
            yield Remove(
                queue=situation.policy.queue,
                job=vm.job,
                still=_same_instance(vm),
                vm=vm,
                absent=True,
                master=late.master,
                reason=late.why,
            )


def limit_jobs(situation: Situation, remove: Remove, vm: VM) -> Remove:
    """Return the removal of a VM that is proven empty, with the time until which a job that names the VM keeps it.

    The owner of a job can write into its ad that it runs there; against a proof that delays the end by a job lease.
    """
    until = situation.memory.proven.get(vm.uuid, situation.now) + situation.policy.job_lease_s
    return replace(remove, jobs_keep_until=until, despite_jobs=situation.now >= until)


def cancel(situation: Situation, vm: VM, reason: str) -> Remove:
    """Remove a VM job without an instance, if the collector has no ad of the VM.

    An instance exists if the answer with its id was lost.
    """
    return Remove(queue=situation.policy.queue, job=vm.job, still=NO_INSTANCE, vm=vm, absent=True, reason=reason)


def _same_instance(vm: VM) -> str:
    return f'JobStatus == {vm.job_status} && EC2InstanceName == "{vm.instance}"'


def _restarting(situation: Situation, vm: VM) -> bool:
    """True if an unretired startd may be starting just now.

    A startd that was unretired with claims leaves when its last job ends, perhaps hours later, and then starts again.
    """
    left = situation.memory.alone.get(vm.uuid, situation.now)
    return vm.unretired and situation.now - max(vm.unretire_time or 0, left) < _SETTLE_S
