"""VM jobs and machines with evictable jobs come from one query and stay separate."""

import getpass
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.condor.schedd.vm_jobs import VMJobsSource
from factory.model.address import ScheddAddress
from factory.model.vm_job import VMJobRows
from factory.process.workers import Workers
from tests.rig.pool import ONE_STARTD, Pool
from tests.rig.wait import until


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    with Pool(tmp_path, ONE_STARTD) as pool:
        monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
        yield pool


def test_one_query_separates_vm_jobs_and_evictable_jobs(pool: Pool) -> None:
    def fetch() -> VMJobRows:
        return workers.call("schedd", 30, source.fetch)

    def vm_job(factory: str, vm: str, **more: str) -> int:
        made = {"My.APFFactory": f'"{factory}"', "My.APFVM": vm, "My.APF_QUEUE": '"Q"'}
        grid = {"universe": "grid", "grid_resource": "batch pbs", "executable": "/bin/true", "hold": "true"}
        return pool.submit({**grid, **made, **more})

    def sleep(**more: str) -> int:
        asks = {"transfer_executable": "false", "arguments": "1000", "request_memory": "16"}
        return pool.submit({"executable": "/bin/sleep", **asks, **more})

    workers = Workers()
    source = VMJobsSource(schedd=ScheddAddress(), owner=getpass.getuser(), factory_id="one")
    try:
        mine = vm_job("one", '"uuid-1"')
        vm_job("ONE", '"uuid-2"')
        vm_job("one", "undefined")
        vm_job("one", '"uuid-3"', universe="vanilla")  # only a grid job owns an instance
        waits = sleep(max_job_retirement_time="60", requirements="false")
        keeps = sleep()
        until(lambda: pool.jobs(f"ClusterId == {keeps} && JobStatus == 2 && RemoteHost =!= undefined"), "it runs", 60)
        odd = [b"condor_qedit", str(mine).encode(), b"HoldReason", '"läuft über"'.encode("latin-1")]
        subprocess.run(odd, env=pool.env, check=True, capture_output=True)
        rows = fetch()
        hold = rows.jobs[0].hold
        assert hold is not None
        assert hold.reason == r"l\344uft \374ber", "text that is not UTF-8 fails no poll"
        assert [(job.job.cluster, job.uuid, job.queue) for job in rows.jobs] == [(mine, "uuid-1", "Q")]
        assert rows.evictable == frozenset()

        pool.run("condor_qedit", str(waits), "Requirements", "true")
        until(lambda: pool.jobs(f"ClusterId == {waits} && JobStatus == 2 && RemoteHost =!= undefined"), "it runs", 60)
        rows = fetch()
        assert [job.uuid for job in rows.jobs] == ["uuid-1"]
        assert {name.split("@", 1)[0] for name in rows.evictable} == {"vm1"}
    finally:
        workers.stop()
