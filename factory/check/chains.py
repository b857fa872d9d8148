"""Find the limits of a chain by running it on extreme inputs, without knowledge of any plugin. Pure."""

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

_MANY_JOBS = 1_000_000
"""Waiting jobs that stand for unlimited demand."""
_MANY_IN_GROUPS = 100_000
"""The same for chains that use job groups, which name each VM: more than a schedd accepts in one submit."""
_NOW = 2_000_000_000.0
_ROOM = Room(1, 1)
_SHAPE = Shape("image", "type")


def ask_chain(
    plugins: Sequence[SchedPlugin], ready: int, batch: BatchStatus, in_groups: int = _MANY_IN_GROUPS
) -> Chain:
    """Run the chain for ``ready`` waiting jobs, of which at most ``in_groups`` are shown as job groups."""
    total = batch.pending + batch.running
    site, share = SiteStatus("online"), _share(min(ready, in_groups), batch)
    return run_chain(plugins, View("", _NOW, WmsStatus(ready=ready), batch, site, total, share_or_unknown=share))


def _share(jobs: int, batch: BatchStatus) -> Share:
    """Return equal jobs, and one shape that runs one of them at a time."""
    shape, group = str(_SHAPE), JobGroup("jobs", _ROOM, jobs)
    demand = Demand((group,), on_shapes={(group.key, shape): Match(ok=True)})
    offer = Offer(_SHAPE, _ROOM)
    return Share(Supply(demand, tuple((0, vm) for vm in batch.vms), {shape: offer}, _NOW), (offer,))


def max_total(plugins: tuple[SchedPlugin, ...], upto: int) -> int | None:
    """Return the most VMs or jobs the chain would ever run, or ``upto + 1`` for any number above ``upto``.

    None means that the chain is blocked, so its limit is unknown.
    """
    limit = _limit(plugins)
    return None if limit is None else min(limit, upto + 1)


@lru_cache(maxsize=10_000)
def _limit(plugins: tuple[SchedPlugin, ...]) -> int | None:
    low, high = 0, _MANY_JOBS
    while low < high:
        middle = (low + high) // 2
        chain = ask_chain(plugins, _MANY_JOBS, BatchStatus(running=middle), 1_000)
        if chain.blocked is not None:
            return None
        low, high = (middle + 1, high) if chain.ask.n > 0 else (low, middle)
    return low


def max_at_once(plugins: Sequence[SchedPlugin]) -> int | None:
    """Return the most VMs or jobs the chain adds in one round; None if it is blocked."""
    chain = ask_chain(plugins, _MANY_JOBS, BatchStatus())
    return None if chain.blocked is not None else max(0, chain.ask.n)


def kept_idle(plugins: Sequence[SchedPlugin], vms: int) -> int | None:
    """Return the number of idle VMs, out of up to ``vms``, that the chain never retires; None if it retires none."""
    count = 1
    while count <= vms:
        n = _n_when_idle(plugins, count, _NOW)
        if n < 0:
            return count + n
        count *= 2
    return None


def retires_after(plugins: Sequence[SchedPlugin], kept: int, upto_s: int) -> int:
    """Return the idle time, in seconds, after which the chain retires a VM beyond ``kept``; ``upto_s + 1``: longer."""
    low, high = 0, upto_s + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _n_when_idle(plugins, kept + 1, middle) < 0 else (middle + 1, high)
    return low


def _n_when_idle(plugins: Sequence[SchedPlugin], count: int, idle_s: float) -> int:
    """Return the n of the chain for no waiting jobs and ``count`` VMs that have been idle for ``idle_s``."""
    vms = (
        VM(f"vm{i}", "", JobId(1, i), VMState.IDLE, "", job_status=JobStatus.RUNNING, idle_since=_NOW - idle_s)
        for i in range(count)
    )
    chain = ask_chain(plugins, 0, BatchStatus.of_vms(vms))
    return 0 if chain.blocked is not None else chain.ask.n
