"""Orphans on a real pool and cloud are terminated, and nothing else is."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.cloudhooks import deny
from tests.rig.factory import QUEUE, Factory, ec2_queue, removed_at_end
from tests.rig.orphans import AUDITED, SCHEDD, audit, audits, launched
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_terminates_only_instances_without_a_vm_job(cloud: CloudProcess, make_factory: MakeFactory) -> None:
    """Instances of other factories, of other schedds and without tags stay (rule 10)."""
    factory = make_factory(factory={**AUDITED, "orphans": "report"})
    mine = {"apf_factory": factory.id, "apf_queue": QUEUE, "apf_vm": f"{factory.id}-lost", "apf_schedd": SCHEDD}
    with ExitStack() as stack, factory:
        audits(factory, 2)  # launch times have a resolution of one second
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


def test_protected_instance_does_not_delay_other_terminations(pool: Pool, tmp_path: Path) -> None:
    with CloudProcess(tmp_path / "cloud", boot_delay_s=0.5, hooks=["tests.rig.cloudhooks:Broken"]) as cloud:
        factory = Factory(tmp_path, pool, "protected", {QUEUE: ec2_queue(cloud, "protected")}, **AUDITED)
        tags = {"apf_factory": factory.id, "apf_queue": QUEUE, "apf_vm": f"{factory.id}-lost", "apf_schedd": SCHEDD}
        with ExitStack() as stack, removed_at_end(factory), factory:
            audits(factory, 2)
            deny(cloud.directory, "TerminateInstances OperationNotPermitted")
            protected, other = sorted(stack.enter_context(launched(cloud, tags)) for _ in range(2))
            deny(cloud.directory, f"TerminateInstances OperationNotPermitted {protected}")
            until(lambda: cloud.instances()[other]["state"] in ("shutting-down", "terminated"), "it is terminated", 60)
            until(
                lambda: "OperationNotPermitted" in str(audit(factory)[protected]["error"]),
                "the reason for the other",
                30,
            )
            assert cloud.instances()[protected]["state"] == "running"
            # The status may be that of the audit before the termination of the other instance.
            until(lambda: "OperationNotPermitted" in factory.run("status").stdout, "for people too", 30)
            deny(cloud.directory)


@pytest.mark.parametrize("believed_after_s", [6, 100_000])
@pytest.mark.parametrize("once", [True, False])
def test_starting_factory_counts_orphans_before_it_buys(
    cloud: CloudProcess, make_factory: MakeFactory, once: bool, believed_after_s: int
) -> None:
    """They count even while the collector is too young to be trusted; then nothing is terminated (rule 6)."""
    settings = {"audit_interval": 100, "update_interval": believed_after_s // 2}
    factory = make_factory(factory=settings, batchsubmit__condorec2__maxinstances=2)
    tags = {"apf_factory": factory.id, "apf_queue": QUEUE, "apf_vm": f"{factory.id}-lost", "apf_schedd": SCHEDD}
    with launched(cloud, tags) as orphan:
        Work(factory).submit(5)
        if once:
            done = factory.run("--once")
            assert done.returncode == 0, done.stderr
        else:
            with factory:
                until(factory.queue, "a round", 30)
                first = factory.queue()["decided"]
                until(lambda: factory.queue()["decided"] > first, "another round", 30)
        bought = [job for action in factory.actions("submit") for job in action["jobs"]]
        assert len(bought) == 1
        assert audit(factory)[orphan]["step"] == "wait"
        assert cloud.instances()[orphan]["state"] == "running"


def test_terminates_nothing_while_the_collector_is_too_young(cloud: CloudProcess, make_factory: MakeFactory) -> None:
    """An audit needs a collector that has been up for long enough (rule 2)."""
    factory = make_factory(factory={**AUDITED, "update_interval": 50_000})
    tags = {"apf_factory": factory.id, "apf_queue": QUEUE, "apf_vm": f"{factory.id}-lost", "apf_schedd": SCHEDD}

    def ended() -> float:
        return float((factory.status().get("audit") or {}).get("ended", 0))

    def audited(times: int) -> None:
        for _ in range(times):
            last = ended()
            until(lambda: ended() > last, "an audit", 30)  # noqa: B023 - called before the next one

    with ExitStack() as stack, factory:
        audited(2)  # it is younger than the factory, so only the age of the collector protects it
        orphan = stack.enter_context(launched(cloud, tags))
        audited(4)
        assert audit(factory)[orphan]["step"] == "wait"
        assert cloud.instances()[orphan]["state"] == "running"
