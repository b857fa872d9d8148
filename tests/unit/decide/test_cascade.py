"""Sharing of jobs between queues by priority."""

from collections import Counter
from dataclasses import replace

from factory.decide.cascade import also_decide
from factory.model.actions import Retire, Submit, Unretire
from factory.model.matches import Match
from factory.model.memory import Breaker, Health, Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import VM, VMState
from tests.rig.fit import demand, group, machine, vm
from tests.rig.sharing import NOW, PLACE, SHAPES, Factory


def test_first_queue_buys_for_all_jobs_and_second_for_none(factory: Factory) -> None:
    assert factory.bought() == {"cheap": 10, "dear": 0}


def test_second_queue_buys_what_the_caps_of_the_first_leave(factory: Factory) -> None:
    factory.chain = "Fit, MaxPerCycle"
    factory.keys["cheap"] = {"sched.maxpercycle.maximum": 4}
    assert factory.bought() == {"cheap": 4, "dear": 6}
    factory.chain = "Fit"
    factory.keys["cheap"] = {"batchsubmit.condorec2.maxinstances": 3}
    assert factory.bought() == {"cheap": 3, "dear": 7}


def test_starting_vms_of_any_queue_count(factory: Factory) -> None:
    factory.vms["dear"] = [vm(i, VMState.BOOTING, str(SHAPES["dear"]), "dear") for i in range(6)]
    assert factory.bought() == {"cheap": 4, "dear": 0}


def test_second_queue_buys_for_jobs_that_only_it_can_serve(factory: Factory) -> None:
    factory.jobs = [group("g", 1, 1000, 8), group("big", 1, 200_000, 3)]
    factory.keys["dear"] = {"batchsubmit.condorec2.instance_type": "r5.8xlarge"}
    shape = str(Shape("ami-1", "r5.8xlarge", "dear"))
    asked = demand(factory.jobs, (), [PLACE])
    factory.wms = WmsStatus(
        ready=11,
        demand=replace(
            asked,
            on_shapes={(g.key, str(s)): Match(ok=True) for g in factory.jobs for s in (shape, SHAPES["cheap"])},
        ),
    )
    assert factory.bought() == {"cheap": 1, "dear": 3}


def test_queue_that_is_not_due_keeps_its_priority(factory: Factory) -> None:
    assert factory.bought("dear") == {"dear": 0}
    assert factory.bought("cheap") == {"cheap": 10}


def test_paused_queue_passes_on_jobs_that_its_vms_do_not_cover(factory: Factory) -> None:
    factory.paused = {"cheap": "paused"}
    factory.vms["cheap"] = [vm(i, VMState.BOOTING, str(SHAPES["cheap"]), "cheap") for i in range(4)]
    assert factory.bought() == {"cheap": 0, "dear": 6}


def test_queue_with_unknown_batch_status_passes_on_no_jobs(factory: Factory) -> None:
    factory.vms["cheap"] = Unknown("the schedd does not answer")
    made = factory.round()
    assert [d.actions for d in made.decisions] == [(), ()]
    assert "queue cheap has priority and is blocked" in made.decisions[1].chain.reason
    factory.vms = {"cheap": [], "dear": Unknown("the schedd does not answer")}
    assert factory.bought() == {"cheap": 10, "dear": 0}


def test_queue_blocked_by_unknown_data_passes_on_no_jobs(factory: Factory) -> None:
    factory.keys["cheap"] = {"schedplugin": "Fit, MaxPerFactory"}
    factory.more = [Unknown("the other schedd does not answer")]
    made = factory.round()
    assert made.decisions[0].chain.blocked_text is not None
    assert [d.actions for d in made.decisions] == [(), ()]
    assert (
        "queue cheap has priority and is blocked: MaxPerFactory: factory total unknown"
        in made.decisions[1].chain.reason
    )
    assert factory.bought("dear") == {"dear": 0}, "a queue that is not due too"
    factory.more = [BatchStatus()]
    assert factory.bought() == {"cheap": 10, "dear": 0}


def test_queue_decides_too_if_it_shares_jobs_with_a_due_queue_behind_it(factory: Factory) -> None:
    queues = [factory.queue("cheap", 1), factory.queue("dear", 2), factory.alone("other", BatchStatus())]
    assert also_decide(queues, {"dear"}) == {"cheap"}
    assert also_decide(queues, {"cheap", "other"}) == set()


def test_broken_queue_passes_on_jobs_that_its_vms_do_not_cover(factory: Factory) -> None:
    factory.vms["cheap"] = [vm(i, VMState.BOOTING, str(SHAPES["cheap"]), "cheap") for i in range(4)]
    factory.faults = {"cheap": "plugin Fit failed: ZeroDivisionError"}
    assert factory.bought() == {"cheap": 0, "dear": 6}


