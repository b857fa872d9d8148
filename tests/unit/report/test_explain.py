"""What is said of a job and of a queue, for each thing that can be so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from factory.decide.chain import Blocked, Cause, Chain, run_chain
from factory.decide.decision import Decision
from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.model.demand import JobGroup, Limit, Machine, Room
from factory.model.job import JobFacts
from factory.model.matches import Match
from factory.model.memory import Breaker, Health, Memory, Seen, Waiting
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import VM, Drain, JobId, VMState
from factory.report.explain import explain_job, explain_queue, group_of, state_of
from plugins.sched.fit import Fit
from plugins.sched.maxtorun import MaxToRun
from tests.rig.chains import plugin
from tests.rig.fit import NOW, demand, group, machine, offer, share, view, vm

SHAPE = offer("m5.large", 2, 8_000)
NO = Match(ok=False, why="Requirements of the job: HasTape is false")
MAYBE = Match(ok=False, maybe=True, why="Requirements of the job: HasTape is undefined")

GROUP = replace(group("local#7#eve#", 1, 1000, 6, "eve"), requirements="true")


QUOTA = Breaker("quota", "InstanceLimitExceeded", NOW - 100, NOW + 500)
BROKEN = Memory(health={"Q": Health({str(SHAPE.shape): QUOTA})})
FALLEN = Memory(vms={vm(n, VMState.LOST).uuid: Seen(NOW - 900, NOW - 5) for n in (1, 2, 3)})


def back_again(number: int) -> VM:
    """A VM that drains and may be taken back."""
    draining = Drain("apf: not needed", ours=True)
    return vm(number, VMState.RETIRING, SHAPE, retire_time=NOW - 50, drain=draining, startd="x", retire_seen=True)


def facts(**changes: Any) -> JobFacts:
    job = JobFacts(JobId(5, 0), 1, "eve", "", 7, 5, "true", GROUP.ask, None, None, frozenset(), "local")
    return replace(job, **changes)


def decision(
    groups: Sequence[JobGroup] = (GROUP,),
    machines: Sequence[Machine] = (),
    vms: Iterable[VM] = (),
    no: Mapping[tuple[str, str], Match] | None = None,
    limits: tuple[Limit, ...] = (),
    excluded: Mapping[str, int] | None = None,
    waiting: Mapping[str, Waiting] | None = None,
    maximum: int = 100,
    blocked: str | None = None,
    memory: Memory | None = None,
    closed: str | None = None,
    covered: Mapping[str, int] | None = None,
    **life: Any,
) -> Decision:
    vms = tuple(vms)
    wanted = replace(
        demand(groups, machines, [SHAPE], no), limits=limits, excluded=excluded or {}
    )  # fmt: skip
    seen = replace(share(wanted, [SHAPE], vms, waiting=waiting, closed=closed), covered=covered or {})
    chain = run_chain([plugin(Fit), plugin(MaxToRun, maximum=maximum)], view(seen, vms))
    chain = chain if blocked is None else Chain(blocked=Blocked(Cause.UNKNOWN, blocked))
    batch = BatchStatus.of_vms(vms)
    made = plan(VMPolicy(queue="Q", shape=SHAPE.shape, **life), chain.ask, batch, memory or Memory(), NOW)
    work = WmsStatus(ready=6, demand=wanted)
    return Decision("Q", chain, made.actions, made.notes, work, batch, health=made.health)


KEY = GROUP.key
STUCK = Waiting(NOW - 9999, 6, stuck="free machines that fit stayed unused for 300 s", stuck_since=NOW - 60)


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
        ["one of 6 idle jobs that ask for the same: 1 core", "machines for 6 of them are bought now: 3 × m5.large"],
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
        ["room that fits 6 of them stands free on 1 machine in the pool: slot1@a"],
        ["bought", "on their way"],
    ),
    (
        "free in part, coming in part",
        decision([replace(GROUP, count=9)], [machine("slot1@a", 3, 32_000)], [vm(1, VMState.BOOTING, SHAPE)]),
        [
            "one of 9 idle jobs",
            "room that fits 3 of them stands free on 1 machine in the pool: slot1@a",
            "2 of them wait for machines on their way, VM jobs 1.1",
            "machines for 4 of them are bought now: 2 × m5.large",
        ],
        [],
    ),
    (
        "coming",
        decision(vms=[vm(n, VMState.BOOTING, SHAPE) for n in (1, 2, 3)]),
        ["6 of them wait for machines on their way, VM jobs 1.1 (m5.large, booting), 1.2"],
        ["bought"],
    ),
    (
        "coming, and of no use",
        decision(vms=[vm(1, VMState.BOOTING, SHAPE)], no={(KEY, "m5.large"): NO}),
        ["HasTape is false"],
        ["VM jobs"],
    ),
    (
        "another queue's",
        decision(covered={KEY: 6}),
        ["6 of them wait for machines on their way of other queues, or that these buy now"],
        ["bought", "nothing"],
    ),
    (
        "nothing is left",
        decision(closed="queue CHEAP comes first and is blocked: no answer"),
        ["nothing is bought for 6 of them: Fit: ", "queue CHEAP comes first and is blocked: no answer"],
        ["on their way"],
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
        ["m5.large/*/on-demand: matches, and has not the room for 1 core, 64000 MB of memory"],
        ["are bought now"],
    ),
    (
        "maybe",
        decision(no={(KEY, "m5.large"): MAYBE}),
        ["only a running machine can tell whether they fit; one is tried at a time", "HasTape is undefined"],
        ["no machine that this queue may buy"],
    ),
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
            "stuck, nothing is bought for them but a machine an hour to see: "
            "free machines that fit stayed unused for 300 s",
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
    (
        "at the hard cap",
        decision(maxinstances=1),
        ["machines for 2 of them are bought now: 1 ×", "4 more would be bought, but maxinstances = 1: 0 VMs exist"],
        ["MaxToRun"],
    ),
    (
        "taken back",
        decision(vms=[back_again(1), back_again(2)]),
        ["machines for 6 of them are bought or taken back now: 3 × m5.large"],
        [],
    ),
    ("unknown", replace(decision(), wms=Unknown("no answer")), ["blocked: no answer"], ["one of"]),
    (
        "blocked",
        replace(decision(), chain=Chain(blocked=Blocked(Cause.PAUSED, "paused by bob"))),
        ["one of 6", "blocked: paused by bob"],
        ["bought"],
    ),
    (
        "counted",
        replace(decision(), wms=WmsStatus(ready=6)),
        ["counts jobs and does not look at each: Fit: 6 jobs are waiting", "the queue buys 3"],
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


def test_a_job_that_is_left_out_is_told_why_and_nothing_of_others() -> None:
    made = decision(
        [group("local#8#bob#", 1, 1, 1, "bob")], excluded={"deferred": 3, "managed outside the schedd (routed)": 8}
    )
    said = list(explain_job(facts(left_out="deferred"), made))
    assert said == ["is not among the jobs that can run on a machine now: it is deferred"]


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


def test_a_job_is_found_in_a_group_of_its_own_schedd() -> None:
    """Each schedd numbers its autoclusters itself."""
    other = replace(GROUP, key="schedd other 0123456789ab#7#eve#", ask=Room(2, 1))
    groups = demand([other, GROUP])
    assert group_of(facts(), groups) is GROUP
    assert group_of(facts(schedd="schedd other"), groups) is other
    assert group_of(facts(schedd="schedd oth"), groups) is None


def test_a_job_is_found_in_the_group_that_says_the_same_of_what_machines_refer_to() -> None:
    red, blue = (replace(GROUP, key=f"{KEY}#{each}", referenced=(("colour", f'"{each}"'),)) for each in ("red", "blue"))
    none = replace(GROUP, key=f"{KEY}#none", referenced=(("colour", "undefined"),))
    groups = demand([red, none, blue])
    for autocluster in (7, None):
        assert group_of(facts(autocluster=autocluster, attributes={"colour": '"blue"'}), groups) is blue
        assert group_of(facts(autocluster=autocluster), groups) is none


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (decision(), ["buys 3", "not one fewer: 2 waiting jobs", "not one more: every job that a machine of this"]),
        (decision(maximum=1), ["buys 1", "not one more: MaxToRun stands in the way (room for 1 of 1)"]),
        (decision([]), ["neither buys nor retires", "not one more: no waiting job needs one that this queue can buy"]),
        (
            decision(blocked="no data"),
            ["neither buys nor retires", "blocked, so that the chain asks for nothing: no data"],
        ),
    ],
)
def test_a_queue_says_why_so_many(made: Decision, said: list[str]) -> None:
    text = "\n".join(explain_queue(made, NOW))
    for words in said:
        assert words in text


LEASE_ENDS = vm(1, VMState.BUSY, SHAPE, claims=1, lease_end=NOW + 60, startd="x", slots=("slot1@x",))

DONE: list[tuple[str, Decision, list[str], list[str]]] = [
    (
        "at the hard cap",
        decision(maxinstances=0),
        [
            "neither buys nor retires",
            "MaxToRun: 3 → 3",
            "note: maxinstances = 0: 0 VMs exist, room for 0 of 3",
            "not one more: maxinstances = 0",
        ],
        ["buys 3", "not one fewer"],
    ),
    (
        "a lease ends in a hold",
        decision(vms=[LEASE_ENDS], blocked="schedd: no answer", drain_before_s=600),
        [
            "retires 1\nblocked, so that the chain asks for nothing: schedd: no answer",
            "retire VM vm00001 (job 1.1): its lease ends in 60 s",
        ],
        ["nothing is bought or retired", "not one"],
    ),
    (
        "bought and taken back",
        decision(vms=[back_again(1)]),
        [
            "buys 2, takes 1 back",
            "unretire VM vm00001 (job 1.1): wanted again",
            "submit 2 × ami-1/m5.large/*/on-demand: ",
        ],
        [],
    ),
    (
        "a breaker",
        decision(memory=BROKEN),
        [
            "neither buys nor retires",
            "note: 0 of 3 ami-1/m5.large/*/on-demand bought. quota: InstanceLimitExceeded; tried again in 500 s",
            "not one more: 0 of 3 ami-1/m5.large/*/on-demand bought. quota",
        ],
        ["buys 3", "nothing is bought"],
    ),
    (
        "a breaker where nothing is asked for",
        decision([], memory=BROKEN),
        ["ami-1/m5.large/*/on-demand: nothing is bought: quota: InstanceLimitExceeded"],
        [],
    ),
    (
        "a canary",
        decision(builds={str(SHAPE.shape): "b"}),
        ["buys 1", "1 of 3 bought. canary", "ami-1 is new: one machine first; no machine yet", "not one more: 1 of 3"],
        [],
    ),
    (
        "a sudden fall",
        decision(vms=[vm(n, VMState.LOST, SHAPE, instance=f"i-{n}") for n in (1, 2, 3)], memory=FALLEN),
        ["neither buys nor retires", "note: 3 of 3 startds left unasked within 60 s"],
        ["buys 3"],
    ),
    (
        "one that is asked to leave again",
        decision([], vms=[replace(back_again(1), drain=None, retire_seen=False)]),
        ["neither buys nor retires", "retire VM vm00001 (job 1.1): asked to retire, shows no sign of it"],
        [],
    ),
]


@pytest.mark.parametrize(("made", "said", "not_said"), [case[1:] for case in DONE], ids=[case[0] for case in DONE])
def test_a_queue_says_what_is_done_and_to_which_machine_and_why(
    made: Decision, said: list[str], not_said: list[str]
) -> None:
    """Rule 13."""
    text = "\n".join(explain_queue(made, NOW))
    for words in said:
        assert words in text
    for words in not_said:
        assert words not in text
