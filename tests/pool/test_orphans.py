"""Orphans on a real pool and cloud: what nobody owns is ended, and only that."""

from contextlib import ExitStack

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import QUEUE
from tests.rig.orphans import AUDITED, SCHEDD, audit, audits, launched
from tests.rig.wait import until


def test_an_instance_without_a_vm_job_is_terminated_and_others_are_not(
    cloud: CloudProcess, make_factory: MakeFactory
) -> None:
    """Also: nothing of another factory, of another schedd, or of nobody is touched (rule 10)."""
    factory = make_factory(factory={**AUDITED, "orphans": "report"})
    mine = {"apf_factory": factory.id, "apf_queue": QUEUE, "apf_vm": f"{factory.id}-lost", "apf_schedd": SCHEDD}
    with ExitStack() as stack, factory:
        audits(factory, 1)
        orphan, *foreign = [
            stack.enter_context(launched(cloud, tags))
            for tags in (
                mine,
                {**mine, "apf_schedd": "other@pool"},
                {**mine, "apf_schedd": ""},
                {**mine, "apf_vm": ""},
                {**mine, "apf_factory": "somebody"},
            )
        ]
        until(lambda: audit(factory).get(orphan, {}).get("step") == "report", "it is reported", 30)
        assert cloud.instances()[orphan]["state"] == "running"
        assert orphan in factory.run("status").stdout
        factory.settings["orphans"] = "terminate"
        factory.reload()
        until(lambda: cloud.instances()[orphan]["state"] in ("shutting-down", "terminated"), "it is terminated", 30)
        audits(factory, 1)
        assert {cloud.instances()[each]["state"] for each in foreign} == {"running"}
        found = audit(factory)
        assert {found[each]["step"] for each in foreign[:3]} == {"report"}
        assert foreign[3] not in found
        (done,) = factory.actions("terminate")
        assert orphan in done["what"]
        assert "never joined the pool" in done["reason"]
        assert factory.status()["audit"]["reaped"] == 1
