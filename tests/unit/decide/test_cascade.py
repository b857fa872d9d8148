"""Sharing of jobs between queues by priority; stuck jobs and unclaimed VMs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from factory.condor.collector.machines import PoolSource
from factory.config.queues import Config, Queue
from factory.decide.cascade import also_decide
from factory.decide.decide import decide
from factory.decide.decision import Round
from factory.fit.stuck_groups import FIRST_S, LONGEST_S
from factory.model.actions import Retire, Submit, Unretire
from factory.model.address import PoolAddress
from factory.model.demand import JobGroup, Machine
from factory.model.matches import Match
from factory.model.memory import Backoff, Breaker, FitMemory, Health, Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import VM, VMState
from factory.plugin import Readings, Source
from factory.plugin.base import PluginSettings
from factory.plugin.batchstatus import BatchStatusPlugin
from factory.plugin.wmsstatus import WmsStatusPlugin
from factory.settings.factory import FactorySettings
from factory.world.world import World
from tests.rig.fit import demand, group, machine, offer, vm
from tests.rig.queues import VMS, make_queue

NOW = 1_000_000.0
SHAPES = {name: Shape("ami-1", "m5.2xlarge", name) for name in ("cheap", "dear")}
"""Each queue buys in the zone of its name."""
PLACE = offer(memory_mb=30_000)


class Work(WmsStatusPlugin):
    """WMS status given by the test."""

    said: WmsStatus | Unknown

    def sources(self) -> tuple[Source, ...]:
        return (PoolSource(pool=PoolAddress(None), factory_id="f1", interval_s=0, deadline_s=1, maxage_s=1),)

    def read(self, readings: Readings) -> WmsStatus | Unknown:
        return self.said


class Has(BatchStatusPlugin):
    """Batch status given by the test."""

    said: BatchStatus | Unknown

    def sources(self) -> tuple[Source, ...]:
        return ()

    def read(self, readings: Readings, memory: Memory) -> BatchStatus | Unknown:
        return self.said


@dataclass
class Factory:
    """A factory with two queues that read the same jobs, the cheap one first."""

    directory: Path
    jobs: Sequence[JobGroup] = ()
    machines: Sequence[Machine] = ()
    vms: dict[str, list[VM] | Unknown] = field(default_factory=lambda: {"cheap": [], "dear": []})
    chain: str = "Fit"
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    no: dict[tuple[str, str], Match] = field(default_factory=dict)
    wms: WmsStatus | None = None
    paused: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    more: Sequence[BatchStatus | Unknown] = ()
    """Batch status of other queues, which share no jobs with these."""
    memory: Memory = field(default_factory=Memory)
    now: float = NOW

    def queue(self, name: str, priority: int) -> Queue:
        keys = {
            **VMS, "schedplugin": self.chain, "batchsubmit.condorec2.instance_type": "m5.2xlarge",
            "batchsubmit.condorec2.availability_zone": name, **self.keys.get(name, {}),
        }  # fmt: skip
        queue = make_queue(self.directory, keys, name)
        settings = queue.settings.model_copy(update={"priority": priority})
        plain = FactorySettings(id="f1", owner="apf")
        work, has = Work(settings, PluginSettings(), plain), Has(settings, PluginSettings(), plain)
        offers = [replace(PLACE, shape=shape) for shape in SHAPES.values()]
        asked = demand(self.jobs, self.machines, offers, self.no)
        work.said = self.wms or WmsStatus(ready=sum(g.count for g in self.jobs), demand=asked)
        vms = self.vms[name]
        has.said = vms if isinstance(vms, Unknown) else BatchStatus.of_vms(vms)
        return replace(queue, settings=settings, wmsstatus=work, batchstatus=has)

    def alone(self, name: str, has: BatchStatus | Unknown) -> Queue:
        queue = make_queue(self.directory, {**VMS, "schedplugin": "Fixed"}, name)
        plugin = Has(queue.settings, PluginSettings(), FactorySettings(id="f1", owner="apf"))
        plugin.said = has
        return replace(queue, wmsstatus=None, batchstatus=plugin)

    def round(self, *due: str, after_s: float = 60) -> Round:
        self.now += after_s
        queues = [self.queue("cheap", 1), self.queue("dear", 2)]
        for i, has in enumerate(self.more):
            queues.append(self.alone(f"other{i}", has))
        config = Config(FactorySettings(id="f1", owner="apf"), tuple(queues))
        world = World(self.now, {}, self.memory, paused=self.paused, faults=self.faults)
        made = decide(config, world, due or ("cheap", "dear"))
        self.memory = replace(self.memory, fit=made.memory)
        return made

    def bought(self, *due: str, after_s: float = 60) -> dict[str, int]:
        made = self.round(*due, after_s=after_s)
        return {d.queue: sum(a.n for a in d.actions if isinstance(a, Submit)) for d in made.decisions}


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    return Factory(tmp_path, jobs=[group("g", 1, 1000, 80)])


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


RETIRING: dict[str, Any] = {"state": VMState.RETIRING, "retire_time": NOW}


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
