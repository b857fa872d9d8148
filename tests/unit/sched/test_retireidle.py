"""RetireIdle names the VMs that have been unclaimed for long, longest idle first."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.decide.chain import run_chain
from factory.model.ask import Ask
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import VM, JobId, VMState
from factory.plugin.sched import AskPlugin
from plugins.sched.maxpercycle import MaxPerCycle
from plugins.sched.maxtorun import MaxToRun
from plugins.sched.minpercycle import MinPerCycle
from plugins.sched.retireidle import RetireIdle
from tests.rig.chains import plugin, view

NOW = 1_000_000.0


def vm(uuid: str, idle_s: float | None, state: VMState = VMState.IDLE) -> VM:
    """Return a VM that has been idle for ``idle_s``; None: unknown."""
    since = None if idle_s is None else NOW - idle_s
    return VM(uuid=uuid, queue="Q", job=JobId(1, 0), state=state, why="", idle_since=since)


def retireidle(after: int = 900, keep: int = 0) -> AskPlugin:
    step = plugin(RetireIdle, after=after, keep=keep)
    assert isinstance(step, AskPlugin)
    return step


def asked(step: AskPlugin, ask: Ask, *vms: VM) -> tuple[Ask, str]:
    answer = step.step_ask(ask, view(batch=BatchStatus.of_vms(vms), now=NOW))
    return answer.ask, answer.reason


LONG, LONGER, SHORT = vm("long", 901), vm("longer", 5000), vm("short", 60)


def test_names_vms_idle_for_long_longest_first() -> None:
    ask, reason = asked(retireidle(), Ask(0), LONG, SHORT, LONGER)
    assert ask == Ask(-2, victims=("longer", "long"))
    assert reason == "2 of 3 unclaimed VMs retire (after 900 s)"


def test_retires_a_joined_vm_that_was_never_claimed() -> None:
    ask, _ = asked(retireidle(), Ask(0), replace(LONG, state=VMState.JOINED))
    assert ask.victims == ("long",)


def test_retires_exactly_at_the_configured_time() -> None:
    assert asked(retireidle(), Ask(0), vm("a", 900))[0].n == -1
    assert asked(retireidle(), Ask(0), vm("a", 899.9))[0].n == 0


def test_names_no_vm_while_the_chain_adds_machines() -> None:
    ask = Ask(2, shapes=(Shape("ami", "m5.large"),))
    answer, reason = asked(retireidle(), ask, LONG)
    assert answer is ask
    assert reason == "no VM retires while the chain adds 2"


def test_keeps_those_that_became_idle_last() -> None:
    ask, reason = asked(retireidle(keep=1), Ask(0), LONG, LONGER)
    assert ask.victims == ("longer",)
    assert reason == "1 of 2 unclaimed VMs retires (after 900 s, keep 1)"
    assert asked(retireidle(keep=1), Ask(0), LONG, SHORT, LONGER)[0].victims == ("longer", "long")
    assert asked(retireidle(keep=2), Ask(0), LONG, LONGER)[0] == Ask(0)


def test_retires_at_least_the_number_asked_for_idle_first() -> None:
    assert asked(retireidle(), Ask(-5), LONG, LONGER)[0] == Ask(-5, victims=("longer", "long"))
    assert asked(retireidle(), Ask(-1), LONG, LONGER)[0] == Ask(-2, victims=("longer", "long"))


def test_victims_of_an_earlier_plugin_come_first_and_once() -> None:
    ask = Ask(-2, victims=("busy", "long"))
    assert asked(retireidle(), ask, LONG, LONGER)[0] == Ask(-3, victims=("busy", "long", "longer"))


@pytest.mark.parametrize("state", sorted(set(VMState) - {VMState.IDLE, VMState.JOINED}, key=str))
def test_names_only_vms_in_state_idle_or_joined(state: VMState) -> None:
    assert asked(retireidle(), Ask(0), replace(LONG, state=state)) == (Ask(0), "no VM is unclaimed")


@pytest.mark.parametrize(
    "other",
    [
        vm("a", None),
        replace(LONG, retire_time=NOW - 10),
        replace(LONG, retire_seen=True),
        replace(LONG, claims=1),
    ],
    ids=["idle since unknown", "asked to retire", "seen retiring", "claimed"],
)
def test_never_names_a_retiring_or_claimed_vm(other: VM) -> None:
    assert asked(retireidle(), Ask(0), other) == (Ask(0), "no VM is unclaimed")


def test_unretired_vm_can_be_named_again() -> None:
    back = replace(LONG, retire_time=NOW - 5000, unretire_time=NOW - 4000)
    assert asked(retireidle(), Ask(0), back)[0].victims == ("long",)


def test_later_plugins_cut_victims_from_the_end() -> None:
    seen = view(batch=BatchStatus.of_vms((LONG, SHORT, LONGER)), now=NOW)
    result = run_chain((retireidle(), plugin(MinPerCycle, minimum=-1)), seen)
    assert result.ask == Ask(-1, victims=("longer",))
    assert run_chain((retireidle(), plugin(MaxPerCycle, maximum=-3)), seen).ask == Ask(-3, victims=("longer", "long"))


def test_overfull_queue_retires_idle_vms_first() -> None:
    vms = (LONG, SHORT, LONGER, *(vm(f"b{n}", None, VMState.BUSY) for n in range(7)))
    seen = view(batch=BatchStatus.of_vms(vms), now=NOW)
    result = run_chain((plugin(MaxToRun, maximum=6), retireidle()), seen)
    assert result.ask == Ask(-4, victims=("longer", "long"))


def test_does_nothing_without_vms() -> None:
    assert asked(retireidle(), Ask(0)) == (Ask(0), "no VM is unclaimed")
    assert asked(retireidle(), Ask(-3)) == (Ask(-3), "no VM is unclaimed")


VMS = st.lists(
    st.builds(
        lambda number, state, idle_s, retire_s, claims: replace(
            vm(str(number), idle_s, state), retire_time=retire_s, claims=claims
        ),
        st.integers(0, 10**6),
        st.sampled_from(VMState),
        st.none() | st.floats(-100, 10**6),
        st.none() | st.floats(1, NOW),  # an APFRetireTime of 0 counts as none
        st.integers(0, 2),
    ),
    unique_by=lambda machine: machine.uuid,
    max_size=20,
)


@given(VMS, st.integers(-30, 30), st.integers(0, 10**4), st.integers(0, 10))
def test_law_holds_for_any_vms(vms: list[VM], n: int, after: int, keep: int) -> None:
    ask, _ = asked(retireidle(after, keep), Ask(n), *vms)
    if n > 0:
        assert ask == Ask(n)
        return
    assert ask.n == min(n, -len(ask.victims))
    by_uuid = {machine.uuid: machine for machine in vms}
    named = [by_uuid[uuid] for uuid in ask.victims]
    idle = [
        machine
        for machine in vms
        if machine.state in {VMState.IDLE, VMState.JOINED}
        and machine.idle_since is not None
        and machine.retire_time is None
        and machine.claims == 0
    ]
    assert all(machine in idle for machine in named)
    since = [machine.idle_since or 0 for machine in named]
    assert since == sorted(since)
    assert all(NOW - moment >= after for moment in since)
    assert len(named) <= max(0, len(idle) - keep)
    left = [machine for machine in idle if machine not in named]
    overdue = [machine for machine in left if NOW - (machine.idle_since or 0) >= after]
    assert len(overdue) <= keep
