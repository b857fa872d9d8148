"""What is done about orphans: machines are asked about once more, then drained, terminated or removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from factory.audit.orphans import Orphan, OrphanStep
from factory.audit.snapshot import Snapshot
from factory.condor.classad.literals import quote
from factory.condor.schedd import actions as acts
from factory.condor.schedd import orphan_checks as reap
from factory.condor.schedd.orphan_checks import VMsInUse
from factory.condor.schedd.vm_jobs import our_vm_jobs
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
"""Steps that do something, by the names that the journal gives them."""


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """What became of an orphan about which something was to be done."""

    error: str | None = None
    """Why it was not done; None: it was."""
    tried: bool = True
    """It had its turn."""


_NO_TIME = CleanupResult("not tried: those before it took all the time", tried=False)


@dataclass(frozen=True)
class Cleanup:
    """Carries out the steps of one audit."""

    config: Config
    workers: Workers
    seen: Snapshot
    keep_fds: tuple[int, ...] = ()

    def all(self, orphans: Iterable[Orphan]) -> dict[str, CleanupResult]:
        """What became of each orphan about which something was to be done, by name.

        What can't be taken back comes first, while the answers that allow it are fresh; commands to machines, which
        may be out of reach, come after it, side by side.
        """
        wanted = [orphan for orphan in orphans if orphan.step in COMMANDS]
        refused = self._objections([orphan for orphan in wanted if orphan.step is not OrphanStep.DELETE])
        ends = {name: CleanupResult(why) for name, why in refused.items()}
        ready = {step: [o for o in wanted if o.step is step and o.name not in refused] for step in COMMANDS}
        ends |= self._in_clouds(ready[OrphanStep.TERMINATE])
        ends |= self._removed(ready[OrphanStep.REMOVE])
        ends |= self._drained(ready[OrphanStep.DRAIN])
        ends |= self._in_clouds(ready[OrphanStep.DELETE])
        return ends

    def _objections(self, orphans: Sequence[Orphan]) -> dict[str, str]:
        """What speaks against each of these; against all, if a schedd or the collector does not answer (rules 2, 5)."""
        if not orphans:
            return {}
        others, faults = polled_schedds(self.config)
        if faults:
            return dict.fromkeys((orphan.name for orphan in orphans), f"not done: {next(iter(faults.values()))}")
        vms = frozenset(orphan.vm for orphan in orphans)
        pool, within_s = PoolAddress(self.config.factory.pool), self._deadline_s
        schedds = dict.fromkeys((own_schedd(self.config.factory), *others))
        # Side by side, so that none is old when the last has answered.
        calls = [self.workers.submit(str(each), within_s, reap.vms_in_use, each, vms) for each in schedds]
        in_pool = self.workers.submit(str(pool), within_s, reap.instances_in_pool, pool, vms)
        try:
            found = [call_result(call, within_s) for call in calls]
            there = call_result(in_pool, within_s)
        except CallFailed as error:
            return dict.fromkeys((orphan.name for orphan in orphans), f"not done: {error}")
        against = {orphan.name: objection(orphan, found, there) for orphan in orphans}
        return {name: f"not done: {why}" for name, why in against.items() if why is not None}

    def _in_clouds(self, orphans: Sequence[Orphan]) -> dict[str, CleanupResult]:
        """All accounts side by side."""
        keys = dict.fromkeys(orphan.account for orphan in orphans)
        of = {key: [orphan for orphan in orphans if orphan.account == key] for key in keys}
        calls = {key: self._begun(key, of[key]) for key in keys}
        return {name: end for key in keys for name, end in _ended(of[key], calls[key], self._deadline_s).items()}

    def _begun(self, key: str, orphans: Sequence[Orphan]) -> Future[Mapping[str, str | None]] | str:
        """The call that does it, or why there is none."""
        cloud = self.seen.clouds[key]
        instances = [orphan.instance for orphan in orphans if orphan.instance is not None]
        key_pairs = [orphan.name for orphan in orphans if orphan.step is OrphanStep.DELETE]
        try:
            act = cloud.plugin.terminate(cloud.account, instances, key_pairs)
            return self.workers.submit(act.address, self._deadline_s, perform, act)
        except FAULTS as error:
            return fault(error)

    def _removed(self, orphans: Sequence[Orphan]) -> dict[str, CleanupResult]:
        schedd, pool = own_schedd(self.config.factory), PoolAddress(self.config.factory.pool)
        mine = our_vm_jobs(self.config.factory.owner, self.config.factory.id)
        ends = {orphan.name: _NO_TIME for orphan in orphans}
        for orphan in orphans:
            job = orphan.job
            assert job is not None
            still = f"{mine} && JobStatus == {job.status} && EC2InstanceName == {quote(job.instance or '')}"
            absent = (pool, orphan.vm)
            try:
                self._call(str(schedd), acts.remove, schedd, job.job, still, orphan.why, orphan.vm, absent)
            except CallFailed as error:
                ends[orphan.name] = CleanupResult(str(error))
                if isinstance(error, CallTimedOut):
                    break  # it hangs, and each further one would be waited for as long
            else:
                ends[orphan.name] = CleanupResult()
        return ends

    def _drained(self, orphans: Sequence[Orphan]) -> dict[str, CleanupResult]:
        commands = CommandBudget(self.config.factory.command_timeout, self.keep_fds)

        def drained(orphan: Orphan) -> CleanupResult:
            try:
                commands.run(self._leave_argv(orphan))
            except tools.ToolError as error:
                return CleanupResult(str(error), tried=not isinstance(error, NotBegun))
            return CleanupResult()

        ends = run_parallel(drained, orphans, PARALLEL)
        return {orphan.name: end for orphan, end in zip(orphans, ends, strict=True)}

    def _leave_argv(self, orphan: Orphan) -> list[str]:
        """What asks its startd to leave peacefully."""
        machine, pool = orphan.machine, PoolAddress(self.config.factory.pool)
        assert machine is not None
        if not machine.claims:
            return tools.off_argv(pool, machine.name)
        why = f"apf {self.config.factory.id}: no VM job owns this machine"
        return tools.drain_argv(pool, machine.slots[0], why)

    @property
    def _deadline_s(self) -> float:
        return self.config.factory.deadline

    def _call(self, address: str, function: Callable[..., T], *args: object) -> T:
        return self.workers.call(address, self._deadline_s, function, *args)


def objection(orphan: Orphan, found: Iterable[VMsInUse], there: Mapping[str, frozenset[str]]) -> str | None:
    """What schedds and collector say against it. ``there``: the instances that ads come from, by ``APFVM``."""
    vm = orphan.vm
    owned = next((each.owned[vm] for each in found if vm in each.owned), None)
    busy = next((each.busy[vm] for each in found if vm in each.busy), None)
    if orphan.step is OrphanStep.DRAIN:
        return owned
    if orphan.step is OrphanStep.REMOVE:
        return busy or ("it is in the pool after all" if vm in there else None)
    if orphan.job is None:
        return owned or busy or ("it is in the pool after all" if orphan.absent and vm in there else None)
    assert orphan.instance is not None
    has = frozenset(instance for each in found for instance in each.instances.get(vm, ()))
    if has != {orphan.job.instance}:
        return f"its VM job has {', '.join(sorted(has)) or 'left'} now"
    if orphan.instance.state in STOPPED:  # the job that runs is on the other one
        return None
    return busy or (None if there.get(vm) == has else "not all ads of its name are of the instance that the VM job has")


def _ended(
    orphans: Sequence[Orphan], call: Future[Mapping[str, str | None]] | str, deadline_s: float
) -> dict[str, CleanupResult]:
    """What became of the orphans of one account."""
    if isinstance(call, str):
        return dict.fromkeys((orphan.name for orphan in orphans), CleanupResult(call))
    try:
        ends = call_result(call, deadline_s)
    except CallFailed as error:
        return dict.fromkeys((orphan.name for orphan in orphans), CleanupResult(str(error)))
    return {o.name: CleanupResult(ends[o.name]) if o.name in ends else _NO_TIME for o in orphans}
