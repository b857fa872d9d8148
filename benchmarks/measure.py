"""Measurements of rounds and queries. Times are in seconds, the best of several tries."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.dom import minidom

from factory.condor.collector.slot_queries import slot_constraint
from factory.condor.schedd.vm_jobs import our_vm_jobs
from factory.config import load
from factory.decide.decide import decide
from factory.decide.decision import Round
from factory.model.demand import Demand, Room
from factory.model.memory import Memory
from factory.model.status import WmsStatus
from factory.observe.observer import Observer
from factory.process.workers import Workers
from factory.world.build import WorldInputs, make_world


class Rounds:
    """Rounds of a factory that observes and decides but does not act."""

    def __init__(self, conf: Path) -> None:
        self.config = load([conf])
        self._workers = Workers()
        self._observer = Observer(self._workers)
        self._memory = Memory()
        self.decide_s = 0.0

    def run(self) -> Round:
        """Run one round.

        Raises:
            RuntimeError: A queue is blocked.
        """
        self._observer.observe(self.config.queues, self.config.queues, {})
        now = time.time()
        world = make_world(now, WorldInputs(self._observer.readings, self._memory, {}, f"{now} host 1", 0))
        started = time.perf_counter()
        decided = decide(self.config, world, {queue.name for queue in self.config.queues})
        self.decide_s = time.perf_counter() - started
        self._memory = world.memory
        for decision in decided.decisions:
            if decision.chain.blocked is not None:
                raise RuntimeError(f"queue {decision.queue} is blocked: {decision.chain.blocked.text}")
        return decided

    def stop(self) -> None:
        """End the worker processes."""
        self._workers.stop()


WITHOUT_OWNERS = "counts without owners"
"""A query for comparison; it is not sufficient, because groups differ by owner and accounting group."""


def bare_queries(factory_id: str, demand: Demand) -> dict[str, Callable[[], Any]]:
    """Return the fastest queries that read the input of a round of a Fit queue, and one for comparison.

    The query for slots has the constraint of the round: slots that a job could use.
    """
    import htcondor2

    schedd, collector, opts = htcondor2.Schedd(), htcondor2.Collector(), htcondor2.QueryOpts
    account, roomy = load_owner(), _roomy(demand)

    def counts(*more: str) -> list[Any]:
        which = ["AutoClusterId", "JobStatus", "JobUniverse", *more]
        return list(schedd.query(constraint="JobStatus == 1", opts=opts.GroupBy, projection=which))

    return {
        "autoclusters": lambda: schedd.query(opts=opts.AutoCluster),
        "counts": lambda: counts("Owner", "AccountingGroup"),
        WITHOUT_OWNERS: counts,
        "slots": lambda: collector.query(
            htcondor2.AdType.Startd,
            constraint=roomy,
            projection=["Name", "State", "Cpus", "Memory", "Disk", "TotalSlotCpus"],
        ),
        "VM jobs": lambda: schedd.query(
            constraint=our_vm_jobs(account, factory_id),
            projection=["ClusterId", "ProcId", "APFVM", "JobStatus", "APFShape"],
        ),
    }


def _roomy(demand: Demand) -> str:
    """Return the slot constraint of a round."""
    asks = [group.ask for group in demand.groups]
    least = Room(min(ask.cpus for ask in asks), min(ask.memory_mb for ask in asks))
    return slot_constraint(least)


def load_owner() -> str:
    """Return the account that owns the VM jobs."""
    import getpass

    return getpass.getuser()


def timed(function: Callable[[], Any]) -> float:
    """Return the duration of a call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def bare_and_full(rounds: Rounds, factory_id: str, tries: int) -> dict[str, float]:
    """Measure bare queries and whole rounds in turn, so that a busy moment of the machine affects both."""
    first = demand_of(rounds.run())  # starts the workers and fills the match cache
    queries = bare_queries(factory_id, first)
    best = dict.fromkeys([*queries, "round", "decide"], float("inf"))
    for _ in range(tries):
        for name, query in queries.items():
            best[name] = min(best[name], timed(query))
        best["round"] = min(best["round"], timed(rounds.run))
        best["decide"] = min(best["decide"], rounds.decide_s)
    best["bare"] = sum(best[name] for name in queries if name != WITHOUT_OWNERS)
    best["less"] = best["bare"] - best["counts"] + best[WITHOUT_OWNERS]
    return best


def old_way(part: int) -> dict[str, float]:
    """Measure ``condor_q -xml`` for all jobs, and the time of minidom, as in AutoPyFactory.

    One job of ``part`` is parsed, and the time is scaled to all jobs.
    """
    started = time.perf_counter()
    text = subprocess.run(["condor_q", "-all", "-xml"], capture_output=True, check=True).stdout
    query_s, size = time.perf_counter() - started, len(text)
    head, *ads = text.split(b"<c>")
    few = ads[: max(1, len(ads) // part)]
    document = head + b"<c>" + b"<c>".join(few)
    if len(few) < len(ads):
        document += b"</classads>"
    count = len(ads)
    del text, ads
    started = time.perf_counter()
    minidom.parseString(document)  # noqa: S318  from our own schedd
    parse_s = (time.perf_counter() - started) * count / len(few)
    return {"query": query_s, "parse": parse_s, "total": query_s + parse_s, "size_mb": size / 1e6, "jobs": count}


def demand_of(decided: Round) -> Demand:
    """Return the demand of a round."""
    (decision,) = decided.decisions
    assert isinstance(decision.wms, WmsStatus)
    assert decision.wms.demand is not None
    return decision.wms.demand
