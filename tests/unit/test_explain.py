"""What is said of a job and of a queue, for each thing that can be so."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from factory.chain import run_chain
from factory.condor.job import JobFacts
from factory.decide import Decision
from factory.explain import explain_job, explain_queue, group_of, state_of
from factory.fit.known import memory_of, memory_report
from factory.fit.memory import FitMemory
from factory.fit.model import JobGroup, Limit, Machine, Match, Room
from factory.fit.waiting import Backoff, Waiting
from factory.model import VM, BatchStatus, Chain, JobId, Unknown, VMState, WmsStatus
from plugins.sched.fit import Fit
from plugins.sched.maxtorun import MaxToRun
from tests.rig.chains import plugin
from tests.rig.fit import NOW, demand, group, machine, offer, share, view, vm

SHAPE = offer("m5.large", 2, 8_000)
NO = Match(ok=False, why="Requirements of the job: HasTape is false")
MAYBE = Match(ok=False, maybe=True, why="Requirements of the job: HasTape is undefined")

GROUP = replace(group("local#7#eve#", 1, 1000, 6, "eve"), requirements="true")


def facts(**changes: Any) -> JobFacts:
    job = JobFacts(JobId(5, 0), 1, "eve", "", 7, 5, "true", GROUP.ask, None, None, frozenset())
    return replace(job, **changes)


def decision(
    groups: Sequence[JobGroup] = (GROUP,),
    machines: Sequence[Machine] = (),
    vms: Iterable[VM] = (),
    no: Mapping[tuple[str, str], Match] | None = None,
    saturated: str | None = None,
    limits: tuple[Limit, ...] = (),
    excluded: Mapping[str, int] | None = None,
    waiting: Mapping[str, Waiting] | None = None,
    maximum: int = 100,
) -> Decision:
    vms = tuple(vms)
    wanted = replace(
        demand(groups, machines, [SHAPE], no, saturated), limits=limits, excluded=excluded or {}
    )  # fmt: skip
    seen = share(wanted, [SHAPE], vms, waiting=waiting)
    chain = run_chain([plugin(Fit), plugin(MaxToRun, maximum=maximum)], view(seen, vms))
    return Decision("Q", chain, wms=WmsStatus(ready=6, demand=wanted), batch=BatchStatus.of_vms(vms))


KEY = GROUP.key
STUCK = Waiting(NOW - 9999, 6, stuck="room that fits stood free for 300 s", stuck_since=NOW - 60)


@pytest.mark.parametrize(
    ("status", "more", "said"),
    [
        (1, {}, None),
        (2, {"remote_host": "slot1@vm"}, "runs on slot1@vm"),
        (5, {"hold_reason": "no input"}, "is held: no input"),
        (4, {}, "has completed"),
        (9, {}, "has JobStatus 9"),
    ],
)
def test_what_is_not_idle_needs_nothing(status: int, more: dict[str, str], said: str | None) -> None:
    assert state_of(facts(status=status, **more)) == said


CASES: list[tuple[str, Decision, list[str], list[str]]] = [
    (
        "bought",
        decision(),
        ["one of 6 idle jobs that ask for the same: 1 cores", "machines for 6 of them are bought now: 3 × m5.large"],
        ["stuck", "stands free", "on their way"],
    ),
    (
        "capped",
        decision(maximum=1),
        ["machines for 2 of them are bought", "machines for 4 more would be bought, but MaxToRun stands in the way"],
        [],
    ),
    (
        "free",
        decision(machines=[machine("slot1@a", 8, 32_000)]),
        ["room that fits stands free on 1 machines in the pool: slot1@a"],
        ["bought"],
    ),
    (
        "coming",
        decision(vms=[vm(n, VMState.BOOTING, SHAPE) for n in (1, 2, 3)]),
        ["6 of them wait for machines on their way, VM jobs 1.1 (m5.large, booting), 1.2"],
        ["bought"],
    ),
    (
        "impossible",
        decision(no={(KEY, "m5.large"): NO}),
        ["HasTape is false", "no machine that this queue may buy can serve it: nothing is bought for it"],
        ["are bought now"],
    ),
    (
        "too large",
        decision([replace(GROUP, ask=Room(1, 64_000, 1000))]),
        ["m5.large/*/on-demand: matches, and has not the room for 1 cores, 64000 MB of memory"],
        ["are bought now"],
    ),
    (
        "maybe",
        decision(no={(KEY, "m5.large"): MAYBE}),
        ["only a running machine can tell whether they fit; one is tried at a time", "HasTape is undefined"],
        ["no machine that this queue may buy"],
    ),
    ("saturated", decision(saturated="s is full"), ["nothing is bought: s is full"], ["are bought now"]),
    (
        "limited",
        decision(limits=(Limit("quota of physics, 2 of 2 cores in use", 2, {KEY: 1}),)),
        [
            "4 of them would not start whatever room there is: beyond the quota of physics, 2 of 2 cores in use",
            "machines for 2 of them are bought now",
        ],
        [],
    ),
    (
        "stuck",
        decision([replace(GROUP, reject_reason="submitter limit exceeded")], waiting={KEY: STUCK}),
        [
            "stuck, nothing is bought for them but a machine an hour to see: room that fits stood free for 300 s",
            "the negotiator said last: submitter limit exceeded",
        ],
        ["are bought now", "on their way", "this machine is bought now"],
    ),
    (
        "probed",
        decision(waiting={KEY: replace(STUCK, stuck_since=NOW - 3600)}),
        ["stuck, nothing", "this machine is bought now: 1 × m5.large"],
        [],
    ),
    (
        "problem",
        decision([replace(GROUP, problem="RequestMemory = Undef can't be evaluated")]),
        ["nothing is bought for it: RequestMemory = Undef can't be evaluated"],
        [],
    ),
    (
        "no group",
        decision([group("local#8#bob#", 1, 1, 1, "bob")], excluded={"deferred": 3}),
        ["is not among the jobs that can run on a machine now", "3 idle jobs are left out: deferred"],
        ["one of"],
    ),
    ("unknown", replace(decision(), wms=Unknown("no answer")), ["holds: no answer"], ["one of"]),
    ("hold", replace(decision(), chain=Chain(hold="paused by bob")), ["one of 6", "holds: paused by bob"], ["bought"]),
    (
        "counted",
        replace(decision(), wms=WmsStatus(ready=6)),
        ["counts jobs and does not look at each: Fit: 6 jobs wait"],
        ["one of"],
    ),
]


@pytest.mark.parametrize(("made", "said", "not_said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_job_is_told_what_is_true_of_it(made: Decision, said: list[str], not_said: list[str]) -> None:
    text = "\n".join(explain_job(facts(ask=_ask(made)), made))
    for words in said:
        assert words in text
    for words in not_said:
        assert words not in text


def _ask(made: Decision) -> Room:
    return next(iter(made.wms.demand.groups)).ask if isinstance(made.wms, WmsStatus) and made.wms.demand else GROUP.ask


def test_a_job_is_found_in_the_group_of_its_autocluster_or_of_those_that_ask_for_the_same() -> None:
    other = replace(GROUP, key="local#8#eve#", ask=Room(2, 1))
    foreign = replace(GROUP, key="local#7#bob#", owner="bob")
    groups = demand([foreign, other, GROUP])
    assert group_of(facts(), groups) is GROUP
    assert group_of(facts(autocluster=8), groups) is other
    assert group_of(facts(autocluster=None), groups) is GROUP
    assert group_of(facts(owner="mallory"), groups) is None


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (decision(), ["buys 3", "not one fewer: 2 waiting jobs", "not one more: every job that a machine of this"]),
        (decision(maximum=1), ["buys 1", "not one more: MaxToRun stands in the way (room for 1 of 1)"]),
        (decision([]), ["neither buys nor retires", "not one more: no waiting job would run on it"]),
        (replace(decision(), chain=Chain(hold="no data")), ["holds, so that nothing is bought or retired: no data"]),
    ],
)
def test_a_queue_says_why_so_many(made: Decision, said: list[str]) -> None:
    text = "\n".join(explain_queue(made))
    for words in said:
        assert words in text


def test_what_a_factory_remembers_travels_through_its_status() -> None:
    seen = replace(STUCK, machines=frozenset({"b", "a"}))
    memory = FitMemory(
        waiting={KEY: seen, "fine": Waiting(NOW, 3)},
        rooms={"ami-1/m5.large/*/on-demand": Room(2, 7_800, 9, 0)},
        backoff={"Q": Backoff(NOW + 900, 1)},
    )
    again = memory_of(json.loads(json.dumps(memory_report(memory))))
    assert again == replace(memory, waiting={KEY: seen})
    for wrong in ({}, {"stuck": {KEY: {"since": 1}}, "rooms": {}, "backoff": {}}, {"stuck": [], "rooms": 3}):
        with pytest.raises(ValueError, match="no memory of a factory of this version"):
            memory_of(wrong)
