"""Fit: asks and reasons."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.decide.chain import Chain, run_chain
from factory.fit.share import FitSettings, Share, plan_purchase
from factory.model.demand import Demand, JobGroup, Machine, Room
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


def decide(queue_share: Share, vms: Iterable[VM] = (), **settings: Any) -> Chain:
    return run_chain([plugin(Fit, **settings)], view(queue_share, vms))


def n(groups: Sequence[JobGroup], machines: Sequence[Machine] = (), vms: Sequence[VM] = (), **more: Any) -> int:
    return decide(share(demand(groups, machines, [SHAPE], more.pop("no", None)), [SHAPE], vms), vms, **more).ask.n


ONES = group("ones", 1, 2000, 16)


def test_buys_nothing_if_no_job_waits() -> None:
    assert n([]) == 0


def test_fills_free_room_before_buying() -> None:
    assert n([ONES]) == 2
    assert n([ONES], [machine("a", 4, 32_000)]) == 2
    assert n([ONES], [machine("a", 8, 32_000)]) == 1
    assert n([ONES], [machine("a", 8, 32_000), machine("b", 8, 32_000)]) == 0


def test_free_cores_without_memory_are_no_room() -> None:
    assert n([ONES], [machine("a", 8, 1000)]) == 2


def test_ignores_machines_that_end_soon_or_retire() -> None:
    assert n([ONES], [machine("a", 8, 32_000, retiring=True)]) == 2
    assert n([ONES], [machine("a", 8, 32_000, ends_at=NOW + 500)]) == 2
    assert n([ONES], [machine("a", 8, 32_000, ends_at=NOW + 500)], minlife=400) == 1
    retiring = vm(1, VMState.RETIRING, SHAPE)
    assert n([ONES], [machine("a", 8, 32_000, vm=retiring.uuid)], [retiring]) == 2
    ends = vm(1, VMState.IDLE, SHAPE, lease_end=NOW + 500)
    assert n([ONES], [machine("a", 8, 32_000, vm=ends.uuid)], [ends]) == 2
    assert n([ONES], [machine("a", 8, 32_000, vm=ends.uuid, ends_at=NOW + 9999)], [ends]) == 2


def test_static_slot_takes_one_job() -> None:
    assert n([replace(ONES, count=9)], [machine("a", 8, 32_000, static=True)]) == 1
    assert n([replace(ONES, count=2)], [machine("a", 1, 32_000, static=True)] * 1) == 1


@pytest.mark.parametrize("state", [VMState.SUBMITTED, VMState.BOOTING, VMState.JOINED])
def test_starting_vm_counts_at_its_full_size(state: VMState) -> None:
    assert n([ONES], vms=[vm(1, state, SHAPE)]) == 1
    assert n([ONES], vms=[vm(1, state, SHAPE), vm(2, state, "ami-0/of.old/*/on-demand")]) == 0


@pytest.mark.parametrize("state", [VMState.HELD, VMState.LOST, VMState.RETIRED, VMState.DONE])
def test_ignores_vms_that_will_not_take_jobs(state: VMState) -> None:
    assert n([ONES], vms=[vm(1, state, SHAPE)]) == 2


def test_joined_vm_counts_once() -> None:
    joined = vm(1, VMState.BOOTING, SHAPE)
    assert n([ONES], [machine("a", 4, 32_000, vm=joined.uuid)], [joined]) == 2
    assert n([ONES], [machine("a", 8, 32_000, vm=joined.uuid)], [joined]) == 1


def test_ignores_machines_and_shapes_that_do_not_match() -> None:
    assert n([ONES], [machine("a", 8, 32_000)], no={("ones", "k"): NO}) == 2
    assert n([ONES], no={("ones", "m5.2xlarge"): NO}) == 0


def test_reason_names_jobs_that_no_shape_can_serve() -> None:
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


@pytest.mark.parametrize(
    ("ask", "cure"),
    [
        (Room(64, 1000, 1), "largest shape has 8 cores; add a larger type to instance_type"),
        (Room(1, 1e6, 1), "largest shape has 31.25 GB; add a larger type to instance_type"),
        (Room(1, 1000, 1e9), "set disk, and block_device_mapping if the image has less"),
        (Room(1, 1000, 1, 2), "largest shape has 0 GPUs; add a larger type to instance_type"),
    ],
)
def test_reason_names_the_key_that_cures_a_shortage(ask: Room, cure: str) -> None:
    large = replace(group("large", 1, 1000, 1), ask=ask)
    assert cure in decide(share(demand([large], [], [SHAPE]), [SHAPE])).reason


def test_reason_uses_the_singular_for_one_job() -> None:
    chain = decide(share(demand([group("huge", 1, 512 * 1024, 1)], [], [SHAPE]), [SHAPE]))
    assert "1 job is waiting; it fits no machine that is up or starting" in chain.reason
    assert "1 job requests 512 GB of memory, but the largest shape has 31.25 GB" in chain.reason


def test_buys_for_unmaterialised_jobs_only_if_switched_on() -> None:
    late = replace(ONES, unmaterialised=16)
    chain = decide(share(demand([late], [], [SHAPE]), [SHAPE]))
    assert chain.ask.n == 2
    assert "16 jobs are not materialised yet" in chain.reason
    assert n([late], unmaterialised=True) == 4


def test_buys_one_probe_for_jobs_that_may_fit() -> None:
    asked = demand([ONES, replace(ONES, key="more")], [], [SHAPE], {(k, "m5.2xlarge"): MAYBE for k in ("ones", "more")})
    assert decide(share(asked, [SHAPE])).ask.n == 1
    probe = [vm(1, VMState.BOOTING, SHAPE)]
    assert decide(share(asked, [SHAPE], probe), probe).ask.n == 0
    lately = {"ones": Waiting(NOW - 9999, 16, probed=NOW - 600), "more": Waiting(NOW - 9999, 16, probed=NOW - 600)}
    assert decide(share(asked, [SHAPE], waiting=lately)).ask.n == 0
    long_ago = {key: replace(seen, probed=NOW - 3600) for key, seen in lately.items()}
    assert decide(share(asked, [SHAPE], waiting=long_ago)).ask.n == 1


def test_stuck_jobs_get_one_probe_an_hour() -> None:
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


def test_retires_unneeded_vms_after_a_long_idle_time() -> None:
    vms = [idle(1, 20), idle(2, 40), idle(3, 10), vm(4, VMState.BUSY, SHAPE, claims=3)]
    seen = share(demand([], of(*vms[:3]), [SHAPE]), [SHAPE], vms)
    assert decide(seen, vms).ask.victims == ("vm00002", "vm00001")
    assert decide(seen, vms, after=300).ask.victims == ("vm00002", "vm00001", "vm00003")
    assert decide(seen, vms, keep=2).ask.victims == ("vm00002",)
    assert decide(seen, vms, keep=3).ask.n == 0


def test_keeps_machines_that_waiting_jobs_can_use() -> None:
    vms = [idle(1, 20), idle(2, 40), idle(3, 50)]
    two = replace(ONES, count=9)
    assert len(decide(share(demand([two], of(*vms), [SHAPE]), [SHAPE], vms), vms).ask.victims) == 1
    stuck = {"ones": Waiting(NOW - 9999, 9, stuck="why", stuck_since=NOW)}
    seen = share(demand([two], of(*vms), [SHAPE]), [SHAPE], vms, waiting=stuck)
    assert len(decide(seen, vms).ask.victims) == 3, "machines that are free for stuck jobs are not needed"


def test_does_nothing_behind_a_blocked_queue() -> None:
    vms = [idle(1, 60)]
    chain = decide(share(demand([], of(*vms), [SHAPE]), [SHAPE], vms, closed="queue A is blocked: no answer"), vms)
    assert chain.ask.n == 0
    assert "queue A is blocked" in chain.reason


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
def test_buys_only_for_jobs_that_match_and_have_no_room(
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
            assert not (jobs and free and seen.supply.fits(groups[key], m.kind)), "no job waits beside room"


@given(worlds(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_result_is_independent_of_the_input_order(world: tuple[Demand, list[VM]], rng: random.Random) -> None:
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
def test_never_exceeds_the_caps(world: tuple[Demand, list[VM]], cap: int) -> None:
    wanted, vms = world
    seen = share(wanted, OFFERS, vms)
    free = decide(seen, vms)
    capped = run_chain([plugin(Fit), plugin(MaxPerCycle, maximum=cap)], view(seen, vms))
    assert capped.ask.n == min(free.ask.n, cap)
    assert capped.ask.shapes == free.ask.shapes[:cap]
