"""What a chain would say at its limits, found by asking it: no knowledge of any plugin is needed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from factory.decide.chain import Chain, run_chain
from factory.fit.share import Share
from factory.fit.supply import Supply
from factory.model.demand import Demand, JobGroup, Offer, Room
from factory.model.job_status import JobStatus
from factory.model.matches import Match
from factory.model.shape import Shape
from factory.model.status import BatchStatus, SiteStatus, WmsStatus
from factory.model.vm import VM, JobId, VMState
from factory.plugin.sched import SchedPlugin, View

_FLOOD = 1_000_000
_IN_GROUPS = 100_000
"""Jobs that stand for a flood where machines are named one by one: more than a schedd takes in one submit."""
_NOW = 2_000_000_000.0
_ROOM = Room(1, 1)
_SHAPE = Shape("image", "type")


def ask(plugins: Sequence[SchedPlugin], ready: int, batch: BatchStatus, in_groups: int = _IN_GROUPS) -> Chain:
    """The chain when so many jobs wait and the queue has this; ``in_groups``: the most that are told in groups."""
    total = batch.pending + batch.running
    site, share = SiteStatus("online"), _share(min(ready, in_groups), batch)
    return run_chain(plugins, View("", _NOW, WmsStatus(ready=ready), batch, site, total, share_or_unknown=share))


def _share(jobs: int, batch: BatchStatus) -> Share:
    """Jobs that are all alike, and one shape that serves them, one job on a machine."""
    shape, group = str(_SHAPE), JobGroup("jobs", _ROOM, jobs)
    demand = Demand((group,), on_shapes={(group.key, shape): Match(ok=True)})
    offer = Offer(_SHAPE, _ROOM)
    return Share(Supply(demand, tuple((0, vm) for vm in batch.vms), {shape: offer}, _NOW), (offer,))


def reach(plugins: tuple[SchedPlugin, ...], upto: int) -> int | None:
    """How many machines the chain would ever run, however much work waits; ``upto + 1`` stands for more than ``upto``.

    None: the chain holds, so it can't be told.
    """
    limit = _limit(plugins)
    return None if limit is None else min(limit, upto + 1)


@lru_cache(maxsize=10_000)
def _limit(plugins: tuple[SchedPlugin, ...]) -> int | None:
    low, high = 0, _FLOOD
    while low < high:
        middle = (low + high) // 2
        chain = ask(plugins, _FLOOD, BatchStatus(running=middle), 1_000)
        if chain.blocked is not None:
            return None
        low, high = (middle + 1, high) if chain.ask.n > 0 else (low, middle)
    return low


def burst(plugins: Sequence[SchedPlugin]) -> int | None:
    """The most that the chain asks for at once. None: it can't be told."""
    chain = ask(plugins, _FLOOD, BatchStatus())
    return None if chain.blocked is not None else max(0, chain.ask.n)


def kept_warm(plugins: Sequence[SchedPlugin], machines: int) -> int | None:
    """How many idle machines the chain keeps of so many, however long they idle. None: it never lets an idle one go."""
    count = 1
    while count <= machines:
        n = _idle(plugins, count, _NOW)
        if n < 0:
            return count + n
        count *= 2
    return None


def lets_go_after(plugins: Sequence[SchedPlugin], kept: int, upto_s: int) -> int:
    """How long a machine beyond those kept idles before the chain lets it go, in seconds; ``upto_s + 1``: longer."""
    low, high = 0, upto_s + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _idle(plugins, kept + 1, middle) < 0 else (middle + 1, high)
    return low


def _idle(plugins: Sequence[SchedPlugin], count: int, idle_s: float) -> int:
    """What the chain says to no work and so many machines that have idled for so long."""
    vms = (
        VM(f"vm{i}", "", JobId(1, i), VMState.IDLE, "", job_status=JobStatus.RUNNING, idle_since=_NOW - idle_s)
        for i in range(count)
    )
    chain = ask(plugins, 0, BatchStatus.of_vms(vms))
    return 0 if chain.blocked is not None else chain.ask.n
