"""Explanations of jobs and queues, one case for each thing that can be true of them."""

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
    """Return a draining VM that can be unretired."""
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
    **policy: Any,
) -> Decision:
    vms = tuple(vms)
    wanted = replace(
        demand(groups, machines, [SHAPE], no), limits=limits, excluded=excluded or {}
    )  # fmt: skip
    seen = replace(share(wanted, [SHAPE], vms, waiting=waiting, closed=closed), covered=covered or {})
    chain = run_chain([plugin(Fit), plugin(MaxToRun, maximum=maximum)], view(seen, vms))
    chain = chain if blocked is None else Chain(blocked=Blocked(Cause.UNKNOWN, blocked))
    batch = BatchStatus.of_vms(vms)
    made = plan(VMPolicy(queue="Q", shape=SHAPE.shape, **policy), chain.ask, batch, memory or Memory(), NOW)
    work = WmsStatus(ready=6, demand=wanted)
    return Decision("Q", chain, made.actions, made.notes, work, batch, health=made.health)


KEY = GROUP.key
STUCK = Waiting(NOW - 9999, 6, stuck="free machines that fit stayed unused for 300 s", stuck_since=NOW - 60)


@pytest.mark.parametrize(
    ("status", "fields", "state"),
    [
        (1, {}, None),
        (2, {"remote_host": "slot1@vm"}, "is running on slot1@vm"),
        (5, {"hold_reason": "no input"}, "is held: no input"),
        (4, {}, "has completed"),
        (9, {}, "has JobStatus 9"),
    ],
)
def test_state_of_a_job_that_is_not_idle(status: int, fields: dict[str, str], state: str | None) -> None:
    assert state_of(facts(status=status, **fields)) == state


