"""Jobs that are stuck beside free room, and VMs that no job claims."""

from dataclasses import replace
from typing import Any

import pytest

from factory.fit.stuck_groups import FIRST_S, LONGEST_S
from factory.model.actions import Submit
from factory.model.matches import Match
from factory.model.memory import Backoff, FitMemory, Memory
from factory.model.status import WmsStatus
from factory.model.vm import VMState
from tests.rig.fit import demand, group, machine, vm
from tests.rig.sharing import NOW, PLACE, RETIRING, SHAPES, Factory


def test_jobs_beside_free_room_are_stuck_until_one_starts(factory: Factory) -> None:
    factory.jobs = [group("g", 1, 1000, 80, reject_reason="no quota")]
    factory.machines = [machine("a", 8, 32_000)]
    assert factory.bought()["cheap"] == 9
    for _ in range(5):
        factory.bought()
    made = factory.round()
    assert made.decisions[0].chain.ask.n == 0
    assert "80 jobs are stuck: free machines that fit stayed unused for 300 s" in made.decisions[0].chain.reason
    assert "no quota" in made.decisions[0].chain.reason
    factory.machines = []
    assert factory.bought()["cheap"] == 0, "they stay stuck when the room is gone"
    assert factory.bought(after_s=3600) == {"cheap": 1, "dear": 0}, "a probe"
    assert factory.bought() == {"cheap": 0, "dear": 0}
    factory.jobs = [group("g", 1, 1000, 72, reject_reason="no quota")]
    factory.bought()
    assert factory.bought()["cheap"] == 9, "some jobs have started"


def test_new_reject_reason_earns_stuck_jobs_a_probe(factory: Factory) -> None:
    factory.jobs = [group("g", 1, 1000, 80, reject_reason="no quota")]
    factory.machines = [machine("a", 8, 32_000)]
    for _ in range(7):
        factory.bought()
    assert factory.bought()["cheap"] == 0
    factory.machines = []
    assert factory.bought()["cheap"] == 0
    factory.jobs = [group("g", 1, 1000, 80)]
    factory.bought()
    assert factory.bought() == {"cheap": 1, "dear": 0}
    assert factory.bought()["cheap"] == 0
    for reason in ("no quota", None, "no quota"):
        factory.jobs = [group("g", 1, 1000, 80, reject_reason=reason)]
        factory.bought()
        assert factory.bought()["cheap"] == 0, "this reason is not new"


def test_alternating_reject_reasons_buy_only_probes(factory: Factory) -> None:
    """Without a machine the negotiator finds no match; with one it reports the submitter's limit."""
    shape, booting, since = str(SHAPES["cheap"]), False, 0.0
    bought: list[int] = []
    for minute in range(300):
        there = not booting and since and factory.now - since < 1200
        reason = "submitter limit exceeded" if there and factory.now - since >= 360 else "no match found"
        if booting and factory.now - since >= 300:
            booting, there = False, True
        state = VMState.BOOTING if booting else VMState.JOINED
        one = vm(len(bought), state, shape, "cheap", idle_since=None if booting else since + 300)
        factory.vms["cheap"] = [one] if booting or there else []
        factory.machines = [machine("a", 8, 30_000, vm=one.uuid)] if there else []
        factory.jobs = [group("g", 1, 1000, 8, reject_reason=reason)]
        if factory.bought()["cheap"]:
            bought.append(minute)
            booting, since = True, factory.now
    assert len(bought) <= 1 + 300 / 60


