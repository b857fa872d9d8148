"""Canaries: a new image or user-data starts with one machine."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.health.canary import PROVEN, canary_states, hold_back_unproven, proven_builds
from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.model.actions import Plan, Submit
from factory.model.ask import Ask
from factory.model.memory import Health, Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import VM, VMState
from factory.plugin.batchsubmit import Submission
from tests.rig.queues import VMS, make_queue, submit_tools
from tests.rig.vms import NOW, vm

NEW, OLD = Shape("ami-new", "m5.large"), Shape("ami-old", "m5.large")
BUILDS = {str(NEW): "new", str(OLD): "old"}
POLICY = VMPolicy(queue="Q", shape=NEW, removefraction=1, builds=BUILDS)
AT_WORK = {VMState.BUSY, VMState.IDLE}


def planned(n: int, *vms: VM, health: Health | None = None, policy: VMPolicy = POLICY) -> Plan:
    return plan(policy, Ask(n), BatchStatus.of_vms(vms), Memory(health={"Q": health or Health()}), NOW)


def bought(plan_: Plan) -> int:
    return sum(action.n for action in plan_.actions if isinstance(action, Submit))


def test_new_build_starts_with_one_vm_and_a_note() -> None:
    answer = planned(5)
    assert bought(answer) == 1
    assert answer.notes == (
        "1 of 5 bought; canary: one VM of ami-new with this user-data must join and run a job first",
    )
    assert bought(planned(5, policy=replace(POLICY, builds={}))) == 5, "canaries are off"


@pytest.mark.parametrize("state", list(VMState))
def test_build_is_proven_after_one_join_and_one_job(state: VMState) -> None:
    answer = planned(5, vm("vm1", state, build="new"))
    ended = {VMState.DONE, VMState.RETIRED}
    assert bought(answer) == (5 if state in AT_WORK else 1 if state in ended else 0)


def test_restart_forgets_proven_builds() -> None:
    health = planned(0, vm("vm1", VMState.BUSY, build="new")).health
    assert health is not None
    assert health.proven == {"new"}
    assert bought(planned(5, health=health)) == 5
    assert bought(planned(5)) == 1


def test_vm_without_a_build_proves_no_build() -> None:
    assert proven_builds([vm("vm1", VMState.BUSY)]) == set()
    assert proven_builds([vm("vm1", VMState.RETIRING, build="b", claims=1), vm("vm2", VMState.LOST, build="c")]) == {
        "b"
    }


def test_buys_proven_builds_beside_a_canary() -> None:
    kept, notes = hold_back_unproven(BUILDS, {"old"}, (NEW, OLD, NEW, OLD), ())
    assert kept == (NEW, OLD, OLD)
    assert len(notes) == 1


def test_types_and_zones_of_one_build_share_one_canary() -> None:
    shapes = (Shape("ami-new", "m5.large", "a"), Shape("ami-new", "m5.xlarge", "b"))
    assert hold_back_unproven(dict.fromkeys(map(str, shapes), "new"), (), shapes, ())[0] == shapes[:1]


def test_canary_state_is_readable() -> None:
    assert canary_states(BUILDS, {"old"}, [vm("vm1", VMState.BOOTING, build="new")]) == {
        "ami-new": "one VM first; VM vm1 is booting, test", "ami-old": PROVEN,
    }  # fmt: skip
    assert canary_states(BUILDS, (), ())["ami-new"] == "one VM first; none bought yet"


@given(st.lists(st.tuples(st.sampled_from(list(VMState)), st.sampled_from(["new", "old", ""])), max_size=12),
       st.integers(1, 20))  # fmt: skip
def test_unproven_build_never_has_more_than_one_vm(states: list[tuple[VMState, str]], n: int) -> None:
    vms = [vm(f"vm{i}", state, build=build) for i, (state, build) in enumerate(states)]
    kept, _ = hold_back_unproven(BUILDS, proven_builds(vms), (NEW, OLD) * n, vms)
    for shape in (NEW, OLD):
        build = BUILDS[str(shape)]
        mine = [each for each in vms if each.build == build]
        alive = [each for each in mine if each.state not in {VMState.DONE, VMState.RETIRED}]
        good = any(each.state in AT_WORK or each.claims for each in mine)
        assert kept.count(shape) == (n if good else 0 if alive else 1)


# Builds


def submitted(directory: Path, **own: object) -> Submission:
    keys = {f"batchsubmit.condorec2.{key}": value for key, value in own.items()}
    return make_queue(directory, {**VMS, **keys}).batchsubmit.submission(2, (), submit_tools(directory))


def test_build_depends_on_image_and_user_data_only(tmp_path: Path) -> None:
    first, second = (item["build"] for item in submitted(tmp_path).items)
    assert first == second
    assert submitted(tmp_path).items[0]["build"] == first
    assert submitted(tmp_path, ami_id="ami-2").items[0]["build"] != first
    assert submitted(tmp_path, idle="2h").items[0]["build"] != first, "idle is in the user-data"
    assert submitted(tmp_path, instance_type="m5.4xlarge").items[0]["build"] == first


def test_refuses_user_data_that_changed_since_the_configuration_was_read(tmp_path: Path) -> None:
    layer = tmp_path / "site.yaml"
    layer.write_text("#cloud-config\npackages: [a]\n")
    keys = {**VMS, "batchsubmit.condorec2.canary": True, "batchsubmit.condorec2.user_data_files": str(layer)}
    plugin = make_queue(tmp_path, keys).batchsubmit
    assert plugin.submission(1, (), submit_tools(tmp_path)).items
    layer.write_text("#cloud-config\npackages: [b]\n")
    with pytest.raises(ValueError, match="changed on disk; send SIGHUP"):
        plugin.submission(1, (), submit_tools(tmp_path))
