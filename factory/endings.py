"""What is done about orphans: machines are asked about once more, then drained, terminated or removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from factory.clouds import perform
from factory.condor import acts, reap, tools
from factory.condor.daemons import PoolAddress, quoted
from factory.condor.vmjobs import ours
from factory.config.settings import Config
from factory.elsewhere import polled_schedds
from factory.faults import FAULTS, fault
from factory.look import Look, own_schedd
from factory.orphans import Orphan, Step
from factory.workers import CallFailed, Workers

T = TypeVar("T")

COMMANDS = {Step.DRAIN: "drain", Step.TERMINATE: "terminate", Step.REMOVE: "remove", Step.DELETE: "delete"}
"""Steps that do something, by the names that the journal gives them."""


@dataclass(frozen=True)
class Endings:
    """Carries out the steps of one audit."""

    config: Config
    workers: Workers
    seen: Look
    keep_fds: tuple[int, ...] = ()

    def all(self, orphans: Iterable[Orphan]) -> dict[str, str | None]:
        """What became of each orphan about which something was to be done, by name: None, or why not."""
        wanted = [orphan for orphan in orphans if orphan.step in COMMANDS]
        refused = self._objections([orphan for orphan in wanted if orphan.step is not Step.DELETE])
        outcomes: dict[str, str | None] = dict(refused)
        ready = [orphan for orphan in wanted if orphan.name not in refused]
        for orphan in ready:
            if orphan.step is Step.DRAIN:
                outcomes[orphan.name] = _tried(self._drain, orphan)
            elif orphan.step is Step.REMOVE:
                outcomes[orphan.name] = _tried(self._remove, orphan)
        in_cloud = [orphan for orphan in ready if orphan.step in {Step.TERMINATE, Step.DELETE}]
        for key in dict.fromkeys(orphan.account for orphan in in_cloud):
            outcomes |= self._in_cloud(key, [orphan for orphan in in_cloud if orphan.account == key])
        return outcomes

    def _objections(self, orphans: Sequence[Orphan]) -> dict[str, str]:
        """What speaks against each of these; against all, if a schedd or the collector does not answer (rules 2, 5)."""
        if not orphans:
            return {}
        vms = frozenset(orphan.vm for orphan in orphans)
        try:
            schedd, pool = own_schedd(self.config), PoolAddress(self.config.factory.pool)
            others, faults = polled_schedds(self.config)
            found = [self._call(str(each), reap.claimed, each, vms) for each in dict.fromkeys((schedd, *others))]
            there = self._call(str(pool), reap.in_pool, pool, vms)
        except CallFailed as error:
            return dict.fromkeys((orphan.name for orphan in orphans), f"not done: {error}")
        if faults:
            return dict.fromkeys((orphan.name for orphan in orphans), f"not done: {next(iter(faults.values()))}")
        owned = {vm: why for each in found for vm, why in each.owned.items()}
        busy = {vm: why for each in found for vm, why in each.busy.items()}
        against: dict[str, str] = {}
        for orphan in orphans:
            why = None
            if orphan.step is not Step.REMOVE:
                why = owned.get(orphan.vm)
            if orphan.step is not Step.DRAIN:
                why = why or busy.get(orphan.vm)
            if orphan.absent and orphan.vm in there:
                why = why or "it is in the pool after all"
            if why is not None:
                against[orphan.name] = f"not done: {why}"
        return against

    def _drain(self, orphan: Orphan) -> None:
        machine, pool = orphan.machine, PoolAddress(self.config.factory.pool)
        assert machine is not None
        argv = tools.off_argv(pool, machine.name)
        if machine.claims:
            argv = tools.drain_argv(
                pool, machine.slots[0], f"apf {self.config.factory.id}: no VM job owns this machine"
            )
        tools.run(argv, self.config.factory.command_timeout, self.keep_fds)

    def _remove(self, orphan: Orphan) -> None:
        schedd, pool, job = own_schedd(self.config), PoolAddress(self.config.factory.pool), orphan.job
        assert job is not None
        mine = ours(self.config.factory.owner, self.config.factory.id)
        still = f"{mine} && JobStatus == {job.status} && EC2InstanceName == {quoted(job.instance or '')}"
        self._call(str(schedd), acts.remove, schedd, job.job, still, orphan.why, orphan.vm, (pool, orphan.vm))

    def _in_cloud(self, key: str, orphans: Sequence[Orphan]) -> dict[str, str | None]:
        cloud = self.seen.clouds[key]
        instances = [orphan.instance for orphan in orphans if orphan.instance is not None]
        key_pairs = [orphan.name for orphan in orphans if orphan.step is Step.DELETE]
        try:
            act = cloud.plugin.terminate(cloud.account, instances, key_pairs)
            ends = self._call(act.address, perform, act)
        except FAULTS as error:
            return dict.fromkeys((orphan.name for orphan in orphans), fault(error))
        except CallFailed as error:
            return dict.fromkeys((orphan.name for orphan in orphans), str(error))
        return {orphan.name: ends.get(orphan.name, "not tried: there was no time left") for orphan in orphans}

    def _call(self, address: str, function: Callable[..., T], *args: object) -> T:
        return self.workers.call(address, self.config.factory.deadline, function, *args)


def _tried(act: Callable[[Orphan], object], orphan: Orphan) -> str | None:
    try:
        act(orphan)
    except (CallFailed, tools.ToolError) as error:
        return str(error)
    return None
