"""Removal of VM jobs that are proven empty or overdue."""

from factory.lifecycle.removal import NO_INSTANCE
from factory.model.actions import Remove
from factory.model.memory import Memory, Seen
from factory.model.vm import Hold, VMState
from tests.rig.planning import names, planned
from tests.rig.vms import NOW, vm


def test_removes_a_vm_job_only_if_it_still_has_no_instance() -> None:
    (action,) = planned(-1, vm("vm1", VMState.SUBMITTED)).actions
    assert isinstance(action, Remove)
    assert action.still == NO_INSTANCE


def test_removes_only_a_vm_proven_empty_that_is_unchanged() -> None:
    """Rule 5."""
    for state in VMState:
        removed = [a for a in planned(0, vm("vm1", state)).actions if isinstance(a, Remove)]
        assert bool(removed) is (state is VMState.RETIRED), state
        for action in removed:
            assert action.vm is not None, "the worker checks that no job runs there"
            assert action.still == 'JobStatus == 2 && EC2InstanceName == "i-vm1"'


def test_job_that_names_a_vm_keeps_it_for_a_job_lease_after_the_first_proof() -> None:
    """Rule 5: the owner of a job can write any RemoteHost into its ad."""
    ended = Hold(0, 0, "The EC2 server says so")
    for proven in (vm("vm1", VMState.RETIRED), vm("vm1", VMState.HELD, hold=ended, grid_status="terminated")):
        for since, late in ((NOW, False), (NOW - 2399, False), (NOW - 2400, True)):
            (remove,) = planned(0, proven, memory=Memory(proven={"vm1": since})).actions
            assert isinstance(remove, Remove)
            assert (remove.jobs_keep_until, remove.despite_jobs) == (since + 2400, late)
        (remove,) = planned(0, proven, job_lease_s=60).actions
        assert isinstance(remove, Remove)
        assert (remove.jobs_keep_until, remove.despite_jobs) == (NOW + 60, False), "a new factory counts from now"
    missing = Memory(vms={"vm1": Seen(NOW - 9000, NOW - 8000)}, absent={"vm1": NOW - 8000}, proven={"vm1": 0})
    (remove,) = planned(0, vm("vm1", VMState.LOST), memory=missing).actions
    assert isinstance(remove, Remove)
    assert (remove.jobs_keep_until, remove.despite_jobs) == (None, False), "absence is no proof"


def test_spares_an_unretired_vm_from_removal_for_two_minutes() -> None:
    for age, gone in ((50, False), (119, False), (121, True)):
        back = vm("vm1", VMState.RETIRED, retire_time=NOW - 500, unretire_time=NOW - age)
        assert bool(names(planned(0, back, memory=Memory(alone={"vm1": NOW - 300})), Remove)) is gone


def test_gives_an_unretired_vm_time_to_restart_its_startd() -> None:
    """The startd of a VM that was unretired with claims leaves when its last job ends, and then starts again."""
    back = vm("vm1", VMState.RETIRED, retire_time=NOW - 9000, unretire_time=NOW - 8000)
    for since, gone in ((1, False), (119, False), (121, True)):
        assert bool(names(planned(0, back, memory=Memory(alone={"vm1": NOW - since})), Remove)) is gone
    assert not names(planned(0, back), Remove), "nor by a factory that has just started"


def test_removes_a_vm_job_without_instance_after_starttimeout() -> None:
    """Rule 9."""
    for waited, gone in ((1799, False), (1801, True)):
        answer = planned(0, vm("vm1", VMState.SUBMITTED, submitted=NOW - waited))
        assert bool(answer.actions) is gone


def test_failed_removals_come_last() -> None:
    first, second = vm("vm1", VMState.RETIRED), vm("vm2", VMState.RETIRED)
    assert names(planned(0, first, second, removefraction=0.5), Remove) == ["vm1"]
    refused = Memory(refused={"vm1": 1})
    assert names(planned(0, first, second, removefraction=0.5, memory=refused), Remove) == ["vm2"]