CASES: list[tuple[str, Decision, list[str], list[str]]] = [
    (
        "bought",
        decision(),
        ["one of 6 idle jobs that request 1 core, 1000 MB of memory", "buys 3 × m5.large now, for 6 of them"],
        ["stuck", "free room", "starting"],
    ),
    (
        "capped",
        decision(maximum=1),
        ["buys 1 × m5.large now, for 2 of them", "buys no machine for 4 more of them: capped by MaxToRun (room for"],
        [],
    ),
    (
        "free",
        decision(machines=[machine("slot1@a", 8, 32_000)]),
        ["6 of them fit free room on 1 machine in the pool: slot1@a"],
        ["buys", "bought", "starting"],
    ),
    (
        "asleep",
        decision(machines=[machine("slot1@a", 8, 32_000, offline=True), machine("slot1@b", 0, 0, offline=True)]),
        [
            "1 machine that would fit is asleep (Offline = true) and no free room: slot1@a",
            "buys 3 × m5.large now, for 6 of them",
        ],
        ["6 of them fit free room", "slot1@b"],
    ),
    (
        "free in part, coming in part",
        decision([replace(GROUP, count=9)], [machine("slot1@a", 3, 32_000)], [vm(1, VMState.BOOTING, SHAPE)]),
        [
            "one of 9 idle jobs",
            "3 of them fit free room on 1 machine in the pool: slot1@a",
            "2 of them fit VMs that are starting: 1.1",
            "buys 2 × m5.large now, for 4 of them",
        ],
        [],
    ),
    (
        "coming",
        decision(vms=[vm(n, VMState.BOOTING, SHAPE) for n in (1, 2, 3)]),
        ["6 of them fit VMs that are starting: 1.1 (m5.large, booting), 1.2"],
        ["buys", "bought"],
    ),
    (
        "coming, but does not match",
        decision(vms=[vm(1, VMState.BOOTING, SHAPE)], no={(KEY, "m5.large"): NO}),
        ["HasTape is false"],
        ["starting"],
    ),
    (
        "another queue's",
        decision(covered={KEY: 6}),
        ["6 of them fit VMs of other queues that are starting or bought now"],
        ["buys", "nothing"],
    ),
    (
        "nothing is left",
        decision(closed="queue CHEAP comes first and is blocked: no answer"),
        ["nothing is bought for 6 of them: Fit: ", "queue CHEAP comes first and is blocked: no answer"],
        ["VMs that are starting", "VMs of other queues"],
    ),
    (
        "impossible",
        decision(no={(KEY, "m5.large"): NO}),
        ["HasTape is false", "nothing is bought for it: no shape of this queue serves it"],
        [" now"],
    ),
    (
        "too large",
        decision([replace(GROUP, ask=Room(1, 64_000, 1000))]),
        ["m5.large/*/on-demand: matches, but is too small for 1 core, 64000 MB of memory"],
        [" now"],
    ),
    (
        "maybe",
        decision(no={(KEY, "m5.large"): MAYBE}),
        ["only a running machine can show if they fit; one machine is tried at a time", "HasTape is undefined"],
        ["no shape of this queue"],
    ),
    (
        "limited",
        decision(limits=(Limit("quota of physics, 2 of 2 cores in use", 2, {KEY: 1}),)),
        [
            "4 of them exceed the quota of physics, 2 of 2 cores in use; more machines would not start them",
            "buys 1 × m5.large now, for 2 of them",
        ],
        [],
    ),
    (
        "stuck",
        decision([replace(GROUP, reject_reason="submitter limit exceeded")], waiting={KEY: STUCK}),
        [
            "stuck: free machines that fit stayed unused for 300 s; one machine per hour is bought as a probe",
            "last reason of the negotiator: submitter limit exceeded",
        ],
        [" now", "starting"],
    ),
    (
        "probed",
        decision(waiting={KEY: replace(STUCK, stuck_since=NOW - 3600)}),
        ["stuck: ", "buys the probe now: 1 × m5.large"],
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
        ["not among the waiting jobs that the last poll counted", "3 idle jobs are left out: deferred"],
        ["one of"],
    ),
    (
        "at the hard cap",
        decision(maxinstances=1),
        ["buys 1 × m5.large now, for 2 of them", "no machine for 4 more of them: maxinstances = 1: 0 VMs exist"],
        ["MaxToRun"],
    ),
    (
        "unretired",
        decision(vms=[back_again(1), back_again(2)]),
        ["buys or unretires 3 × m5.large now, for 6 of them"],
        [],
    ),
    ("unknown", replace(decision(), wms=Unknown("no answer")), ["blocked: no answer"], ["one of"]),
    (
        "blocked",
        replace(decision(), chain=Chain(blocked=Blocked(Cause.PAUSED, "paused by bob"))),
        ["one of 6", "blocked: paused by bob"],
        ["buys"],
    ),
    (
        "counted",
        replace(decision(), wms=WmsStatus(ready=6)),
        ["the chain counts jobs", "with machines: Fit: 6 jobs are waiting", "the queue buys 3"],
        ["one of"],
    ),
]


