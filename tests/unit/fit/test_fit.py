"""Fit: what it asks for, and what it says."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.decide.chain import Chain, run_chain
from factory.fit.share import FitSettings, Share, plan_purchase
from factory.model.demand import Demand, JobGroup, Machine
from factory.model.matches import Match
from factory.model.memory import Waiting
from factory.model.vm import VM, VMState
from plugins.sched.fit import Fit
from plugins.sched.maxpercycle import MaxPerCycle
from tests.rig.chains import plugin
from tests.rig.fit import NOW, demand, group, machine, offer, share, view, vm

SHAPE = offer()
NO = Match(ok=False, why="Requirements of the job: HasSquid is false")
MAYBE = Match(ok=False, maybe=True, why="Requirements of the job: OpSysMajorVer is undefined")


def decide(seen: Share, vms: Iterable[VM] = (), **settings: Any) -> Chain:
    return run_chain([plugin(Fit, **settings)], view(seen, vms))


def n(groups: Sequence[JobGroup], machines: Sequence[Machine] = (), vms: Sequence[VM] = (), **more: Any) -> int:
    return decide(share(demand(groups, machines, [SHAPE], more.pop("no", None)), [SHAPE], vms), vms, **more).ask.n


ONES = group("ones", 1, 2000, 16)


def test_nothing_waits_nothing_is_bought() -> None:
    assert n([]) == 0


def test_free_room_counts_first() -> None:
    assert n([ONES]) == 2
    assert n([ONES], [machine("a", 4, 32_000)]) == 2
    assert n([ONES], [machine("a", 8, 32_000)]) == 1
    assert n([ONES], [machine("a", 8, 32_000), machine("b", 8, 32_000)]) == 0


def test_free_cores_without_memory_are_no_room() -> None:
    assert n([ONES], [machine("a", 8, 1000)]) == 2


def test_room_that_leaves_soon_or_leaves_already_is_no_room() -> None:
    assert n([ONES], [machine("a", 8, 32_000, leaving=True)]) == 2
    assert n([ONES], [machine("a", 8, 32_000, leaves_at=NOW + 500)]) == 2
    assert n([ONES], [machine("a", 8, 32_000, leaves_at=NOW + 500)], minlife=400) == 1
    retiring = vm(1, VMState.RETIRING, SHAPE)
    assert n([ONES], [machine("a", 8, 32_000, vm=retiring.uuid)], [retiring]) == 2
    ends = vm(1, VMState.IDLE, SHAPE, lease_end=NOW + 500)
    assert n([ONES], [machine("a", 8, 32_000, vm=ends.uuid)], [ends]) == 2
    assert n([ONES], [machine("a", 8, 32_000, vm=ends.uuid, leaves_at=NOW + 9999)], [ends]) == 2


def test_a_static_slot_takes_one_job() -> None:
    assert n([replace(ONES, count=9)], [machine("a", 8, 32_000, static=True)]) == 1
    assert n([replace(ONES, count=2)], [machine("a", 1, 32_000, static=True)] * 1) == 1


@pytest.mark.parametrize("state", [VMState.SUBMITTED, VMState.BOOTING, VMState.JOINED])
def test_a_vm_on_its_way_counts_at_its_full_size(state: VMState) -> None:
    assert n([ONES], vms=[vm(1, state, SHAPE)]) == 1
    assert n([ONES], vms=[vm(1, state, SHAPE), vm(2, state, "ami-0/of.old/*/on-demand")]) == 0


@pytest.mark.parametrize("state", [VMState.HELD, VMState.LOST, VMState.RETIRED, VMState.DONE])
def test_a_vm_that_will_not_come_does_not_count(state: VMState) -> None:
    assert n([ONES], vms=[vm(1, state, SHAPE)]) == 2


def test_a_vm_that_has_joined_counts_once() -> None:
    joined = vm(1, VMState.BOOTING, SHAPE)
    assert n([ONES], [machine("a", 4, 32_000, vm=joined.uuid)], [joined]) == 2
    assert n([ONES], [machine("a", 8, 32_000, vm=joined.uuid)], [joined]) == 1


def test_a_machine_that_does_not_match_is_no_room_and_a_shape_that_does_not_match_is_not_bought() -> None:
    assert n([ONES], [machine("a", 8, 32_000)], no={("ones", "k"): NO}) == 2
    assert n([ONES], no={("ones", "m5.2xlarge"): NO}) == 0


def test_jobs_that_nothing_can_serve_are_named() -> None:
    groups = [
        group("huge", 1, 512 * 1024, 12),
        group("odd", 1, 1000, 1),
        replace(ONES, key="bad", problem="RequestCpus = X can't be evaluated"),
    ]
    chain = decide(share(demand(groups, [], [SHAPE], {("odd", "m5.2xlarge"): NO}), [SHAPE]))
    assert chain.ask.n == 0
    assert "12 jobs request 512 GB of memory, but the largest shape has 31.25 GB" in chain.reason
    assert "1 job matches no shape: Requirements of the job: HasSquid is false" in chain.reason
    assert "16 jobs are left out: RequestCpus = X can't be evaluated" in chain.reason


def test_of_one_job_it_is_said_as_of_one() -> None:
    chain = decide(share(demand([group("huge", 1, 512 * 1024, 1)], [], [SHAPE]), [SHAPE]))
    assert "1 job is waiting; it fits no machine that is up or starting" in chain.reason
    assert "1 job requests 512 GB of memory, but the largest shape has 31.25 GB" in chain.reason


def test_unmaterialised_jobs_are_shown_and_bought_for_only_by_a_switch() -> None:
    late = replace(ONES, unmaterialised=16)
    chain = decide(share(demand([late], [], [SHAPE]), [SHAPE]))
    assert chain.ask.n == 2
    assert "16 jobs are not materialised yet" in chain.reason
    assert n([late], unmaterialised=True) == 4


def test_what_only_a_running_machine_can_tell_gets_one_probe() -> None:
    asked = demand([ONES, replace(ONES, key="more")], [], [SHAPE], {(k, "m5.2xlarge"): MAYBE for k in ("ones", "more")})
    assert decide(share(asked, [SHAPE])).ask.n == 1
    probe = [vm(1, VMState.BOOTING, SHAPE)]
    assert decide(share(asked, [SHAPE], probe), probe).ask.n == 0
    lately = {"ones": Waiting(NOW - 9999, 16, probed=NOW - 600), "more": Waiting(NOW - 9999, 16, probed=NOW - 600)}
    assert decide(share(asked, [SHAPE], waiting=lately)).ask.n == 0
    long_ago = {key: replace(seen, probed=NOW - 3600) for key, seen in lately.items()}
    assert decide(share(asked, [SHAPE], waiting=long_ago)).ask.n == 1


def test_stuck_jobs_get_nothing_but_a_probe_an_hour() -> None:
    stuck = Waiting(NOW - 9999, 16, stuck="no reason", stuck_since=NOW - 60)
    wanted = demand([replace(ONES, reject_reason="no quota")], [], [SHAPE])
    chain = decide(share(wanted, [SHAPE], waiting={"ones": stuck}))
    assert chain.ask.n == 0
    assert "16 jobs are stuck: no reason (no quota)" in chain.reason
    assert decide(share(wanted, [SHAPE], waiting={"ones": replace(stuck, stuck_since=NOW - 3600)})).ask.n == 1
    probed = replace(stuck, stuck_since=NOW - 9000, probed=NOW - 100)
    assert decide(share(wanted, [SHAPE], waiting={"ones": probed})).ask.n == 0


def idle(number: int, minutes: float) -> VM:
    return vm(number, VMState.IDLE, SHAPE, idle_since=NOW - 60 * minutes)


def of(*vms: VM) -> list[Machine]:
    return [machine(one.uuid, 8, 32_000, vm=one.uuid) for one in vms]


def test_machines_that_no_job_can_use_go_when_they_have_been_idle_for_long() -> None:
    vms = [idle(1, 20), idle(2, 40), idle(3, 10), vm(4, VMState.BUSY, SHAPE, claims=3)]
    seen = share(demand([], of(*vms[:3]), [SHAPE]), [SHAPE], vms)
    assert decide(seen, vms).ask.victims == ("vm00002", "vm00001")
    assert decide(seen, vms, after=300).ask.victims == ("vm00002", "vm00001", "vm00003")
    assert decide(seen, vms, keep=2).ask.victims == ("vm00002",)
    assert decide(seen, vms, keep=3).ask.n == 0


def test_machines_that_jobs_can_use_stay() -> None:
    vms = [idle(1, 20), idle(2, 40), idle(3, 50)]
    two = replace(ONES, count=9)
    assert len(decide(share(demand([two], of(*vms), [SHAPE]), [SHAPE], vms), vms).ask.victims) == 1
    stuck = {"ones": Waiting(NOW - 9999, 9, stuck="why", stuck_since=NOW)}
    seen = share(demand([two], of(*vms), [SHAPE]), [SHAPE], vms, waiting=stuck)
    assert len(decide(seen, vms).ask.victims) == 3, "what stands free for stuck jobs is not needed"


def test_a_queue_behind_one_that_holds_does_nothing() -> None:
    vms = [idle(1, 60)]
    chain = decide(share(demand([], of(*vms), [SHAPE]), [SHAPE], vms, closed="queue A holds: no word"), vms)
    assert chain.ask.n == 0
    assert "queue A holds" in chain.reason


KINDS = ("k0", "k1", "k2")
MATCHES = st.sampled_from([Match(ok=True), NO, MAYBE])
GROUPS = st.lists(
    st.tuples(st.sampled_from((1, 2, 4, 9)), st.sampled_from((1000, 8000, 40_000)), st.integers(1, 40)),
    min_size=1, max_size=5,
)  # fmt: skip
MACHINES = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from((0, 4000, 32_000)), st.sampled_from(KINDS), st.booleans()), max_size=6
)
OFFERS = [offer("small", 2, 8000, 0.1), offer("large", 8, 32_000, 0.4)]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Demand, list[VM]]:
    groups = [group(f"g{i}", *one, owner=f"o{i % 2}") for i, one in enumerate(draw(GROUPS))]
    machines = [
        machine(f"m{i}", cpus, memory, kind=kind, static=static)
        for i, (cpus, memory, kind, static) in enumerate(draw(MACHINES))
    ]
    no = {(g.key, name): draw(MATCHES) for g in groups for name in (*KINDS, "small", "large")}
    states = st.sampled_from([VMState.SUBMITTED, VMState.BOOTING, VMState.HELD])
    vms = [vm(i, draw(states), draw(st.sampled_from(OFFERS))) for i in range(draw(st.integers(0, 4)))]
    return demand(groups, machines, OFFERS, no), vms


@given(worlds())
@settings(deadline=None)
def test_never_for_jobs_that_match_no_shape_and_never_while_room_that_fits_is_there(
    world: tuple[Demand, list[VM]],
) -> None:
    wanted, vms = world
    seen = share(wanted, OFFERS, vms)
    verdict = plan_purchase(seen, FitSettings())
    if verdict.probing:
        assert len(verdict.purchase.order) == 1
        return
    placed = seen.supply.place(wanted.groups, seen.supply.machines(0))
    groups = {g.key: g for g in wanted.groups}
    for key, jobs in verdict.purchase.covers(len(verdict.purchase.order)).items():
        matching = [o for o in OFFERS if wanted.on_shapes[key, str(o.shape)].ok and o.room.holds(groups[key].ask)]
        assert not jobs or matching
        assert jobs <= placed.left[key]
    for m in seen.supply.machines(0):
        taken = [(groups[k], where[m.name]) for k, where in placed.placed.items() if m.name in where]
        assert not m.static or sum(jobs for _, jobs in taken) <= 1
        room = m.free
        for g, jobs in taken:
            room = room.minus(g.ask, jobs)
        assert min(room.cpus, room.memory_mb) >= 0
        for key, jobs in placed.left.items():
            free = not (m.static and taken) and room.holds(groups[key].ask)
            assert not (jobs and free and seen.supply.fits(groups[key], m.kind)), "room was left"


@given(worlds(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_answer_does_not_depend_on_the_order_of_the_input(
    world: tuple[Demand, list[VM]], rng: random.Random
) -> None:
    wanted, vms = world
    first = decide(share(wanted, OFFERS, vms), vms)
    groups, machines, offers = list(wanted.groups), list(wanted.machines), list(OFFERS)
    for things in (groups, machines, offers, vms):
        rng.shuffle(things)
    other = replace(wanted, groups=tuple(groups), machines=tuple(machines))
    second = decide(share(other, offers, vms), vms)
    assert (first.ask, first.steps) == (second.ask, second.steps)


@given(worlds(), st.integers(0, 5))
@settings(deadline=None)
def test_never_more_than_the_caps(world: tuple[Demand, list[VM]], cap: int) -> None:
    wanted, vms = world
    seen = share(wanted, OFFERS, vms)
    free = decide(seen, vms)
    capped = run_chain([plugin(Fit), plugin(MaxPerCycle, maximum=cap)], view(seen, vms))
    assert capped.ask.n == min(free.ask.n, cap)
    assert capped.ask.shapes == free.ask.shapes[:cap]
