"""Job groups from real schedds: counts, selections, owners and limits."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from factory.condor.job_demand import DemandQuery, JobDemandRows, JobDemandSource
from factory.condor.schedd.start_limits import schedd_ad
from factory.decide.chain import run_chain
from factory.fit.place import place_on_machines
from factory.fit.pool_limits import apply_limits
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import Room, Template
from factory.model.status import Unknown
from factory.process.workers import CallFailed, Workers
from plugins.sched.fit import Fit
from plugins.sched.maxtorun import MaxToRun
from tests.rig.chains import plugin
from tests.rig.fit import offer, share, view
from tests.rig.jobpool import BIG, SMALL, by_ask, fetch, known, on, submit, unclustered
from tests.rig.leaks import left_behind
from tests.rig.pool import SECOND, Pool
from tests.rig.wait import until
from tests.rig.workers import asking


@pytest.fixture
def workers(job_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    with asking(job_pool, monkeypatch) as running:
        yield running


def test_group_counts_are_exact_and_exclude_held_jobs(workers: Workers) -> None:
    demand = fetch(workers)
    assert by_ask(demand) == {
        (1, 100, 0, ""): 5 + 4,
        (1, 100, 1, ""): 1,
        (4, 9000, 0, ""): 6,
        (1, 100, 0, "physics.eve"): 2,
        (2, 100, 0, ""): 12,
        (3, 100, 0, ""): 13,
        (1, 333, 0, ""): 2,
        (1, 444, 0, ""): 4,
    }
    assert demand.others == {5: 3}
    assert demand.limits == ()


def test_counts_excluded_jobs_by_reason(workers: Workers) -> None:
    assert fetch(workers).excluded == {
        "managed outside the schedd (routed)": 8,
        "deferred": 10,
        "in a universe other than vanilla, java and vm": 11,
    }


def test_invalid_request_makes_a_group_with_a_problem(workers: Workers) -> None:
    (wrong,) = (each for each in fetch(workers).groups if each.problem is not None)
    assert wrong.count == 7
    assert wrong.problem == "RequestMemory = Undef + 1 can't be evaluated"


def test_owners_and_accounting_groups_form_separate_groups(workers: Workers) -> None:
    alike = [each for each in fetch(workers).groups if each.ask == Room(1, 100, 1000)]
    assert {(each.accounting_group, each.count) for each in alike} == {("", 9), ("physics.eve", 2)}
    assert len({each.owner for each in alike}) == 1


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        ('MATCH_APF_QUEUE == "A"', 5),
        ('MATCH_APF_QUEUE == "B"', 4),
        ('MATCH_APF_QUEUE == "nobody"', 0),
        ('Colour == "Blue"', 6),
        ("MY.Colour =?= undefined && RequestCpus == 2", 12),
    ],
)
def test_selection_may_use_attributes_outside_autoclusters(workers: Workers, selection: str, count: int) -> None:
    assert sum(each.count for each in fetch(workers, selection).groups) == count


MANY = [
    'MATCH_APF_QUEUE == "A"',
    'match_apf_queue == "a"',
    'MATCH_APF_QUEUE =?= "A"',
    'MY.MATCH_APF_QUEUE =?= "a"',
    'MATCH_APF_QUEUE == "B" || MATCH_APF_QUEUE == "C"',
    "MATCH_APF_QUEUE is undefined",
    'Colour == "Blue"',
    "RequestCpus",
    "RequestCpus - 1",
    "NoSuchAttribute",
    None,
]


def test_one_poll_returns_the_same_groups_as_one_poll_per_selection(workers: Workers) -> None:
    each = {selection: fetch(workers, selection, templates=(BIG,)) for selection in MANY}
    wants = frozenset(DemandQuery(selection, (BIG,)) for selection in (*MANY, "Owner ==", "1 +"))
    rows = workers.call("all", 30, JobDemandSource(pool=PoolAddress(), queries=wants, factory_id="f").fetch)
    assert isinstance(rows, JobDemandRows)
    for selection, alone in each.items():
        found = known(rows.demand(selection))
        assert sorted(found.groups, key=lambda g: g.key) == sorted(alone.groups, key=lambda g: g.key), selection
        assert (found.excluded, found.others) == (alone.excluded, alone.others), selection
        for one in found.groups:
            assert found.on_shapes[one.key, "big"] == alone.on_shapes[one.key, "big"]
            assert on(found, one, "free") == on(alone, one, "free")
    assert [sum(g.count for g in known(rows.demand(selection)).groups) for selection in MANY[:4]] == [5, 5, 5, 0]
    for wrong in ("Owner ==", "1 +"):
        assert "is not a ClassAd expression" in str(rows.demand(wrong))
    assert isinstance(rows.demand("never asked for"), Unknown)


def test_equal_jobs_of_two_queues_form_separate_groups(workers: Workers) -> None:
    one, two = (fetch(workers, f'MATCH_APF_QUEUE == "{name}"').groups for name in "AB")
    assert [(each.ask, each.owner) for each in one] == [(each.ask, each.owner) for each in two]
    assert {each.key for each in one}.isdisjoint(each.key for each in two)


def test_jobs_of_all_schedds_can_use_the_machines(workers: Workers) -> None:
    demand = fetch(workers, 'MATCH_APF_QUEUE == "A"', "first@pool", SECOND, templates=(BIG,))
    assert {each.key.split("#")[0].split(" ")[1]: each.count for each in demand.groups} == {"first@pool": 5, SECOND: 14}
    assert len(demand.machines) == len({machine.name for machine in demand.machines})
    for each in demand.groups:
        assert on(demand, each, "free").ok
        assert not on(demand, each, "picky").ok
        assert demand.on_shapes[each.key, "big"].ok
    assert place_on_machines(demand.groups, demand.machines, lambda g, kind: demand.on_kinds[g.key, kind].ok).left == {
        each.key: 0 for each in demand.groups
    }


def test_full_schedd_limits_only_its_own_jobs(job_pool: Pool, workers: Workers) -> None:
    full = ['MyType = "Scheduler"', 'Name = "full@elsewhere"', 'Machine = "elsewhere"', 'MyAddress = "<127.0.0.1:9>"',
            'ScheddIpAddr = "<127.0.0.1:9>"', "MaxJobsRunning = 10", "ShadowsRunning = 10",
            "CurbMatchmaking = RecentDaemonCoreDutyCycle > 0.98", "RecentDaemonCoreDutyCycle = 0.99"]  # fmt: skip
    job_pool.run("condor_advertise", "-tcp", "UPDATE_SCHEDD_AD", stdin="\n".join([*full, ""]))
    until(lambda: "full@elsewhere" in job_pool.run("condor_status", "-schedd", "-af", "Name"), "it is in the collector")
    of_its_own = {"Name": "full@elsewhere", "MaxJobsRunning": 10, "ShadowsRunning": 10, "CurbMatchmaking": True}
    assert workers.call("all", 30, schedd_ad, ScheddAddress("full@elsewhere")) == of_its_own
    demand = fetch(workers, 'MATCH_APF_QUEUE == "A"', "first@pool", SECOND)
    of_second = [each for each in demand.groups if SECOND in each.key]
    (limit,) = demand.limits
    assert limit.name == f"MAX_JOBS_RUNNING of {SECOND}, 0 of 10 jobs running"
    assert (limit.left, set(limit.weights)) == (10, {each.key for each in of_second})
    within = apply_limits(demand.groups, demand.limits)
    assert {each.key: within.of(each) for each in demand.groups if within.of(each) < each.count} == {
        of_second[0].key: 10
    }
    assert fetch(workers, 'MATCH_APF_QUEUE == "A"').limits == ()


def test_unknown_schedd_fails_only_its_own_reading(workers: Workers) -> None:
    with pytest.raises(CallFailed, match="has no ad of schedd nobody"):
        fetch(workers, None, "nobody@pool")


def test_groups_jobs_without_autocluster_by_request(job_pool: Pool, workers: Workers) -> None:
    late = ('My.MATCH_APF_QUEUE = "late"', 'My.LeastOpSys = "LINUX"', "requirements = OpSys == MY.LeastOpSys")
    submit(job_pool, 3, *late, "request_cpus = 2")
    submit(job_pool, 4, *late, "request_cpus = 5")
    submit(job_pool, 2, *late, f"deferral_time = {int(time.time()) + 100_000}")
    submit(job_pool, 1, *late, "deferral_time = 1000")
    assert unclustered(job_pool, "first@pool")
    demand = fetch(workers, 'MATCH_APF_QUEUE == "late"', templates=(BIG,))
    assert by_ask(demand) == {(2, 100, 0, ""): 3, (5, 100, 0, ""): 4, (1, 100, 0, ""): 1}
    assert demand.excluded == {"deferred": 2}
    five = next(each for each in demand.groups if each.ask.cpus == 5)
    assert on(demand, five, "free").ok
    assert demand.on_shapes[five.key, "big"].ok


def test_owners_take_turns_under_a_cap_in_any_order_of_submission(job_pool: Pool, workers: Workers) -> None:
    shape = offer("m5.large", cpus=2, memory_mb=8_000)
    template = Template(str(shape.shape), shape.room)
    for name, owners in (("left", ("ann", "bob")), ("right", ("bob", "ann"))):
        for owner in owners:
            submit(job_pool, 8, f'My.MATCH_APF_QUEUE = "{name}"', f'+Owner = "{owner}"')
        demand = fetch(workers, f'MATCH_APF_QUEUE == "{name}"', templates=(template,))
        seen = share(replace(demand, machines=()), [shape])
        chain = run_chain([plugin(Fit), plugin(MaxToRun, maximum=2)], view(seen))
        assert chain.verdict is not None
        served = chain.verdict.purchase.covers(chain.ask.n)
        assert {each.owner: served[each.key] for each in demand.groups} == {"ann": 2, "bob": 2}, name


def test_counts_unmaterialised_jobs_separately(job_pool: Pool, workers: Workers) -> None:
    made = ('My.MATCH_APF_QUEUE = "made"', "request_cpus = 6")
    submit(job_pool, 40, *made, "max_idle = 3")
    submit(job_pool, 30, *made, "max_idle = 2", "max_materialize = 12")
    submit(job_pool, 20, *made, "request_cpus = 7", "max_idle = 1", "hold = true")
    submit(job_pool, 5, 'My.MATCH_APF_QUEUE = "other"', "max_idle = 1")

    def found() -> dict[float, tuple[int, int]]:
        groups = fetch(workers, 'MATCH_APF_QUEUE == "made"', templates=(BIG,)).groups
        return {each.ask.cpus: (each.count, each.unmaterialised) for each in groups}

    def idle_sevens() -> int:  # in HTCondor 25.14 materialised jobs are idle despite hold = true
        return len(
            job_pool.run("condor_q", "-all", "-constraint", "RequestCpus == 7 && JobStatus == 1", "-af", "1").split()
        )

    until(
        lambda: found() == {6: (3 + 2, 37 + 28), 7: (idle_sevens(), 19)}, "the schedd's ad says that more will come", 20
    )


def test_polls_do_not_leak_memory(workers: Workers) -> None:
    """Half a million polls a year must not leak. ``parseOne`` of the bindings alone would leak 15 kB each."""
    source = JobDemandSource(pool=PoolAddress(), queries=frozenset({DemandQuery(None, (BIG, SMALL))}))
    assert workers.call("all", 60, left_behind, source.fetch, 20) < 2_000
