"""Job ads that HTCondor makes from the submit descriptions of CondorEC2, with all ec2_* keys."""

from pathlib import Path

import pytest

from factory.condor.tools.dry_run import dry_run
from tests.rig.ec2table import COMMANDS, Command, keys
from tests.rig.pool import Pool
from tests.rig.queues import NOW, VMS, make_queue, submit_tools

pytestmark = pytest.mark.usefixtures("_in_pool")


@pytest.fixture
def _in_pool(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])


def job_ad(directory: Path, **own: str) -> dict[str, object]:
    """Return the ad of the first VM job of a queue with these keys."""
    import classad2

    queue = make_queue(directory, {**VMS, **own}, "MY/VMS")
    made = queue.batchsubmit.submission(1, (), submit_tools(directory, queue))
    tried = dry_run(made.description, made.items[0], directory)
    assert not tried.unused, "condor_submit knows every line"
    ad = classad2.parseOne(tried.ad)
    return {name: ad.eval(name) for name in ad}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.key)
def test_each_ec2_key_becomes_its_job_attribute(tmp_path: Path, command: Command) -> None:
    ad = job_ad(tmp_path, **keys(command))
    name, value = command.attribute
    assert ad[name] == value
    if name.startswith("EC2Param_"):
        names = str(ad["EC2ParamNames"]).split(", ")
        assert name in {"EC2Param_" + dotted.replace(".", "_") for dotted in names}, "with its dots"


def test_all_ec2_keys_work_together(tmp_path: Path) -> None:
    apart = {"keypair_file", "iam_profile_name", "ec2_spot_price", "tag_CostCentre", "gridresource", "access_key_id"}
    together = [command for command in COMMANDS if command.key not in apart]
    ad = job_ad(tmp_path, **{key: value for command in together for key, value in keys(command).items()})
    for command in together:
        name, value = command.attribute
        assert ad[name] == value


def test_vm_job_shows_its_factory_queue_and_lease(tmp_path: Path) -> None:
    ad = job_ad(tmp_path, **{"batchsubmit.condorec2.lease": "1h", "batchsubmit.condorec2.lease_max": "2h"})
    assert ad["JobUniverse"] == 9
    assert ad["APF_QUEUE"] == ad["MATCH_APF_QUEUE"] == "MY/VMS"
    assert (ad["APFFactory"], ad["APFVM"], ad["APFIncarnation"]) == ("f1", "vm-1", "1 host 2")
    assert ad["APFShape"] == "ami-1/m5.large/*/on-demand"
    assert str(ad["APFIdentity"]).startswith("apf@")
    assert (ad["APFLeaseEnd"], ad["APFLeaseMax"]) == (int(NOW) + 3600, int(NOW) + 7200)
    assert ad["PeriodicRemove"] is True, "the lease ended long ago"
    assert ad["EC2UserDataFile"] == str(tmp_path / "userdata" / "vm-1")
    assert "EC2UserData" not in ad
    values = [value for name, value in ad.items() if name.startswith("EC2Param_TagSpecification")]
    assert {"apf:factory", "f1", "apf:queue", "MY/VMS", "apf:vm", "vm-1"} <= set(values)
    assert str(ad["EC2ParamNames"]).startswith("Version, ")
    assert ad["EC2Param_Version"] == "2016-11-15"


@pytest.mark.parametrize("remove", ["periodic_remove", "Periodic_Remove"])
def test_extra_submit_lines_override_others(tmp_path: Path, remove: str) -> None:
    own = {
        "batchsubmit.condorec2.condor_attributes": r'+Project = "a\,b",Notification = always',
        f"batchsubmit.condorec2.condor_attributes.{remove}": "False",
    }
    ad = job_ad(tmp_path, **own)
    assert (ad["Project"], ad["JobNotification"]) == ("a,b", 1)
    assert ad["PeriodicRemove"] is True, "the lease stays in force, and it ended long ago (rule 9)"
