"""Properties of the order in which VMs retire."""

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
    """Draw VMs in any state, with few different values, so that ties are common."""
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
def test_order_holds_all_vms_that_may_retire_in_any_input_order(
    fleet: list[VM], ondemand_first: bool, chance: random.Random
) -> None:
    order = retire_order(fleet, ondemand_first)
    assert sorted(v.uuid for v in order) == sorted(v.uuid for v in fleet if v.state in KINDS)
    mixed = list(fleet)
    chance.shuffle(mixed)
    assert retire_order(mixed, ondemand_first) == order


@given(fleets(), st.booleans())
def test_each_vm_retires_after_all_less_useful_ones(fleet: list[VM], ondemand_first: bool) -> None:
    for first, then in pairwise(retire_order(fleet, ondemand_first)):
        assert then.evictable or not first.evictable, "a VM with an evictable job retires last"
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
                assert first.submitted >= then.submitted, "newest first"
            case 2:
                assert first.idle_since is not None
                assert then.idle_since is not None
                assert first.idle_since <= then.idle_since, "longest idle first"
            case 3:
                assert (first.lease_end or 0, first.claims) <= (then.lease_end or 0, then.claims), (
                    "earliest lease end first"
                )


@given(fleets(), st.integers(1, 14), st.lists(st.integers(0, 14), max_size=4, unique=True), st.booleans())
def test_retires_victims_then_the_least_useful_others(
    fleet: list[VM], n: int, numbers: list[int], ondemand_first: bool
) -> None:
    named = tuple(f"vm{number}" for number in numbers)[:n]
    policy = VMPolicy(queue="Q", shape=Shape("ami-1", "m5.large"), removefraction=1, ondemand_first=ondemand_first)
    batch = BatchStatus.of_vms(fleet)
    actions = plan(policy, Ask(-n, victims=named), batch, Memory(), NOW).actions
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
