"""Which VMs leave first: the order of DESIGN's rule 7 and issue 5, as properties."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.lifecycle.retire_order import retire_order
from factory.model.actions import Remove, Retire
from factory.model.ask import Ask
from factory.model.memory import Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import VM, VMState
from tests.rig.vms import NOW, vm

KINDS = {VMState.SUBMITTED: 0, VMState.BOOTING: 1, VMState.IDLE: 2, VMState.JOINED: 2, VMState.BUSY: 3}
SPOT, ONDEMAND = "ami-1/m5.large/*/spot", "ami-1/m5.large/*/on-demand"


@st.composite
def fleets(draw: st.DrawFn) -> list[VM]:
    """VMs in whatever state, with few different values, so that ties are common."""
    few = st.sampled_from((NOW - 30, NOW - 20, NOW - 10))
    made = []
    for number in range(draw(st.integers(0, 12))):
        state = draw(st.sampled_from(list(VMState)))
        busy = state is VMState.BUSY
        made.append(
            vm(
                f"vm{number}", state, submitted=draw(few), shape=draw(st.sampled_from((SPOT, ONDEMAND))),
                idle_since=draw(few) if state in (VMState.IDLE, VMState.JOINED) else None,
                lease_end=draw(st.sampled_from((NOW + 100, NOW + 200))), claims=draw(st.integers(1, 3)) if busy else 0,
                evictable=busy and draw(st.booleans()),
            )
        )  # fmt: skip
    return made


@given(fleets(), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_is_one_of_all_vms_that_may_leave_however_they_come(
    fleet: list[VM], ondemand_first: bool, chance: random.Random
) -> None:
    order = retire_order(fleet, ondemand_first)
    assert sorted(v.uuid for v in order) == sorted(v.uuid for v in fleet if v.state in KINDS)
    mixed = list(fleet)
    chance.shuffle(mixed)
    assert retire_order(mixed, ondemand_first) == order


@given(fleets(), st.booleans())
def test_nobody_leaves_before_one_that_is_less_useful(fleet: list[VM], ondemand_first: bool) -> None:
    for first, then in pairwise(retire_order(fleet, ondemand_first)):
        assert then.evictable or not first.evictable, "whose job may be evicted goes last, whatever else"
        if first.evictable != then.evictable:
            continue
        assert KINDS[first.state] <= KINDS[then.state]
        if KINDS[first.state] != KINDS[then.state]:
            continue
        if ondemand_first:
            assert first.shape == ONDEMAND or then.shape == SPOT
            if first.shape != then.shape:
                continue
        match KINDS[first.state]:
            case 0 | 1:
                assert first.submitted >= then.submitted, "what was bought last"
            case 2:
                assert first.idle_since is not None
                assert then.idle_since is not None
                assert first.idle_since <= then.idle_since, "idle for longest"
            case 3:
                assert (first.lease_end or 0, first.claims) <= (then.lease_end or 0, then.claims), (
                    "whose lease ends first"
                )


@given(fleets(), st.integers(1, 14), st.lists(st.integers(0, 14), max_size=4, unique=True), st.booleans())
def test_those_named_leave_and_then_the_least_useful_of_the_others(
    fleet: list[VM], n: int, numbers: list[int], ondemand_first: bool
) -> None:
    named = tuple(f"vm{number}" for number in numbers)[:n]
    life = VMPolicy(queue="Q", shape=Shape("ami-1", "m5.large"), removefraction=1, ondemand_first=ondemand_first)
    batch = BatchStatus.of_vms(fleet)
    actions = plan(life, Ask(-n, victims=named), batch, Memory(), NOW).actions
    asked = [
        action.vm.uuid
        for action in actions
        if isinstance(action, Retire | Remove) and action.vm is not None and "not needed" in action.reason
    ]
    order = [v.uuid for v in retire_order(fleet, ondemand_first)]
    wanted = [uuid for uuid in named if uuid in order]
    others = [uuid for uuid in order if uuid not in named][: n - len(named)]
    limit = max(1, len(fleet))
    by_uuid = {v.uuid: v for v in fleet}
    assert asked == (wanted + others)[:limit]
    assert all(by_uuid[uuid].state is not VMState.BUSY or by_uuid[uuid].claims for uuid in asked)
