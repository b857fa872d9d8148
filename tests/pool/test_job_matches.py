"""Free room of machines and their matches with job groups, from a real collector."""

from collections import Counter
from collections.abc import Iterator

import pytest

from factory.model.demand import Room, Template
from factory.model.matches import Match
from factory.model.model_facts import ModelFacts
from factory.process.workers import Workers
from tests.rig.jobpool import BIG, SMALL, fetch, group, learned, machines, of_owner, on, submit
from tests.rig.pool import Pool
from tests.rig.slots import advertise, partitionable
from tests.rig.wait import until
from tests.rig.workers import asking


@pytest.fixture
def workers(job_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    with asking(job_pool, monkeypatch) as running:
        yield running


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


def test_machines_show_the_age_of_their_ads(job_pool: Pool, workers: Workers) -> None:
    until(lambda: machines(fetch(workers))["free"].silent_s > 1, "all slots are older than a second")
    advertise(job_pool, [partitionable("free", 8, 16_000)])
    silent = {name: machine.silent_s for name, machine in machines(fetch(workers)).items()}
    assert max(silent, key=lambda name: silent[name]) != "free"
    assert all(silent["free"] < of_other for name, of_other in silent.items() if name != "free")


def test_retiring_machine_is_no_model_for_its_shape(workers: Workers) -> None:
    home = Template("Q t/home", BIG.room, (("APFFactory", '"f"'),))
    demand = fetch(workers, 'Colour == "Blue"', templates=(home,))
    (blue,) = demand.groups
    assert not on(demand, blue, "home").ok
    assert demand.on_shapes[blue.key, "Q t/home"].ok


def test_machine_of_another_build_is_no_model_for_its_shape(job_pool: Pool, workers: Workers) -> None:
    of = {"APFVM": '"vm-3"', "APFFactory": '"f"', "APFQueue": '"Q"', "APFShape": '"t/old"', "APFBuild": '"1"'}
    advertise(job_pool, [partitionable("old", 8, 16_000, **of, Start='TARGET.Owner == "nobody"', HasOld="true")])
    facts: dict[str, ModelFacts] = {}

    def accepted(build: str) -> bool:
        made = Template("t/old", BIG.room, (("APFFactory", '"f"'), ("Start", "true")), "Q", build)
        demand = fetch(workers, 'Colour == "Blue"', templates=(made,), facts=facts)
        facts.update(learned(facts, demand))
        return demand.on_shapes[demand.groups[0].key, "Q t/old"].ok

    accepted("1")
    assert [accepted(build) for build in ("1", "2", "1", "")] == [False, True, False, True]
    job_pool.run(
        "condor_advertise", "INVALIDATE_STARTD_ADS", stdin='MyType = "Query"\nRequirements = APFVM == "vm-3"\n'
    )
    until(lambda: "old" not in job_pool.run("condor_status", "-af", "Name"), "it is gone")
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
def test_start_of_a_shape_may_refer_to_any_job_attribute(job_pool: Pool, workers: Workers, when: str) -> None:
    if when != "C":
        for owner in ("alice", "bob"):
            submit(job_pool, 2, *of_owner(owner), f'My.MATCH_APF_QUEUE = "{when}"')
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


def test_container_jobs_need_a_known_container_runtime(job_pool: Pool, workers: Workers) -> None:
    submit(job_pool, 1, 'My.MATCH_APF_QUEUE = "box"', "container_image = /x/a.sif", "transfer_executable = false")
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


def test_matches_requirements_on_free_room_with_the_free_room(job_pool: Pool, workers: Workers) -> None:
    advertise(job_pool, [partitionable("partly", 5, 1_856)])
    for requirements in ("TARGET.Memory > 4000", "Cpus > 4 && TARGET.Memory > 1000", 'OpSys != "X"'):
        submit(job_pool, 2, 'My.MATCH_APF_QUEUE = "rest"', f"requirements = {requirements}")
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
    job_pool.run("condor_rm", "-constraint", 'MATCH_APF_QUEUE == "rest"')
