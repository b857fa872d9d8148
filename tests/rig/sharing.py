"""Two queues that share jobs, a factory that decides for them, and given VMs; no HTCondor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from factory.condor.collector.machines import PoolSource
from factory.config.queues import Config, Queue
from factory.decide.decide import decide
from factory.decide.decision import Round
from factory.model.actions import Submit
from factory.model.address import PoolAddress
from factory.model.demand import JobGroup, Machine
from factory.model.matches import Match
from factory.model.memory import Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import VM, VMState
from factory.plugin import Readings, Source
from factory.plugin.base import PluginSettings
from factory.plugin.batchstatus import BatchStatusPlugin
from factory.plugin.wmsstatus import WmsStatusPlugin
from factory.settings.factory import FactorySettings
from factory.world.world import World
from tests.rig.fit import demand, offer
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


RETIRING: dict[str, Any] = {"state": VMState.RETIRING, "retire_time": NOW}
