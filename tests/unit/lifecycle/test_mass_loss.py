"""Mass loss of startds: what it stops, for how long, and what confirms it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.lifecycle.mass_loss import detect_mass_loss
from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.lifecycle.timeouts import Timeouts
from factory.model.actions import Remove, Retire, Submit
from factory.model.ask import Ask
from factory.model.memory import Memory, Seen
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import VM, VMState
from tests.rig.vms import NOW, vm

FRESH_S, LONGEST_S = 60, 3600


def pool(lost: int, there: int, age: float, status: str | None = "running") -> tuple[list[VM], dict[str, Seen]]:
    """Return ``lost`` VMs whose startds left ``age`` seconds ago, and ``there`` VMs in the pool."""
    vms = [vm(f"vm{i}", VMState.LOST, grid_status=status) for i in range(lost)]
    vms += [vm(f"vm{i}", VMState.IDLE) for i in range(lost, lost + there)]
    seen = {f"vm{i}": Seen(NOW - 9000, gone=NOW - age if i < lost else None) for i in range(lost + there)}
    return vms, seen


@pytest.mark.parametrize(
    ("lost", "there", "age", "status", "detected", "fresh"),
    [
        (4, 6, 30, "running", True, True),
        (4, 6, 30, "terminated", True, True),
        (3, 7, 30, "running", False, False),
        (1, 0, 30, "running", False, False),
        (2, 0, 30, "running", True, True),
        (4, 6, 61, "running", True, False),
        (4, 6, 3599, "running", True, False),
        (4, 6, 3600, "running", False, False),
        (4, 6, 61, "terminated", False, False),
        (4, 6, 61, "shutting-down", False, False),
        (4, 6, 61, "SHUTOFF", False, False),
        (4, 6, 61, None, True, False),
        (3, 7, 61, "running", False, False),
    ],
)
def test_mass_loss_lasts_until_the_cloud_confirms_it_or_it_is_old(
    lost: int, there: int, age: float, status: str | None, detected: bool, fresh: bool
) -> None:
    """Rule 2: the gridmanager's word about the instances is the second source."""
    loss = detect_mass_loss(*pool(lost, there, age, status), FRESH_S, LONGEST_S, NOW)
    assert (loss is not None) is detected
    if loss is not None:
        assert loss.fresh is fresh
        assert f"{lost} of {lost + there} startds disappeared" in loss.text


def test_startds_that_leave_one_by_one_are_no_mass_loss() -> None:
    vms, seen = pool(6, 4, 0)
    seen |= {f"vm{i}": Seen(NOW - 9000, gone=NOW - 100 * (i + 1)) for i in range(6)}
    assert detect_mass_loss(vms, seen, FRESH_S, LONGEST_S, NOW) is None


def test_ignores_retiring_vms_and_ended_vm_jobs() -> None:
    vms, seen = pool(4, 6, 100)
    asked = [vm(each.uuid, each.state, retire_time=NOW - 200) for each in vms]
    assert detect_mass_loss(asked, seen, FRESH_S, LONGEST_S, NOW) is None
    done = [vm(each.uuid, VMState.DONE) for each in vms[:4]] + vms[4:]
    assert detect_mass_loss(done, seen, FRESH_S, LONGEST_S, NOW) is None


def test_unconfirmed_mass_loss_allows_purchases_and_ends_no_vm() -> None:
    vms, seen = pool(4, 6, 100)
    policy = VMPolicy(
        queue="Q", shape=Shape("ami-1", "m5.large"), removefraction=1, timeouts=Timeouts(lost_s=LONGEST_S)
    )
    down = plan(policy, Ask(-3), BatchStatus.of_vms(vms), Memory(seen), NOW)
    assert down.actions == ()
    assert "4 of 10 startds disappeared" in down.notes[-1]
    assert "pausing removals and retirements" in down.notes[-1]
    (action,) = plan(policy, Ask(2), BatchStatus.of_vms(vms), Memory(seen), NOW).actions
    assert isinstance(action, Submit)
    confirmed = [vm(each.uuid, each.state, grid_status="terminated") for each in vms[:2]] + vms[2:]
    actions = plan(policy, Ask(-3), BatchStatus.of_vms(confirmed), Memory(seen), NOW).actions
    assert len([action for action in actions if isinstance(action, Retire)]) == 3, "2 in doubt are no mass loss"


@given(st.lists(st.tuples(st.integers(0, 4000), st.sampled_from(["running", "terminated", None])), max_size=20),
       st.integers(0, 20))  # fmt: skip
def test_ends_no_vm_while_30_percent_of_startds_are_in_doubt(left: list[tuple[int, str | None]], there: int) -> None:
    vms = [vm(f"vm{i}", VMState.LOST, grid_status=status) for i, (_, status) in enumerate(left)]
    vms += [vm(f"vm{i + 50}", VMState.IDLE) for i in range(there)]
    seen = {f"vm{i}": Seen(NOW - 9000, gone=NOW - age) for i, (age, _) in enumerate(left)}
    seen |= {f"vm{i + 50}": Seen(NOW - 9000) for i in range(there)}
    policy = VMPolicy(
        queue="Q", shape=Shape("ami-1", "m5.large"), removefraction=1, timeouts=Timeouts(lost_s=LONGEST_S)
    )
    memory = Memory(seen, absent={f"vm{i}": NOW - age for i, (age, _) in enumerate(left)})
    ended = [a for a in plan(policy, Ask(-5), BatchStatus.of_vms(vms), memory, NOW).actions
             if isinstance(a, Remove | Retire)]  # fmt: skip
    doubtful = [age for age, status in left if status != "terminated" and age < LONGEST_S]
    for age in doubtful:
        at_once = sum(age - FRESH_S < other <= age for other in doubtful)
        if at_once > max(1, 0.3 * (there + len(doubtful))):
            assert not ended
