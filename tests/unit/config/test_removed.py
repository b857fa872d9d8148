"""Tests of queues whose section was removed."""

from dataclasses import replace
from pathlib import Path

from factory.config.queues import Config
from factory.config.removed import add_removed_queues, template_queue
from factory.model.actions import Remove
from factory.model.ask import Ask
from factory.model.status import BatchStatus
from factory.model.vm import VMState
from factory.plugin import Memory
from factory.settings.factory import FactorySettings
from tests.rig.queues import VMS, make_queue
from tests.rig.vms import NOW, vm


def config(directory: Path) -> Config:
    queue = make_queue(directory, {**VMS, "batchsubmit.condorec2.starttimeout": "5m"}, "NEW")
    return Config(queue.batchsubmit.factory, (queue,))


def test_removed_queue_winds_down_and_buys_nothing(tmp_path: Path) -> None:
    extended = add_removed_queues(config(tmp_path), ["OLD"])
    (old,) = extended.winding_down
    assert (old.name, old.sched, old.wmsstatus, old.settings.enabled) == ("OLD", (), None, False)
    assert {source.key for source in old.batchstatus.sources()} == {
        source.key for source in extended.queues[0].batchstatus.sources()
    }, "the VMs of the removed queue are in existing readings"
    stuck = BatchStatus.of_vms([replace(vm("vm1", VMState.SUBMITTED, submitted=NOW - 400), queue="OLD")])
    (removal,) = old.batchsubmit.plan(Ask(), stuck, Memory(), NOW).actions
    assert isinstance(removal, Remove)
    assert removal.queue == "OLD"


def test_adds_no_removed_queue_without_a_queue_that_has_vms() -> None:
    nothing = Config(FactorySettings(id="f1"), ())
    assert template_queue(nothing) is None
    assert add_removed_queues(nothing, ["OLD"]).winding_down == ()
