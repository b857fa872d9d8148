"""Queues whose section has gone."""

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


def test_a_queue_that_is_not_configured_any_more_is_tended_and_buys_nothing(tmp_path: Path) -> None:
    found = add_removed_queues(config(tmp_path), ["OLD"])
    (old,) = found.winding_down
    assert (old.name, old.sched, old.wmsstatus, old.settings.enabled) == ("OLD", (), None, False)
    assert {source.key for source in old.batchstatus.sources()} == {
        source.key for source in found.queues[0].batchstatus.sources()
    }, "its VMs are in readings that are there already"
    stuck = BatchStatus.of_vms([replace(vm("vm1", VMState.SUBMITTED, submitted=NOW - 400), queue="OLD")])
    (removal,) = old.batchsubmit.plan(Ask(), stuck, Memory(), NOW).actions
    assert isinstance(removal, Remove)
    assert removal.queue == "OLD"


def test_without_a_queue_that_has_machines_nobody_can_tend_them() -> None:
    nothing = Config(FactorySettings(id="f1"), ())
    assert template_queue(nothing) is None
    assert add_removed_queues(nothing, ["OLD"]).winding_down == ()
