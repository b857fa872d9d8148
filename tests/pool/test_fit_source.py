"""Job groups, free room and matches from real schedds and a real collector."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from factory.condor.job_demand import DemandQuery, JobDemandRows, JobDemandSource
from factory.condor.schedd.start_limits import schedd_ad
from factory.decide.chain import run_chain
from factory.fit.join_schedds import join_demands
from factory.fit.place import place_on_machines
from factory.fit.pool_limits import apply_limits
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import Demand, JobGroup, Machine, Room, Template
from factory.model.matches import Match
from factory.model.status import Unknown
from factory.process.workers import CallFailed, Workers
from plugins.sched.fit import Fit
from plugins.sched.maxtorun import MaxToRun
from tests.rig.chains import plugin
from tests.rig.fit import offer, share, view
from tests.rig.leaks import left_behind
from tests.rig.pool import SECOND, TWO_SCHEDDS, Pool
from tests.rig.slots import advertise, partitionable, static
from tests.rig.wait import until
from tests.rig.workers import asking

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


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Yield a pool with two schedds whose idle jobs all have autoclusters; its negotiator is stopped."""
    directory = tmp_path_factory.mktemp("fit")
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


@pytest.fixture
def workers(jobs: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    with asking(jobs, monkeypatch) as running:
        yield running


def submit(pool: Pool, count: int, *lines: str, name: str = "first@pool") -> None:
    common = ("executable = /bin/true", "request_memory = 100", "request_disk = 1000", "request_cpus = 1")
    pool.run("condor_submit", "-name", name, "-", stdin="\n".join([*common, *lines, f"queue {count}", ""]))


def of_owner(owner: str) -> tuple[str, ...]:
    """Return submit lines of an owner: WantsIt is true for alice and false for bob."""
    return f'+Owner = "{owner}"', "My.WantsIt = MY.Reason == 5", f"My.Reason = {len(owner)}"


def fetch(
    workers: Workers, selection: str | None = None, *schedds: str, templates: tuple[Template, ...] = ()
) -> Demand:
    addresses = tuple(ScheddAddress(name) for name in schedds) or (ScheddAddress(),)
    wants = frozenset({DemandQuery(selection, templates)})
    sources = [JobDemandSource(pool=PoolAddress(), schedd=each, queries=wants, factory_id="f") for each in addresses]
    demand = join_demands([known(workers.call("all", 30, source.fetch).demand(selection)) for source in sources])
    assert len({group.key for group in demand.groups}) == len(demand.groups)
    return demand


def known(demand: Demand | Unknown) -> Demand:
    assert isinstance(demand, Demand), demand
    return demand


def group(demand: Demand, words: str) -> JobGroup:
    """Return the only group whose Requirements contain these words."""
    found = [each for each in demand.groups if words in each.requirements]
    assert len(found) == 1, [each.requirements for each in demand.groups]
    return found[0]


def by_ask(demand: Demand) -> Counter[tuple[float, float, float, str]]:
    found: Counter[tuple[float, float, float, str]] = Counter()
    for each in demand.groups:
        if each.problem is None:
            found[each.ask.cpus, each.ask.memory_mb, each.ask.gpus, each.accounting_group] += each.count
    return found


def unclustered(pool: Pool, name: str) -> str:
    which = 'JobStatus == 1 && JobUniverse == 5 && Managed =!= "External" && AutoClusterId =?= undefined'
    return pool.run("condor_q", "-name", name, "-all", "-constraint", which, "-af", "ClusterId")


def machines(demand: Demand) -> dict[str, Machine]:
    return {machine.name.removeprefix("slot1@"): machine for machine in demand.machines}


def on(demand: Demand, which: JobGroup, machine: str) -> Match:
    return demand.on_kinds[which.key, machines(demand)[machine].kind]


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


def test_full_schedd_limits_only_its_own_jobs(jobs: Pool, workers: Workers) -> None:
    full = ['MyType = "Scheduler"', 'Name = "full@elsewhere"', 'Machine = "elsewhere"', 'MyAddress = "<127.0.0.1:9>"',
            'ScheddIpAddr = "<127.0.0.1:9>"', "MaxJobsRunning = 10", "ShadowsRunning = 10",
            "CurbMatchmaking = RecentDaemonCoreDutyCycle > 0.98", "RecentDaemonCoreDutyCycle = 0.99"]  # fmt: skip
    jobs.run("condor_advertise", "-tcp", "UPDATE_SCHEDD_AD", stdin="\n".join([*full, ""]))
    until(lambda: "full@elsewhere" in jobs.run("condor_status", "-schedd", "-af", "Name"), "it is in the collector")
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


def test_machines_show_free_room_and_retirement(workers: Workers) -> None:
    seen = machines(fetch(workers))
    assert set(seen) == {"busy", "free", "draining", "ends", "picky", "owner", "home", "alone", "secret", "alices"}
    assert (seen["busy"].free.cpus, seen["busy"].free.memory_mb) == (3, 500)
    assert (seen["busy"].total.cpus, seen["busy"].total.memory_mb) == (8, 16_000)
    assert {name for name, machine in seen.items() if machine.retiring} == {"draining", "owner", "home"}
    assert {name for name, machine in seen.items() if machine.static} == {"alone"}
    assert (seen["ends"].vm, seen["ends"].ends_at) == ("vm-1", 2_000_000_000)
    assert (seen["free"].vm, seen["free"].ends_at) == (None, None)
    assert {name for name, machine in seen.items() if machine.ours} == {"home"}


def test_machines_show_the_age_of_their_ads(jobs: Pool, workers: Workers) -> None:
    until(lambda: machines(fetch(workers))["free"].silent_s > 1, "all slots are older than a second")
    advertise(jobs, [partitionable("free", 8, 16_000)])
    silent = {name: machine.silent_s for name, machine in machines(fetch(workers)).items()}
    assert max(silent, key=lambda name: silent[name]) != "free"
    assert all(silent["free"] < of_other for name, of_other in silent.items() if name != "free")


def test_retiring_machine_is_no_model_for_its_shape(workers: Workers) -> None:
    home = Template("Q t/home", BIG.room, (("APFFactory", '"f"'),))
    demand = fetch(workers, 'Colour == "Blue"', templates=(home,))
    (blue,) = demand.groups
    assert not on(demand, blue, "home").ok
    assert demand.on_shapes[blue.key, "Q t/home"].ok


def test_machine_of_another_build_is_no_model_for_its_shape(jobs: Pool, workers: Workers) -> None:
    of = {"APFVM": '"vm-3"', "APFFactory": '"f"', "APFQueue": '"Q"', "APFShape": '"t/old"', "APFBuild": '"1"'}
    advertise(jobs, [partitionable("old", 8, 16_000, **of, Start='TARGET.Owner == "nobody"', HasOld="true")])

    def accepted(build: str) -> bool:
        made = Template("t/old", BIG.room, (("APFFactory", '"f"'), ("Start", "true")), "Q", build)
        demand = fetch(workers, 'Colour == "Blue"', templates=(made,))
        return demand.on_shapes[demand.groups[0].key, "Q t/old"].ok

    assert [accepted(build) for build in ("1", "2", "1", "")] == [False, True, False, True]
    jobs.run("condor_advertise", "INVALIDATE_STARTD_ADS", stdin='MyType = "Query"\nRequirements = APFVM == "vm-3"\n')
    until(lambda: "old" not in jobs.run("condor_status", "-af", "Name"), "it is gone")
    assert [accepted(build) for build in ("1", "2")] == [False, True]


def test_omits_machines_without_room_for_any_job(workers: Workers) -> None:
    fetch(workers, 'Colour == "Blue"')
    seen = machines(fetch(workers, 'Colour == "Blue"'))  # the first poll does not know the least request yet
    assert "busy" not in seen
    assert "free" in seen


def test_machines_that_differ_only_in_free_room_are_one_kind(workers: Workers) -> None:
    seen = machines(fetch(workers))
    assert seen["busy"].kind == seen["free"].kind == seen["ends"].kind
    assert len({seen[name].kind for name in ("free", "picky", "secret", "alone", "owner")}) == 5


def test_match_names_the_failing_clause(workers: Workers) -> None:
    demand = fetch(workers)
    secret, plan9 = group(demand, "HasSecret"), group(demand, "PLAN9")
    assert on(demand, secret, "secret").ok
    assert on(demand, secret, "free") == Match(False, why="Requirements of the job: TARGET.HasSecret is undefined")
    assert on(demand, plan9, "free").why == 'Requirements of the job: TARGET.OpSys == "PLAN9" is false'


def test_start_may_refer_to_machine_attributes(workers: Workers) -> None:
    demand = fetch(workers)
    (big,) = (each for each in demand.groups if each.ask.memory_mb == 9000)
    (small,) = (each for each in demand.groups if each.accounting_group == "physics.eve")
    assert on(demand, big, "picky").ok
    assert on(demand, small, "picky").why == "Requirements of the machine: TARGET.RequestMemory > LeastMemory is false"


STARTS = {
    'TARGET.Owner == "alice"': {"alice"},
    'TARGET.MATCH_APF_QUEUE == "C"': {"alice", "bob"},
    'TARGET.MATCH_APF_QUEUE == "D"': set(),
    "TARGET.JobUniverse == 5": {"alice", "bob"},
    "TARGET.JobUniverse == 10": set(),
    "WantsIt && MayHaveIt": {"alice"},
}
"""START of a machine, and the owner of the jobs that match."""


@pytest.mark.parametrize("when", ["C", "with no autocluster yet"])
def test_start_of_a_shape_may_refer_to_any_job_attribute(jobs: Pool, workers: Workers, when: str) -> None:
    if when != "C":
        for owner in ("alice", "bob"):
            submit(jobs, 2, *of_owner(owner), f'My.MATCH_APF_QUEUE = "{when}"')
    starts = {start.replace('"C"', f'"{when}"'): owners for start, owners in STARTS.items()}
    templates = tuple(
        Template(f"t{i}", BIG.room, (("Start", start), ("MayHaveIt", "true"))) for i, start in enumerate(starts)
    )
    for _ in range(2):
        demand = fetch(workers, f'MATCH_APF_QUEUE == "{when}"', templates=templates)
        assert Counter(each.owner for each in demand.groups) == {"alice": 1, "bob": 1}
        for template, (start, owners) in zip(templates, starts.items(), strict=True):
            matches = {each.owner: demand.on_shapes[each.key, template.key] for each in demand.groups}
            assert {owner for owner, match in matches.items() if match.ok} == owners, start
            assert not any(match.maybe for match in matches.values()), start


def test_matches_a_new_machine_before_the_next_negotiation(workers: Workers) -> None:
    demand = fetch(workers, 'MATCH_APF_QUEUE == "C"')
    assert {each.owner: on(demand, each, "alices").ok for each in demand.groups} == {"alice": True, "bob": False}


def test_undefined_attribute_of_a_shape_gives_a_possible_match(workers: Workers) -> None:
    demand = fetch(workers, templates=(BIG, SMALL))
    secret, plan9 = group(demand, "HasSecret"), group(demand, "PLAN9")
    assert demand.on_shapes[secret.key, "small"].ok
    assert demand.on_shapes[secret.key, "big"].maybe
    assert demand.on_shapes[plan9.key, "big"] == Match(
        False, why='Requirements of the job: TARGET.OpSys == "PLAN9" is false'
    )


def test_container_jobs_need_a_known_container_runtime(jobs: Pool, workers: Workers) -> None:
    submit(jobs, 1, 'My.MATCH_APF_QUEUE = "box"', "container_image = /x/a.sif", "transfer_executable = false")
    told = Template("told", BIG.room, (("HasContainer", "true"), ("HasSIF", "true")))
    demand = fetch(workers, 'MATCH_APF_QUEUE == "box"', templates=(BIG, told))
    (box,) = demand.groups
    assert demand.on_shapes[box.key, "told"].ok
    assert demand.on_shapes[box.key, "big"] == Match(
        ok=False,
        maybe=True,
        why="Requirements of the job: TARGET.HasContainer is undefined until a machine runs; "
        "to define it now, set sched.fit.machine.HasContainer, sched.fit.machine.HasSIF",
    )
    assert on(demand, box, "free").why == "Requirements of the job: TARGET.HasContainer is undefined"


def test_gpu_job_matches_only_machines_with_a_gpu(workers: Workers) -> None:
    gpus = Template("gpus", Room(8, 32_000, 10**8, 4))
    demand = fetch(workers, templates=(BIG, gpus))
    (wants,) = (each for each in demand.groups if each.ask.gpus == 1)
    assert not demand.on_shapes[wants.key, "big"].ok
    match = demand.on_shapes[wants.key, "gpus"]
    assert match.ok or match.maybe


def test_groups_jobs_without_autocluster_by_request(jobs: Pool, workers: Workers) -> None:
    late = ('My.MATCH_APF_QUEUE = "late"', 'My.LeastOpSys = "LINUX"', "requirements = OpSys == MY.LeastOpSys")
    submit(jobs, 3, *late, "request_cpus = 2")
    submit(jobs, 4, *late, "request_cpus = 5")
    submit(jobs, 2, *late, f"deferral_time = {int(time.time()) + 100_000}")
    submit(jobs, 1, *late, "deferral_time = 1000")
    assert unclustered(jobs, "first@pool")
    demand = fetch(workers, 'MATCH_APF_QUEUE == "late"', templates=(BIG,))
    assert by_ask(demand) == {(2, 100, 0, ""): 3, (5, 100, 0, ""): 4, (1, 100, 0, ""): 1}
    assert demand.excluded == {"deferred": 2}
    five = next(each for each in demand.groups if each.ask.cpus == 5)
    assert on(demand, five, "free").ok
    assert demand.on_shapes[five.key, "big"].ok


def test_owners_take_turns_under_a_cap_in_any_order_of_submission(jobs: Pool, workers: Workers) -> None:
    shape = offer("m5.large", cpus=2, memory_mb=8_000)
    template = Template(str(shape.shape), shape.room)
    for name, owners in (("left", ("ann", "bob")), ("right", ("bob", "ann"))):
        for owner in owners:
            submit(jobs, 8, f'My.MATCH_APF_QUEUE = "{name}"', f'+Owner = "{owner}"')
        demand = fetch(workers, f'MATCH_APF_QUEUE == "{name}"', templates=(template,))
        seen = share(replace(demand, machines=()), [shape])
        chain = run_chain([plugin(Fit), plugin(MaxToRun, maximum=2)], view(seen))
        assert chain.verdict is not None
        served = chain.verdict.purchase.covers(chain.ask.n)
        assert {each.owner: served[each.key] for each in demand.groups} == {"ann": 2, "bob": 2}, name


def test_counts_unmaterialised_jobs_separately(jobs: Pool, workers: Workers) -> None:
    made = ('My.MATCH_APF_QUEUE = "made"', "request_cpus = 6")
    submit(jobs, 40, *made, "max_idle = 3")
    submit(jobs, 30, *made, "max_idle = 2", "max_materialize = 12")
    submit(jobs, 20, *made, "request_cpus = 7", "max_idle = 1", "hold = true")
    submit(jobs, 5, 'My.MATCH_APF_QUEUE = "other"', "max_idle = 1")

    def found() -> dict[float, tuple[int, int]]:
        groups = fetch(workers, 'MATCH_APF_QUEUE == "made"', templates=(BIG,)).groups
        return {each.ask.cpus: (each.count, each.unmaterialised) for each in groups}

    def idle_sevens() -> int:  # in HTCondor 25.14 materialised jobs are idle despite hold = true
        return len(
            jobs.run("condor_q", "-all", "-constraint", "RequestCpus == 7 && JobStatus == 1", "-af", "1").split()
        )

    until(
        lambda: found() == {6: (3 + 2, 37 + 28), 7: (idle_sevens(), 19)}, "the schedd's ad says that more will come", 20
    )


def test_matches_requirements_on_free_room_with_the_free_room(jobs: Pool, workers: Workers) -> None:
    advertise(jobs, [partitionable("partly", 5, 1_856)])
    for requirements in ("TARGET.Memory > 4000", "Cpus > 4 && TARGET.Memory > 1000", 'OpSys != "X"'):
        submit(jobs, 2, 'My.MATCH_APF_QUEUE = "rest"', f"requirements = {requirements}")
    for _ in range(2):
        demand = fetch(workers, 'MATCH_APF_QUEUE == "rest"', "first@pool", templates=(BIG,))
        much, cores, plain = (group(demand, words) for words in ("> 4000", "Cpus > 4", 'OpSys != "X"'))
        why = "Requirements of the job: TARGET.Memory > 4000 is false for the free part of the machine"
        assert on(demand, much, "partly") == Match(False, why=why)
        assert on(demand, much, "free").ok
        assert demand.on_shapes[much.key, "big"].ok
        for each in (cores, plain):
            assert on(demand, each, "partly").ok
            assert on(demand, each, "free").ok
        assert not on(demand, cores, "busy").ok
        assert on(demand, plain, "busy").ok
    jobs.run("condor_rm", "-constraint", 'MATCH_APF_QUEUE == "rest"')


def test_polls_do_not_leak_memory(workers: Workers) -> None:
    """Half a million polls a year must not leak. ``parseOne`` of the bindings alone would leak 15 kB each."""
    source = JobDemandSource(pool=PoolAddress(), queries=frozenset({DemandQuery(None, (BIG, SMALL))}))
    assert workers.call("all", 60, left_behind, source.fetch, 20) < 2_000
