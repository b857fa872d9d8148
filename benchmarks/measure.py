"""The things that are measured. Times are in seconds, the best of several tries."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.dom import minidom

from factory.condor.vmjobs import ours
from factory.config import load
from factory.decide import Round, decide
from factory.fit.model import Demand, JobGroup, Machine, Match, Matches, Offer, Room
from factory.fit.share import Share, Terms, judge
from factory.fit.supply import Supply
from factory.model import Shape, WmsStatus
from factory.observe import Observer
from factory.track import Memory
from factory.workers import Workers
from factory.world import make_world


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
        world = make_world(now, self._observer.readings, self._memory, {}, f"{now} host 1", 0)
        started = time.perf_counter()
        decided = decide(self.config, world, {queue.name for queue in self.config.queues})
        self.decide_s = time.perf_counter() - started
        self._memory = world.memory
        for decision in decided.decisions:
            if decision.chain.hold is not None:
                raise RuntimeError(f"queue {decision.queue} holds: {decision.chain.hold}")
        return decided

    def stop(self) -> None:
        """End the worker processes."""
        self._workers.stop()


def bare_queries(factory_id: str) -> dict[str, Callable[[], Any]]:
    """The fastest queries that bring what a round of a Fit queue needs to know."""
    import htcondor2

    schedd, collector, opts = htcondor2.Schedd(), htcondor2.Collector(), htcondor2.QueryOpts
    owner = load_owner()
    return {
        "autoclusters": lambda: schedd.query(opts=opts.AutoCluster),
        "counts": lambda: schedd.query(
            constraint="JobStatus == 1", opts=opts.GroupBy, projection=["AutoClusterId", "JobStatus", "JobUniverse"]
        ),
        "slots": lambda: collector.query(
            htcondor2.AdType.Startd, projection=["Name", "State", "Cpus", "Memory", "Disk", "TotalSlotCpus"]
        ),
        "VM jobs": lambda: schedd.query(
            constraint=ours(owner, factory_id), projection=["ClusterId", "ProcId", "APFVM", "JobStatus", "APFShape"]
        ),
    }


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
    queries = bare_queries(factory_id)
    best = dict.fromkeys([*queries, "round", "decide"], float("inf"))
    rounds.run()  # starts the workers, and matches for the first time
    for _ in range(tries):
        for name, query in queries.items():
            best[name] = min(best[name], timed(query))
        best["round"] = min(best["round"], timed(rounds.run))
        best["decide"] = min(best["decide"], rounds.decide_s)
    best["bare"] = sum(best[name] for name in queries)
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


def decision_alone(groups: int, shapes: int, machines: int, tries: int = 5) -> float:
    """A verdict of Fit on made-up groups, shapes and machines with room."""
    ok = Match(True)
    jobs = tuple(
        JobGroup(f"g{i}", Room(1 + i % 8, 500 + 37 * i % 9000, 1000), 20 + i % 90, owner=f"o{i % 7}")
        for i in range(groups)
    )
    offers = tuple(
        Offer(Shape("ami", f"t{i}"), Room(2 + 2 * i, 4000 * (1 + i), 10**8), price=0.05 * (1 + i))
        for i in range(shapes)
    )
    room = tuple(
        Machine(f"m{i}", f"k{i % 20}", Room(i % 9, 1000 * (i % 17), 10**7), Room(8, 16_000, 10**7))
        for i in range(machines)
    )
    kinds, names = [f"k{i}" for i in range(20)], [str(offer.shape) for offer in offers]
    demand = Demand(
        jobs, room,
        Matches({group.key: (ok,) * len(kinds) for group in jobs}, kinds),
        Matches({group.key: (ok,) * len(names) for group in jobs}, names),
    )  # fmt: skip
    share = Share(Supply(demand, offers={str(offer.shape): offer for offer in offers}, now=1e9), offers)
    return min(timed(lambda: judge(replace(share), Terms())) for _ in range(tries))


def groups_of(decided: Round) -> int:
    """How many groups a round saw."""
    (decision,) = decided.decisions
    work = decision.wms
    return len(work.demand.groups) if isinstance(work, WmsStatus) and work.demand is not None else 0
