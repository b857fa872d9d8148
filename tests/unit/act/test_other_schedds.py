"""Questions to the other schedds before a VM is ended (rule 5)."""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from factory.act.other_schedds import OtherSchedds, may_end_vm, query_other_schedds
from factory.condor.schedd.actions import fold_jobs_on_startds
from factory.config.queues import Config
from factory.model.actions import Release, Remove
from factory.model.address import ScheddAddress
from factory.model.job import RunningJob
from factory.model.vm import JobId
from factory.process.workers import CallFailed
from factory.settings.factory import FactorySettings
from tests.rig.queues import VMS, make_queue
from tests.rig.vms import vm

OWN, OTHER = ScheddAddress(), ScheddAddress("other")
END = Remove(queue="Q", job=JobId(1, 0), vm=vm("vm1"), reason="empty")
AGAIN = Release(queue="Q", vm=vm("vm1"), ends=True, reason="termination failed")
PILOT = Remove(queue="Q", job=JobId(2, 0), reason="a plain job")


@pytest.mark.parametrize(
    "host", ["slot1@vm1@ip-10-0-0-1", "slot1_2@vm1@ip-10-0-0-1", "vm1@ip-10-0-0-1", "slot1@vm1", "vm1"]
)
def test_recognizes_every_form_of_a_startd_name(host: str) -> None:
    ad = {"RemoteHost": host, "ClusterId": 7, "ProcId": 1, "Owner": "ann"}
    jobs = fold_jobs_on_startds([ad, {"ClusterId": 8, "ProcId": 0}], {"vm1", "vm2"})
    assert {startd: str(job) for startd, job in jobs.items()} == {"vm1": "job 7.1 of ann"}


def test_similar_startd_name_is_another_startd() -> None:
    for host in ("slot1@vm10@h", "slot1@h@vm1", "slot1@avm1@h"):
        assert fold_jobs_on_startds([{"RemoteHost": host, "ClusterId": 7, "ProcId": 1}], {"vm1"}) == {}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    keys = {**VMS, "wmsstatusplugin": "Condor", "wmsstatus.condor.schedd": "other", "wmsqueue": "Q"}
    return Config(factory=FactorySettings(), queues=(make_queue(tmp_path, keys),))


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def query(
    threads: ThreadPoolExecutor,
    config: Config,
    answer: Mapping[str, RunningJob] | CallFailed,
    silent: Collection[str] = (),
) -> tuple[OtherSchedds, list[ScheddAddress]]:
    asked = []

    def ask(schedd: ScheddAddress, startds: Collection[str]) -> Mapping[str, RunningJob]:
        asked.append(schedd)
        assert set(startds) == {"vm1"}
        if isinstance(answer, CallFailed):
            raise answer
        return answer

    return query_other_schedds([END, PILOT], OWN, config, silent, ask, threads), asked


def test_asks_every_other_schedd_once_a_round(config: Config, threads: ThreadPoolExecutor) -> None:
    answer, asked = query(threads, config, {})
    assert (asked, answer.objection(END), answer.objection(PILOT)) == ([OTHER], None, None)
    answer, _ = query(threads, config, {"vm1": RunningJob(JobId(5, 0), "ann")})
    assert "job 5.0 of schedd other (owner ann) still runs on vm1" in str(answer.objection(END))
    assert answer.objection(AGAIN) == answer.objection(END)
    for each in (PILOT, replace(END, despite_jobs=True)):
        assert (answer.objection(each), answer.job_on(each)) == (None, None)


def test_objects_while_a_schedd_does_not_answer(config: Config, threads: ThreadPoolExecutor) -> None:
    answer, asked = query(threads, config, CallFailed("no answer within 60 s"))
    assert asked == [OTHER]
    assert "schedd other: no answer within 60 s" in str(answer.objection(END))
    answer, asked = query(threads, config, {}, silent={"schedd other"})
    assert asked == [], "it is not asked again"
    assert "schedd other did not answer" in str(answer.objection(END))


def test_plugin_that_cannot_name_its_schedds_stops_only_its_queue(
    config: Config, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(config.queues[0].wmsstatus, "jobs", broken)
    answer, _ = query(threads, config, {})
    assert "plugin Condor failed to name its schedds" in str(answer.objection(END))
    other = Remove(queue="OTHER", job=JobId(1, 0), vm=vm("vm1"), reason="empty")
    assert answer.objection(other) is None


def test_asks_nothing_if_no_vm_may_end(config: Config, threads: ThreadPoolExecutor) -> None:
    def ask(schedd: ScheddAddress, startds: Collection[str]) -> Mapping[str, RunningJob]:
        raise AssertionError(schedd)

    assert query_other_schedds([PILOT], OWN, config, (), ask, threads) == OtherSchedds()
    assert [may_end_vm(each) for each in (END, AGAIN, replace(AGAIN, ends=False))] == [True, True, False]