def test_burst_after_few_jobs_is_served(factory: Factory) -> None:
    """Its count falls as jobs start, although the room on one machine stays free."""
    factory.machines = [machine("a", 8, 32_000)]
    asked = []
    for count in (2, *range(5000, 3900, -100)):
        factory.jobs = [group("g", 1, 1000, count)]
        asked.append(factory.round().decisions[0].chain.ask.n)
    assert asked == [0, *((count - 8 + 7) // 8 for count in range(5000, 3900, -100))]


def test_new_jobs_may_hide_that_old_ones_start(factory: Factory) -> None:
    factory.jobs = [group("g", 1, 1000, 80)]
    factory.machines = [machine("a", 8, 32_000)]
    for minute in range(12):
        asked = demand(factory.jobs, factory.machines, [replace(PLACE, shape=shape) for shape in SHAPES.values()])
        factory.wms = WmsStatus(ready=80, demand=replace(asked, others={2: 100 + 10 * minute}))
        assert factory.bought()["cheap"] == 9, "the number of running jobs rises"
    for minute in range(12):
        factory.wms, factory.machines = None, [machine("a", 4 + minute % 2, 32_000)]
        assert factory.bought()["cheap"] > 0, "a job starts on that machine"
    for _ in range(7):
        factory.bought()
    assert factory.bought()["cheap"] == 0


def test_room_that_jobs_take_makes_no_group_stuck(factory: Factory) -> None:
    for minute in range(20):
        factory.jobs = [group("g", 1, 1000, 80)]
        factory.machines = [machine(f"new-{minute}", 8, 32_000)]
        assert factory.bought()["cheap"] == 9


@pytest.mark.parametrize("end", [RETIRING, {"state": VMState.RETIRED}], ids=["by command", "by its own rule"])
def test_unclaimed_vm_is_not_bought_again_for_the_same_jobs(factory: Factory, end: dict[str, Any]) -> None:
    factory.jobs = [group("g", 1, 1000, 8)]
    shape = str(SHAPES["cheap"])
    factory.no = {("g", "other"): Match(ok=False)}
    assert factory.bought()["cheap"] == 1
    factory.vms["cheap"] = [vm(1, VMState.JOINED, shape, "cheap", idle_since=factory.now)]
    factory.machines = [machine("a", 8, 32_000, kind="other", vm="vm00001")]
    factory.bought()
    factory.vms["cheap"], factory.machines = [replace(factory.vms["cheap"][0], **end)], []  # type: ignore[index]
    assert factory.bought(after_s=1000)["cheap"] == 0
    factory.vms["cheap"] = []
    assert factory.bought()["cheap"] == 0
    assert factory.bought(after_s=3600)["cheap"] == 1, "a probe"


ENDS: list[tuple[str, float, dict[str, Any] | None]] = [
    ("lost", 1000, {"state": VMState.LOST}),
    ("missed by one poll", 1000, {"state": VMState.LOST, "missed_once": True}),
    ("killed by the spot market", 1000, None),
    ("removed by hand", 1000, {"state": VMState.DONE, "job_status": 3}),
    ("drained by an administrator", 1000, {"state": VMState.RETIRING, "retire_time": None}),
    ("retired at once", 60, RETIRING),
]


@pytest.mark.parametrize(("after_s", "end"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_vm_that_ended_otherwise_makes_no_group_stuck(
    factory: Factory, after_s: float, end: dict[str, Any] | None
) -> None:
    shape = str(SHAPES["cheap"])
    joined = vm(1, VMState.JOINED, shape, "cheap", idle_since=NOW)
    for chain in ("Fit", "Ready"):
        factory.chain, factory.jobs, factory.wms = chain, [group("g", 1, 1000, 800)], None
        factory.memory, factory.vms["cheap"], factory.machines = Memory(), [joined], []
        factory.bought()
        factory.vms["cheap"] = [] if end is None else [replace(joined, **end)]
        assert factory.bought(after_s=after_s)["cheap"] > 50
        factory.vms["cheap"] = []
        assert factory.bought(after_s=after_s)["cheap"] == (100 if chain == "Fit" else 800)


def test_chain_without_groups_backs_off_after_unclaimed_vms(factory: Factory) -> None:
    factory.chain, factory.wms = "Ready", WmsStatus(ready=1)
    joined = [vm(1, VMState.JOINED, str(SHAPES["cheap"]), "cheap")]
    waits = []
    for _ in range(6):
        factory.vms["cheap"] = []
        assert factory.bought("cheap") == {"cheap": 1}
        factory.vms["cheap"] = joined
        factory.bought("cheap")
        factory.vms["cheap"] = [replace(joined[0], **RETIRING)]
        made = factory.round("cheap", after_s=300)
        assert not any(isinstance(action, Submit) for action in made.actions)
        assert "without ever being claimed" in made.decisions[0].chain.reason
        waits.append(factory.memory.fit.backoff["cheap"].until - factory.now)
        factory.now += waits[-1]
    assert waits == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S, LONGEST_S, LONGEST_S]
    factory.vms["cheap"] = joined
    factory.bought("cheap")
    factory.vms["cheap"] = [replace(joined[0], state=VMState.BUSY, claims=1)]
    factory.bought("cheap")
    assert factory.memory.fit.backoff == {}


def test_backoff_stops_a_chain_of_counts_but_not_fit(factory: Factory) -> None:
    """Fit knows the job groups for which VMs stayed unclaimed, and buys for the others."""
    for chain, n in (("Ready", 0), ("Fit", 10)):
        factory.chain = chain
        factory.memory = Memory(fit=FitMemory(backoff={"cheap": Backoff(NOW + 100_000, 1)}))
        made = factory.round("cheap")
        assert sum(action.n for action in made.actions if isinstance(action, Submit)) == n
        assert ("Backoff" in made.decisions[0].chain.reason) is (n == 0)


@pytest.mark.parametrize(("when_joined", "at_the_end"), [(0, 1), (1, 0)])
def test_surplus_vm_causes_no_backoff(factory: Factory, when_joined: int, at_the_end: int) -> None:
    factory.chain, factory.wms = "Ready", WmsStatus(ready=when_joined)
    factory.vms["cheap"] = [vm(1, VMState.JOINED, str(SHAPES["cheap"]), "cheap")]
    factory.bought("cheap")
    left = vm(1, VMState.RETIRED, str(SHAPES["cheap"]), "cheap", retire_time=factory.now)
    factory.vms["cheap"], factory.wms = [left], WmsStatus(ready=at_the_end)
    factory.bought("cheap", after_s=1000)
    assert factory.memory.fit.newcomers == {}
    assert factory.memory.fit.backoff == {}
