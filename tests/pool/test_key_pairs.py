"""Key pairs of VM jobs on OpenStack: each factory deletes its own remaining ones and no others."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from localcloud.process import CloudProcess
from tests.rig.factory import QUEUE, Factory, ec2_queue, removed_at_end
from tests.rig.orphans import AUDITED, audit, audits
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[CloudProcess]:
    with CloudProcess(tmp_path / "stack", flavour="openstack", boot_delay_s=0.5, shutdown_delay_s=0.5) as running:
        yield running


def key_pairs(cloud: CloudProcess) -> set[str]:
    return {str(each["KeyName"]) for each in cloud.client().describe_key_pairs()["KeyPairs"]}


def stamp(factory: Factory) -> str:
    """Return the part of a key pair name that identifies the only VM job, as a pattern."""
    (job,) = factory.vm_jobs("ClusterId", "ProcId", "QDate")
    return f"[# ]{job['ClusterId']}[. ]{job['ProcId']}[# ]{job['QDate']}$"


def test_factories_on_one_schedd_keep_each_others_key_pairs(stack: CloudProcess, pool: Pool, tmp_path: Path) -> None:
    """This holds while their jobs are in the queue and after they have left (rule 10)."""
    one, two = (
        Factory(tmp_path / name, pool, name, {QUEUE: ec2_queue(stack, name)}, **AUDITED) for name in ("one", "two")
    )
    with ExitStack() as ends:
        for factory in (one, two):
            ends.enter_context(removed_at_end(factory))
            ends.enter_context(factory)
        work = [Work(factory).submit(1) for factory in (one, two)]
        for jobs in work:
            jobs.wait_running()
        until(lambda: len(key_pairs(stack)) == 2, "both have a key pair", 20)
        live = key_pairs(stack)
        (foreign,) = [name for name in live if re.search(stamp(two), name)]
        audits(one, 2)
        assert key_pairs(stack) == live
        for factory in (one, two):
            assert not audit(factory)
            assert factory.run("audit").returncode == 0
            assert " ERROR " not in factory.log_text()
        for jobs in work:
            jobs.open()
            jobs.wait_done()
        until(lambda: not one.vm_jobs() and not two.vm_jobs(), "everything has ended", 60)
        two.stop()
        unknown = re.sub(r"\d+([. ]\d+[# ]\d+)$", r"9999\1", foreign)
        for name in (*live, unknown):
            stack.client().create_key_pair(KeyName=name)
        until(lambda: key_pairs(stack) == {foreign, unknown}, "its own is deleted", 30)
        audits(one, 2)
        assert key_pairs(stack) == {foreign, unknown}
        assert {name: each["step"] for name, each in audit(one).items()} == {unknown: "report"}
        assert " ERROR " not in one.log_text()
        assert one.run("audit").returncode == 0
        assert unknown in one.run("audit").stdout
