"""The things that are measured. Times are in seconds, the best of several tries."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.dom import minidom

from factory.condor.collector.slots import slot_constraint
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
    """Rounds of a factory that observes and decides, and does not act."""

    def __init__(self, conf: Path) -> None:
        self.config = load([conf])
        self._workers = Workers()
        self._observer = Observer(self._workers)
        self._memory = Memory()
        self.decide_s = 0.0

    def run(self) -> Round:
        """One round; it fails if the queue holds."""
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
"""A query that is not enough, since jobs are told apart by owner and accounting group; for comparison."""


def bare_queries(factory_id: str, demand: Demand) -> dict[str, Callable[[], Any]]:
    """The fastest queries that bring what a round of a Fit queue needs to know, and one that does not.

    Of the slots those that the round asks for too: a job could use them.
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
    """Which slots a round asks the collector for."""
    asks = [group.ask for group in demand.groups]
    least = Room(min(ask.cpus for ask in asks), min(ask.memory_mb for ask in asks))
    return slot_constraint(least)


def load_owner() -> str:
    """The account that the VM jobs belong to."""
    import getpass

    return getpass.getuser()


def timed(function: Callable[[], Any]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def bare_and_full(rounds: Rounds, factory_id: str, tries: int) -> dict[str, float]:
    """Bare queries and whole rounds in turn, so that a busy moment of the machine hits both."""
    first = demand_of(rounds.run())  # starts the workers, and matches for the first time
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
    """``condor_q -xml`` of all; minidom, as in AutoPyFactory, parses a ``part``-th, which counts ``part`` times."""
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
    """What a round saw."""
    (decision,) = decided.decisions
    assert isinstance(decision.wms, WmsStatus)
    assert decision.wms.demand is not None
    return decision.wms.demand
