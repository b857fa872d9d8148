"""A machine that may run a job of another schedd is not removed, even while that schedd is silent (rule 5)."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from factory.act.actor import Actor
from factory.condor.schedd.evictable_jobs import EvictableSource
from factory.config import load
from factory.model.actions import Remove
from factory.model.address import ScheddAddress
from factory.model.vm import VM, JobId, VMState
from factory.process.workers import Workers
from factory.state.directory import StateDir
from tests.rig.pool import ONE_STARTD, SECOND, TWO_SCHEDDS, Pool
from tests.rig.queues import VMS
from tests.rig.wait import until

CONF = {
    **VMS,
    "wmsstatusplugin": "Condor",
    "wmsstatus.condor.schedd": f"first@pool, {SECOND}",
    "wmsqueue": "Q",
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    directory = tmp_path_factory.mktemp("two")
    (directory / "spool2").mkdir()
    with Pool(directory, TWO_SCHEDDS + ONE_STARTD, name="first@pool") as pool:
        until(lambda: SECOND in pool.run("condor_status", "-schedd", "-af", "Name"), "the second schedd is there")
        yield pool


@pytest.fixture
def a_round(two: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Actor]]:
    """Return a function that makes the Actor of the next round."""
    monkeypatch.setenv("CONDOR_CONFIG", two.env["CONDOR_CONFIG"])
    sections = {"Factory": {"factoryId": "two", "pool": two.address, "deadline": 3}, "Q": CONF}
    path = tmp_path / "queues.conf"
    path.write_text(
        "\n".join(f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()) for name, keys in sections.items())
    )
    workers = Workers()
    yield lambda: Actor(load([path]), workers, StateDir(tmp_path, "two"), "1000 host 1")
    workers.stop()


def test_every_schedd_must_confirm_that_a_machine_is_empty(two: Pool, a_round: Callable[[], Actor]) -> None:
    cluster = two.submit({"executable": "/bin/true", "hold": "true", "My.APFFactory": '"two"', "My.APFVM": '"vm1"'})
    sleep = "executable = /bin/sleep\ntransfer_executable = false\narguments = 1000\nrequest_memory = 16\n"
    two.run("condor_submit", "-name", SECOND, "-", stdin=f"{sleep}max_job_retirement_time = 60\nqueue\n")
    until(lambda: "vm1" in _of_second(two, "RemoteHost"), "the job of the second schedd runs", 40)
    end = Remove(
        queue="Q", job=JobId(cluster, 0), reason="empty", vm=VM("vm1", "Q", JobId(cluster, 0), VMState.RETIRED, "test")
    )

    actor = a_round()
    startds = actor.workers.call("second", 30, EvictableSource(schedd=ScheddAddress(SECOND)).fetch).startds
    assert {name.split("@", 1)[0] for name in startds} == {"vm1"}, "its job set its own MaxJobRetirementTime"
    (outcome,) = actor.act([end])
    assert f"job {_of_second(two, 'ClusterId')}.0 of schedd {SECOND}" in str(outcome.error)

    second = two.pid_of_second_schedd()
    os.kill(second, signal.SIGSTOP)
    try:
        (outcome,) = a_round().act([end])
        assert f"a job may run on vm1 (schedd {SECOND}: " in str(outcome.error)
        assert "no answer within 3 s" in str(outcome.error)
    finally:
        os.kill(second, signal.SIGCONT)
    assert len(two.jobs('APFVM == "vm1"')) == 1

    two.run("condor_rm", "-name", SECOND, "-all")
    until(lambda: not _of_second(two, "ClusterId"), "it has gone", 30)
    (outcome,) = a_round().act([end])
    assert outcome.error is None
    assert two.jobs('APFVM == "vm1" && JobStatus != 3') == []


def _of_second(pool: Pool, attribute: str) -> str:
    return pool.run("condor_q", "-name", SECOND, "-allusers", "-af", attribute).strip()