def test_second_queue_buys_the_shapes_that_the_first_may_not(factory: Factory) -> None:
    """The most valuable VMs have a type whose breaker is open."""
    factory.jobs = [group("small", 1, 1000, 1), group("big", 16, 60_000, 5)]
    large = {name: Shape("ami-1", "m5.4xlarge", name) for name in SHAPES}
    for name in SHAPES:
        factory.keys[name] = {"batchsubmit.condorec2.instance_type": "m5.2xlarge, m5.4xlarge"}
    shapes = [*SHAPES.values(), *large.values()]
    yes = {(g.key, str(shape)): Match(ok=True) for g in factory.jobs for shape in shapes}
    factory.wms = WmsStatus(ready=6, demand=replace(demand(factory.jobs), on_shapes=yes))
    assert factory.bought() == {"cheap": 6, "dear": 0}
    broken = Breaker("capacity", "no capacity", NOW - 900, NOW, 1)
    factory.memory = Memory(health={"cheap": Health({str(large["cheap"]): broken})})
    made = factory.round()
    bought = {a.queue: Counter(map(str, a.shapes)) for a in made.actions if isinstance(a, Submit)}
    assert bought == {
        "cheap": {str(SHAPES["cheap"]): 1, str(large["cheap"]): 1},
        "dear": {str(large["dear"]): 4},
    }, "the cheap queue may buy one as a probe"


def test_retires_useless_vms_beside_purchases_and_keeps_them_retired(factory: Factory) -> None:
    """The useless VMs fill the cap."""
    shape = str(SHAPES["cheap"])
    factory.chain = "Fit, MaxToRun"
    factory.keys = {"cheap": {"sched.maxtorun.maximum": 3}, "dear": {"sched.maxtorun.maximum": 0}}
    factory.no = {("g", "old"): Match(ok=False, why="too old")}
    vms = [vm(i, VMState.IDLE, shape, "cheap", idle_since=NOW - 3000, startd=f"m{i}") for i in range(3)]
    left: list[VM] = []
    bought = 0
    for _ in range(3):
        factory.vms["cheap"] = [*vms, *left, *(vm(10 + i, VMState.BOOTING, shape, "cheap") for i in range(bought))]
        factory.machines = [machine(one.uuid, 8, 32_000, kind="old", vm=one.uuid) for one in vms]
        made = factory.round()
        assert not any(isinstance(action, Unretire) for action in made.actions)
        leave = [action.vm for action in made.actions if isinstance(action, Retire)]
        assert len(leave) == 1, "rule 8"
        bought += sum(action.n for action in made.actions if isinstance(action, Submit))
        left = [replace(one, state=VMState.RETIRED, retire_time=factory.now) for one in leave]
        vms = [one for one in vms if one not in leave]
    assert bought == 2, "one for each retiring VM"
    busy = [vm(i, VMState.BUSY, shape, "cheap", claims=8) for i in range(2)]
    factory.vms["cheap"] = [*busy, vm(3, VMState.IDLE, shape, "cheap", idle_since=NOW - 3000)]
    factory.machines = [machine("vm00003", 8, 32_000, vm="vm00003")]
    assert factory.round().decisions[0].chain.ask.victims == (), "a VM that waiting jobs can use stays"


def test_dear_queue_retires_first(factory: Factory) -> None:
    for name in ("cheap", "dear"):
        factory.vms[name] = [
            vm(i + 10 * (name == "dear"), VMState.IDLE, str(SHAPES[name]), name, idle_since=NOW - 3600)
            for i in range(3)
        ]
    factory.machines = [
        machine(one.uuid, 8, 30_000, vm=one.uuid)
        for vms in factory.vms.values()
        if isinstance(vms, list)
        for one in vms
    ]
    factory.jobs = [group("g", 1, 1000, 24)]
    made = factory.round()
    assert [d.chain.ask.n for d in made.decisions] == [0, -3]


def test_remembers_the_room_of_shapes_that_were_seen(factory: Factory) -> None:
    factory.jobs = [group("g", 8, 31_000, 1)]
    assert factory.bought()["cheap"] == 0, "the table of types has less room"
    factory.vms["cheap"] = [vm(1, VMState.BUSY, str(SHAPES["cheap"]), "cheap", claims=1)]
    factory.machines = [machine("a", 0, 0, vm="vm00001")]
    assert factory.bought()["cheap"] == 1
    factory.vms["cheap"], factory.machines = [], []
    assert factory.bought()["cheap"] == 1


def test_wms_status_without_groups_blocks_the_chain(factory: Factory) -> None:
    factory.wms = WmsStatus(ready=5)
    made = factory.round()
    assert "the WMS status has no job groups" in (made.decisions[0].chain.blocked_text or "")
