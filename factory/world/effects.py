"""The effects of actions on a VM, as a model of HTCondor. Pure.

The daemon acts on HTCondor (``factory/act``); the stateful test and a simulator act on this model. A test with real
daemons compares the two (tests/pool/test_effects.py).

    action        the schedd checks                     effect on the VM job        effect on the machine
    Submit        the hard cap                          a new job, idle             none until the gridmanager starts it
    Remove        ``still``; no job runs there          removed                     the instance ends
    Release       held; if it ends an instance: empty   idle, or removed again      as the job
    Retire        not removed                           APFRetireTime               takes no new job; leaves when empty
    Unretire      not removed                           APFUnretireTime             a drain ends; a startd returns
    ClearRetire   APFUnretireTime as it was             APFRetireTime is cleared    none
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from factory.model.actions import (
    Action,
    ClearRetire,
    Method,
    Release,
    Remove,
    Retire,
    Unretire,
    retire_time,
    unretire_time,
)
from factory.model.job_status import JobStatus
from factory.model.vm import Hold


@dataclass(frozen=True, slots=True)
class VMFacts:
    """The true state of one VM: its job in the schedd, its instance, its startd. Times are epoch seconds."""

    uuid: str
    submitted: float
    status: int = JobStatus.IDLE
    """JobStatus of the VM job."""
    entered: float = 0
    """EnteredCurrentStatus."""
    instance: str | None = None
    retire: float | None = None
    """APFRetireTime."""
    unretire: float | None = None
    """APFUnretireTime."""
    hold: Hold | None = None
    alive: bool = False
    """The instance runs."""
    startd: bool = False
    """The startd runs."""
    since: float = 0
    """Start of the startd."""
    jobs: int = 0
    """Running jobs."""
    served: bool = False
    """A job has run since the startd started."""
    idle_since: float = 0
    leaving: Method | None = None
    """The startd takes no more jobs, and leaves when it has none."""
    theirs: bool = False
    """A person, not the factory, ordered that."""
    returns: bool = False
    """``condor_on`` came while the startd was leaving: it starts again."""
    reachable: bool = True
    """Commands reach the machine, and its ads reach the collector."""
    startd_ad: bool = False
    """The collector has an ad of its startd."""
    master_ad: bool = False
    """The collector has an ad of its master."""


def effect(action: Action, vm: VMFacts, now: float, delivered: bool = True) -> tuple[VMFacts, bool]:
    """Return the VM after an action, and True if the action succeeded as far as ``act`` could see.

    ``delivered``: False if commands to the machine get lost; the VM job is edited all the same.
    """
    match action:
        case Remove():
            return (_removed(vm, now), True) if _may_remove(action, vm) else (vm, False)
        case Release() if vm.status == JobStatus.HELD and not (action.ends and (vm.jobs or vm.startd_ad)):
            again = vm.hold is not None and vm.hold.status_on_release == JobStatus.REMOVED
            released = replace(vm, status=JobStatus.IDLE, entered=now, hold=None)
            return (_removed(released, now) if again else released), True
        case ClearRetire() if vm.unretire == action.vm.unretire_time:
            return replace(vm, retire=None), True
        case Retire() if vm.status != JobStatus.REMOVED:
            return _retired(action, vm, now, delivered), delivered
        case Unretire() if vm.status != JobStatus.REMOVED:
            marked = vm if action.vm.unretired else replace(vm, unretire=unretire_time(action.vm, now))
            return _called_back(marked, now) if delivered and action.vm.startd is not None else marked, delivered
        case _:
            return vm, False


def _retired(action: Retire, vm: VMFacts, now: float, delivered: bool) -> VMFacts:
    marked = vm if action.repeat else replace(vm, retire=retire_time(action.vm, now))
    if delivered and action.vm.startd is not None and vm.startd and vm.leaving is None:
        return leave_if_empty(replace(marked, leaving=action.method, returns=False), now)
    return marked


def leave_if_empty(vm: VMFacts, now: float) -> VMFacts:
    """Return the VM without its startd, if that was told to leave and its last job has ended."""
    if vm.leaving is None or vm.jobs or not vm.startd or not vm.reachable:
        return vm
    if vm.leaving == "drain" and vm.theirs:
        return vm  # without -exit-on-completion it stays, and takes no job
    left = replace(vm, startd=False, leaving=None, theirs=False)
    return start_startd(left, now) if vm.returns else left


def start_startd(vm: VMFacts, now: float) -> VMFacts:
    """Return the VM with a startd that has just started."""
    return replace(
        vm, startd=True, since=now, idle_since=now, served=False, returns=False, leaving=None, theirs=False
    )  # fmt: skip


def _may_remove(action: Remove, vm: VMFacts) -> bool:
    """True if schedd and collector still find what justified the removal (rule 5)."""
    if vm.jobs:  # the schedd's own word
        return False
    if action.absent and (vm.startd_ad or (vm.master_ad and not action.master)):
        return False
    if "EC2InstanceName =?= undefined" in action.still and vm.instance is not None:
        return False
    named = [status for status in JobStatus if f"JobStatus == {status.value}" in action.still]
    return not named or vm.status in named


def _removed(vm: VMFacts, now: float) -> VMFacts:
    return replace(vm, status=JobStatus.REMOVED, entered=now, hold=None, alive=False, startd=False)


def _called_back(vm: VMFacts, now: float) -> VMFacts:
    if not vm.alive or not vm.reachable:
        return vm
    if vm.leaving == "drain" and vm.startd:
        return replace(vm, leaving=None, theirs=False)
    if not vm.startd:
        return start_startd(vm, now)
    return replace(vm, returns=True) if vm.leaving == "off" else vm
