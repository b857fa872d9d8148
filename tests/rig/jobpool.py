"""A pool with two schedds and odd jobs, all in autoclusters, and the job groups and machines of its polls."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from factory.condor.job_demand import DemandQuery, JobDemandSource
from factory.fit.join_schedds import join_demands
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import Demand, JobGroup, Machine, Room, Template
from factory.model.matches import Match
from factory.model.model_facts import ModelFacts, learn
from factory.model.status import Unknown
from factory.process.workers import Workers
from tests.rig.pool import SECOND, TWO_SCHEDDS, Pool
from tests.rig.slots import advertise, partitionable, static
from tests.rig.wait import until

BIG = Template("big", Room(16, 64_000, 10**8))
SMALL = Template("small", Room(2, 4_000, 10**8), (("HasSecret", "true"),))

RULES = """
ALLOW_ADVERTISE_STARTD = *
ALLOW_ADVERTISE_SCHEDD = *
QUEUE_ALL_USERS_TRUSTED = True
SCHEDD2.MAX_JOBS_RUNNING = 10
"""
"""Tests send ads, and jobs may name their owner."""

SLOTS = [
    partitionable("busy", 3, 500),
    partitionable("free", 8, 16_000),
    partitionable("draining", 8, 16_000, Draining="true", State='"Drained"'),
    partitionable("ends", 8, 16_000, APFVM='"vm-1"', DaemonStopTime=2_000_000_000),
    partitionable("picky", 8, 16_000, Start="TARGET.RequestMemory > LeastMemory", LeastMemory=5_000),
    partitionable("owner", 8, 16_000, Start="false", State='"Owner"'),
    partitionable(
        "home", 8, 16_000, APFVM='"vm-2"', APFQueue='"Q"', APFShape='"t/home"', APFFactory='"f"', Start="false"
    ),
    static("alone", 4, 10_000),
    static("taken", 4, 10_000, state="Claimed"),
    partitionable("secret", 8, 16_000, HasSecret="true"),
    partitionable("alices", 8, 16_000, Start='TARGET.Owner == "alice"'),
]


@contextmanager
def running_job_pool(directory: Path) -> Iterator[Pool]:
    """Run a pool with two schedds whose idle jobs all have autoclusters; its negotiator is stopped."""
    (directory / "spool2").mkdir()
    with Pool(directory, TWO_SCHEDDS + RULES, name="first@pool") as pool:
        until(lambda: SECOND in pool.run("condor_status", "-schedd", "-af", "Name"), "the second schedd is there")
        submit(pool, 5, 'My.MATCH_APF_QUEUE = "A"')
        submit(pool, 3, 'My.MATCH_APF_QUEUE = "A"', "hold = true")
        submit(pool, 4, 'My.MATCH_APF_QUEUE = "B"')
        submit(pool, 6, "request_cpus = 4", "request_memory = 9000", 'My.Colour = "Blue"')
        submit(pool, 2, "accounting_group = physics", "accounting_group_user = eve")
        submit(pool, 7, "request_memory = Undef + 1")
        submit(pool, 8, 'My.Managed = "External"')
        submit(pool, 9, "universe = scheduler", "hold = true")
        submit(pool, 10, f"deferral_time = {int(time.time()) + 100_000}")
        submit(pool, 11, "universe = local", "requirements = false")
        submit(pool, 12, "requirements = TARGET.HasSecret", "request_cpus = 2")
        submit(pool, 13, 'requirements = TARGET.Cores > 4 && TARGET.OpSys == "PLAN9"', "request_cpus = 3")
        submit(pool, 1, "request_gpus = 1", "require_gpus = Capability > 8")
        submit(pool, 14, 'My.MATCH_APF_QUEUE = "A"', name=SECOND)
        submit(pool, 2, "concurrency_limits = licence", "request_memory = 333")
        for owner in ("alice", "bob"):
            submit(pool, 2, *of_owner(owner), 'My.MATCH_APF_QUEUE = "C"', "request_memory = 444")
        advertise(pool, [partitionable("full", 0, 4_000)])  # the schedd does not negotiate without slots
        until(lambda: not unclustered(pool, "first@pool"), "the first schedd's jobs have an autocluster", 60)
        until(lambda: not unclustered(pool, SECOND), "the second schedd's jobs have an autocluster", 60)
        pool.run("condor_off", "-daemon", "negotiator")
        advertise(pool, SLOTS)
        until(lambda: len(pool.slots()) == 12, "all slots are in the collector")
        yield pool


def submit(pool: Pool, count: int, *lines: str, name: str = "first@pool") -> None:
    """Submit jobs to a schedd; ``lines`` are further lines of the submit description."""
    common = ("executable = /bin/true", "request_memory = 100", "request_disk = 1000", "request_cpus = 1")
    pool.run("condor_submit", "-name", name, "-", stdin="\n".join([*common, *lines, f"queue {count}", ""]))


def of_owner(owner: str) -> tuple[str, ...]:
    """Return submit lines of an owner: WantsIt is true for alice and false for bob."""
    return f'+Owner = "{owner}"', "My.WantsIt = MY.Reason == 5", f"My.Reason = {len(owner)}"


def fetch(
    workers: Workers,
    selection: str | None = None,
    *schedds: str,
    templates: tuple[Template, ...] = (),
    facts: Mapping[str, ModelFacts] | None = None,
) -> Demand:
    """Return the demand of one poll of these schedds for a selection."""
    addresses = tuple(ScheddAddress(name) for name in schedds) or (ScheddAddress(),)
    wants = frozenset({DemandQuery(selection, templates)})
    sources = [
        JobDemandSource(pool=PoolAddress(), schedd=each, queries=wants, factory_id="f", facts=facts or {})
        for each in addresses
    ]
    demand = join_demands([known(workers.call("all", 30, source.fetch).demand(selection)) for source in sources])
    assert len({group.key for group in demand.groups}) == len(demand.groups)
    return demand


def learned(facts: Mapping[str, ModelFacts], demand: Demand) -> dict[str, ModelFacts]:
    """Return the facts after a poll, as if no VM had been claimed."""
    after = dict(facts)
    for shown in demand.shown:
        after[shown.model] = learn(after.get(shown.model, ModelFacts()), shown, shown.unclaimed.keys())
    return after


def known(demand: Demand | Unknown) -> Demand:
    """Return the demand; fail if it is unknown."""
    assert isinstance(demand, Demand), demand
    return demand


def group(demand: Demand, words: str) -> JobGroup:
    """Return the only group whose Requirements contain these words."""
    found = [each for each in demand.groups if words in each.requirements]
    assert len(found) == 1, [each.requirements for each in demand.groups]
    return found[0]


def by_ask(demand: Demand) -> Counter[tuple[float, float, float, str]]:
    """Return the number of jobs by cores, memory, GPUs and accounting group."""
    found: Counter[tuple[float, float, float, str]] = Counter()
    for each in demand.groups:
        if each.problem is None:
            found[each.ask.cpus, each.ask.memory_mb, each.ask.gpus, each.accounting_group] += each.count
    return found


def unclustered(pool: Pool, name: str) -> str:
    """Return the clusters of idle jobs without an autocluster."""
    which = 'JobStatus == 1 && JobUniverse == 5 && Managed =!= "External" && AutoClusterId =?= undefined'
    return pool.run("condor_q", "-name", name, "-all", "-constraint", which, "-af", "ClusterId")


def machines(demand: Demand) -> dict[str, Machine]:
    """Return the machines of a demand by the name of their host."""
    return {machine.name.removeprefix("slot1@"): machine for machine in demand.machines}


def on(demand: Demand, which: JobGroup, machine: str) -> Match:
    """Return the match of a group on a machine."""
    return demand.on_kinds[which.key, machines(demand)[machine].kind]