@pytest.mark.parametrize(("made", "present", "absent"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_explains_an_idle_job(made: Decision, present: list[str], absent: list[str]) -> None:
    text = "\n".join(explain_job(facts(ask=_ask(made)), made))
    for words in present:
        assert words in text
    for words in absent:
        assert words not in text


def test_explains_why_a_job_is_left_out() -> None:
    made = decision(
        [group("local#8#bob#", 1, 1, 1, "bob")], excluded={"deferred": 3, "managed outside the schedd (routed)": 8}
    )
    lines = list(explain_job(facts(left_out="deferred"), made))
    assert lines == ["left out of the waiting jobs: it is deferred"]


def _ask(made: Decision) -> Room:
    return next(iter(made.wms.demand.groups)).ask if isinstance(made.wms, WmsStatus) and made.wms.demand else GROUP.ask


def test_finds_the_group_of_a_job_by_autocluster_then_by_request() -> None:
    other = replace(GROUP, key="local#8#eve#", ask=Room(2, 1))
    foreign = replace(GROUP, key="local#7#bob#", owner="bob")
    groups = demand([foreign, other, GROUP])
    assert group_of(facts(), groups) is GROUP
    assert group_of(facts(autocluster=8), groups) is other
    assert group_of(facts(autocluster=None), groups) is GROUP
    assert group_of(facts(owner="mallory"), groups) is None


def test_finds_the_group_of_a_job_on_its_own_schedd() -> None:
    """Each schedd numbers its own autoclusters."""
    other = replace(GROUP, key="schedd other 0123456789ab#7#eve#", ask=Room(2, 1))
    groups = demand([other, GROUP])
    assert group_of(facts(), groups) is GROUP
    assert group_of(facts(schedd="schedd other"), groups) is other
    assert group_of(facts(schedd="schedd oth"), groups) is None


def test_finds_the_group_with_the_same_machine_related_attributes() -> None:
    red, blue = (replace(GROUP, key=f"{KEY}#{each}", referenced=(("colour", f'"{each}"'),)) for each in ("red", "blue"))
    none = replace(GROUP, key=f"{KEY}#none", referenced=(("colour", "undefined"),))
    groups = demand([red, none, blue])
    for autocluster in (7, None):
        assert group_of(facts(autocluster=autocluster, attributes={"colour": '"blue"'}), groups) is blue
        assert group_of(facts(autocluster=autocluster), groups) is none


@pytest.mark.parametrize(
    ("made", "present"),
    [
        (decision(), ["buys 3", "not one fewer: 2 waiting jobs", "not one more: all waiting jobs that this queue can"]),
        (decision([replace(GROUP, count=1)]), ["buys 1", "not one fewer: 1 waiting job would have no machine"]),
        (decision(maximum=1), ["buys 1", "not one more: capped by MaxToRun (room for 1 of 1)"]),
        (decision([]), ["neither buys nor retires", "not one more: no waiting job needs a machine of this queue"]),
        (decision(blocked="no data"), ["neither buys nor retires", "blocked: no data"]),
    ],
)
def test_explains_the_number_of_vms_that_a_queue_buys(made: Decision, present: list[str]) -> None:
    text = "\n".join(explain_queue(made, NOW))
    for words in present:
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
        "a lease ends while blocked",
        decision(vms=[LEASE_ENDS], blocked="schedd: no answer", drain_before_s=600),
        [
            "retires 1\nblocked: schedd: no answer",
            "retire VM vm00001 (job 1.1): lease ends in 60 s",
        ],
        ["nothing is bought or retired", "not one"],
    ),
    (
        "bought and unretired",
        decision(vms=[back_again(1)]),
        [
            "buys 2, unretires 1",
            "unretire VM vm00001 (job 1.1): needed again",
            "submit 2 × ami-1/m5.large/*/on-demand: ",
        ],
        [],
    ),
    (
        "a breaker",
        decision(memory=BROKEN),
        [
            "neither buys nor retires",
            "note: 0 of 3 bought of ami-1/m5.large/*/on-demand: quota: InstanceLimitExceeded; next try in 500 s",
            "not one more: 0 of 3 bought of ami-1/m5.large/*/on-demand: quota",
        ],
        ["buys 3", "nothing is bought"],
    ),
    (
        "a breaker where nothing is asked for",
        decision([], memory=BROKEN),
        ["ami-1/m5.large/*/on-demand: buys nothing (quota: InstanceLimitExceeded"],
        [],
    ),
    (
        "a canary",
        decision(builds={str(SHAPE.shape): "b"}),
        ["buys 1", "1 of 3 bought; canary", "canary ami-1: one VM first; none bought yet", "not one more: 1 of 3"],
        [],
    ),
    (
        "mass loss",
        decision(vms=[vm(n, VMState.LOST, SHAPE, instance=f"i-{n}") for n in (1, 2, 3)], memory=FALLEN),
        ["neither buys nor retires", "note: 3 of 3 startds disappeared within 60 s"],
        ["buys 3"],
    ),
    (
        "a repeated command",
        decision([], vms=[replace(back_again(1), drain=None, retire_seen=False)]),
        ["neither buys nor retires", "retire VM vm00001 (job 1.1): asked to retire; its ads do not show it yet"],
        [],
    ),
]


@pytest.mark.parametrize(("made", "present", "absent"), [case[1:] for case in DONE], ids=[case[0] for case in DONE])
def test_explains_each_action_of_a_queue(made: Decision, present: list[str], absent: list[str]) -> None:
    """Rule 13."""
    text = "\n".join(explain_queue(made, NOW))
    for words in present:
        assert words in text
    for words in absent:
        assert words not in text
