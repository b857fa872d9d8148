"""End orphans: check once more that nothing needs them, then drain, terminate, remove or delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from factory.audit.orphans import Orphan, OrphanStep
from factory.audit.snapshot import Snapshot
from factory.condor.classad.literals import quote
from factory.condor.schedd import actions, orphan_checks
from factory.condor.schedd.orphan_checks import VMsInUse
from factory.condor.schedd.vm_jobs import our_vm_jobs, owning_jobs
from factory.condor.tools import run as tools
from factory.condor.tools.budget import PARALLEL, CommandBudget, NotBegun
from factory.config.queues import Config
from factory.model.address import PoolAddress
from factory.model.cloud import STOPPED, perform
from factory.observe.schedds import polled_schedds
from factory.plugin.base import own_schedd
from factory.process.deadline import run_parallel
from factory.process.faults import FAULTS, fault
from factory.process.workers import CallFailed, CallTimedOut, Workers, call_result

T = TypeVar("T")

COMMANDS = {
    OrphanStep.DRAIN: "drain",
    OrphanStep.TERMINATE: "terminate",
    OrphanStep.REMOVE: "remove",
    OrphanStep.DELETE: "delete",
}
"""Steps that change something, with their names in the journal."""


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """Result of a step against one orphan."""

    error: str | None = None
    """Reason for the failure; None: it succeeded."""
    tried: bool = True
    """False if there was no time for it; its turn is still to come."""


_NO_TIME = CleanupResult("not tried: the steps before it took all the time", tried=False)


@dataclass(frozen=True)
class Cleanup:
    """Carries out the steps of one audit."""

    config: Config
    workers: Workers
    snapshot: Snapshot
    keep_fds: tuple[int, ...] = ()

    def run(self, orphans: Iterable[Orphan]) -> dict[str, CleanupResult]:
        """Carry out the step of each orphan that has one, and return the results by name.

        What can't be undone comes first, while the checks that allow it are fresh. Commands to startds, which may be
        unreachable, come after it, in parallel.
        """
        due = [orphan for orphan in orphans if orphan.step in COMMANDS]
        refused = self._objections([orphan for orphan in due if orphan.step is not OrphanStep.DELETE])
        results = {name: CleanupResult(why) for name, why in refused.items()}
        ready = {step: [o for o in due if o.step is step and o.name not in refused] for step in COMMANDS}
        results |= self._call_clouds(ready[OrphanStep.TERMINATE])
        results |= self._remove(ready[OrphanStep.REMOVE])
        results |= self._drain(ready[OrphanStep.DRAIN])
        results |= self._call_clouds(ready[OrphanStep.DELETE])
        return results

    def _objections(self, orphans: Sequence[Orphan]) -> dict[str, str]:
        """Return the objection to each step. A schedd or collector that does not answer forbids all (rules 2, 5)."""
        if not orphans:
            return {}
        others, faults = polled_schedds(self.config)
        if faults:
            return dict.fromkeys((orphan.name for orphan in orphans), f"not done: {next(iter(faults.values()))}")
        vms = frozenset(orphan.vm for orphan in orphans)
        pool, within_s = PoolAddress(self.config.factory.pool), self._deadline_s
        schedds = dict.fromkeys((own_schedd(self.config.factory), *others))
        # In parallel, so that no answer is old when the last one arrives.
        owning = owning_jobs(self.config.factory.owner, self.config.factory.id)
        ask = orphan_checks.vms_in_use
        calls = [self.workers.submit(str(each), within_s, ask, each, vms, owning) for each in schedds]
        pool_call = self.workers.submit(str(pool), within_s, orphan_checks.instances_in_pool, pool, vms)
        try:
            in_use = [call_result(call, within_s) for call in calls]
            in_pool = call_result(pool_call, within_s)
        except CallFailed as error:
            return dict.fromkeys((orphan.name for orphan in orphans), f"not done: {error}")
        lease_s = self.config.factory.job_lease
        objections = {orphan.name: objection(orphan, in_use, in_pool, lease_s) for orphan in orphans}
        return {name: f"not done: {why}" for name, why in objections.items() if why is not None}

    def _call_clouds(self, orphans: Sequence[Orphan]) -> dict[str, CleanupResult]:
        """Terminate instances or delete key pairs, all accounts in parallel."""
        keys = dict.fromkeys(orphan.account for orphan in orphans)
        of = {key: [orphan for orphan in orphans if orphan.account == key] for key in keys}
        calls = {key: self._start_call(key, of[key]) for key in keys}
        return {name: r for key in keys for name, r in _account_results(of[key], calls[key], self._deadline_s).items()}

    def _start_call(self, key: str, orphans: Sequence[Orphan]) -> Future[Mapping[str, str | None]] | str:
        """Return the call that ends the orphans of an account, or the reason why there is none."""
        cloud = self.snapshot.clouds[key]
        instances = [orphan.instance for orphan in orphans if orphan.instance is not None]
        key_pairs = [orphan.name for orphan in orphans if orphan.step is OrphanStep.DELETE]
        try:
            act = cloud.plugin.terminate(cloud.account, instances, key_pairs)
            return self.workers.submit(act.address, self._deadline_s, perform, act)
        except FAULTS as error:
            return fault(error)

    def _remove(self, orphans: Sequence[Orphan]) -> dict[str, CleanupResult]:
        schedd, pool = own_schedd(self.config.factory), PoolAddress(self.config.factory.pool)
        mine = our_vm_jobs(self.config.factory.owner, self.config.factory.id)
        results = {orphan.name: _NO_TIME for orphan in orphans}
        for orphan in orphans:
            job = orphan.job
            assert job is not None
            still = f"{mine} && JobStatus == {job.status} && EC2InstanceName == {quote(job.instance or '')}"
            absent = (pool, orphan.vm)
            startd = None if orphan.ends_despite_jobs(self.config.factory.job_lease) else orphan.vm
            try:
                self._call(str(schedd), actions.remove, schedd, job.job, still, orphan.why, startd, absent)
            except CallFailed as error:
                results[orphan.name] = CleanupResult(str(error))
                if isinstance(error, CallTimedOut):
                    break  # each further call to this schedd would take the whole deadline as well
            else:
                results[orphan.name] = CleanupResult()
        return results

    def _drain(self, orphans: Sequence[Orphan]) -> dict[str, CleanupResult]:
        commands = CommandBudget(self.config.factory.command_timeout, self.keep_fds)

        def drain(orphan: Orphan) -> CleanupResult:
            try:
                commands.run(self._retire_argv(orphan))
            except tools.ToolError as error:
                return CleanupResult(str(error), tried=not isinstance(error, NotBegun))
            return CleanupResult()

        results = run_parallel(drain, orphans, PARALLEL)
        return {orphan.name: result for orphan, result in zip(orphans, results, strict=True)}

    def _retire_argv(self, orphan: Orphan) -> list[str]:
        """Return the command that asks its startd to retire."""
        startd, pool = orphan.startd, PoolAddress(self.config.factory.pool)
        assert startd is not None
        if not startd.claims:
            return tools.off_argv(pool, startd.name)
        why = f"apf {self.config.factory.id}: no VM job owns this machine"
        return tools.drain_argv(pool, startd.slots[0], why)

    @property
    def _deadline_s(self) -> float:
        return self.config.factory.deadline

    def _call(self, address: str, function: Callable[..., T], *args: object) -> T:
        return self.workers.call(address, self._deadline_s, function, *args)


def objection(
    orphan: Orphan, in_use: Sequence[VMsInUse], in_pool: Mapping[str, frozenset[str]], job_lease_s: float
) -> str | None:
    """Return what schedds or collector say against a step; None: nothing.

    A job's own word that it runs on an orphan counts for a job lease at most once the orphan is proven empty.

    Args:
        orphan: The orphan.
        in_use: The answer of each schedd.
        in_pool: The instances that ads of startds and masters come from, by ``APFVM``.
        job_lease_s: The longest lease of the pool's jobs.
    """
    vm = orphan.vm
    owned = _first(vm, [each.owned for each in in_use])
    busy = _first(vm, [each.busy for each in in_use])
    if orphan.ends_despite_jobs(job_lease_s):
        busy = None
    elif busy is not None and orphan.proven_s is not None:
        busy = f"{busy}, by its own word; that counts for {job_lease_s:.0f} s after the first proof"
    joined = "it is in the pool" if vm in in_pool else None
    match orphan:
        case Orphan(step=OrphanStep.DRAIN):
            return owned
        case Orphan(step=OrphanStep.REMOVE):
            return busy or joined
        case Orphan(job=None):
            return owned or busy or (joined if orphan.absent else None)
    return _second_instance_objection(orphan, in_use, in_pool, busy)


def _second_instance_objection(
    orphan: Orphan, in_use: Sequence[VMsInUse], in_pool: Mapping[str, frozenset[str]], busy: str | None
) -> str | None:
    """Return what speaks against ending an instance whose VM job has another one."""
    assert orphan.job is not None
    recorded = frozenset(instance for each in in_use for instance in each.instances.get(orphan.vm, ()))
    changed = _record_objection(recorded, orphan.job.instance)
    if changed is not None or _has_stopped(orphan):  # then a job that runs under its name is on the other instance
        return changed
    elsewhere = "not all ads with its APFVM come from the VM job's instance"
    return busy or (None if in_pool.get(orphan.vm) == recorded else elsewhere)


def _has_stopped(orphan: Orphan) -> bool:
    return orphan.instance is not None and orphan.instance.state in STOPPED


def _record_objection(recorded: frozenset[str], instance: str | None) -> str | None:
    """Return the reason why the VM job may own the orphan after all: it no longer records the other instance."""
    if not recorded:
        return "its VM job has left the queue"
    if recorded != {instance}:
        return f"its VM job now records {', '.join(sorted(recorded - {''})) or 'no instance'}"
    return None


def _first(vm: str, answers: Iterable[Mapping[str, str]]) -> str | None:
    return next((each[vm] for each in answers if vm in each), None)


def _account_results(
    orphans: Sequence[Orphan], call: Future[Mapping[str, str | None]] | str, deadline_s: float
) -> dict[str, CleanupResult]:
    """Return the result for each orphan of one account."""
    if isinstance(call, str):
        return dict.fromkeys((orphan.name for orphan in orphans), CleanupResult(call))
    try:
        errors = call_result(call, deadline_s)
    except CallFailed as error:
        return dict.fromkeys((orphan.name for orphan in orphans), CleanupResult(str(error)))
    return {o.name: CleanupResult(errors[o.name]) if o.name in errors else _NO_TIME for o in orphans}
