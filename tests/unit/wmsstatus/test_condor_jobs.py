"""Condor and CondorLocal: the schedds they read, and the work status from their counts."""

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Any

import pytest

from factory.condor.job_demand import JobDemandRows, SelectionDemand
from factory.condor.schedd.job_counts import QUEUE_ATTRIBUTE, JobCountRows, JobCountSource, fold_groups
from factory.model.demand import Demand, Room, Template, VMLease
from factory.model.matches import Matches
from factory.model.source import Reading, Readings
from factory.model.status import SiteStatus, Unknown, WmsStatus
from factory.model.vm import JobId
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.observe.sources import merge_sources
from factory.plugin import ScheddAddress
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings
from plugins.wmsstatus.condor import Condor
from plugins.wmsstatus.condorlocal import CondorLocal
from plugins.wmsstatus.scheddjobs import ScheddJobs
from tests.rig.counting import calls

NOW = 1_000_000.0


def jobs(kind: type[ScheddJobs] = Condor, wmsqueue: str | None = "A", **settings: Any) -> ScheddJobs:
    queue = QueueSettings(
        name="Q",
        wmsqueue=wmsqueue,
        wmsstatusplugin="Condor",
        batchstatusplugin="Condor",
        schedplugin=("Ready",),
        batchsubmitplugin="CondorLocal",
    )
    return kind(queue, kind.Settings(**settings), FactorySettings())


def readings(plugin: ScheddJobs, *rows: JobCountRows | str) -> Readings:
    """Return one reading for each schedd, from rows or an error."""
    by_key = {}
    for source, each in zip(plugin.sources(), rows, strict=True):
        error = each if isinstance(each, str) else None
        by_key[source.key] = Reading(source.key, NOW, NOW, None if error else each, error)
    return Readings(NOW, by_key)


def rows(by_constraint: Mapping[str, Any] | None = None, **idle: int) -> JobCountRows:
    return JobCountRows(
        total={1: sum(idle.values())},
        by_attribute={QUEUE_ATTRIBUTE: {queue: {1: n} for queue, n in idle.items()}},
        by_constraint=by_constraint or {},
    )


@pytest.mark.parametrize(
    ("settings", "schedds"),
    [
        ({}, [ScheddAddress()]),
        ({"schedd": "a"}, [ScheddAddress("a")]),
        ({"schedd": "a, b", "pool": "cm:9620"}, [ScheddAddress("a", "cm:9620"), ScheddAddress("b", "cm:9620")]),
        ({"pool": "cm"}, [ScheddAddress(None, "cm")]),
        ({"scheddhost": "s", "scheddport": "9618"}, [ScheddAddress()]),
        ({"scheddhost": "s", "collectorhost": "c"}, [ScheddAddress("s", "c:9618")]),
        ({"scheddhost": "s", "collectorhost": "c", "collectorport": "9619"}, [ScheddAddress("s", "c:9619")]),
        ({"collectorhost": "c"}, [ScheddAddress(None, "c:9618")]),
        ({"scheddhost": "", "collectorhost": "c"}, [ScheddAddress(None, "c:9618")]),
        ({"scheddhost": "s", "collectorhost": ""}, [ScheddAddress()]),
    ],
)
def test_schedds_are_named_by_name_and_pool_or_by_host_and_port(
    settings: dict[str, Any], schedds: list[ScheddAddress]
) -> None:
    assert list(jobs(**settings).schedds()) == schedds


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"scheddhost": "s"}, True),
        ({"scheddhost": "s", "collectorhost": "localhost"}, True),
        ({"scheddhost": "s", "collectorhost": "c"}, False),
        ({"scheddhost": "localhost"}, False),
        ({"schedd": "s"}, False),
    ],
)
def test_check_warns_of_a_named_schedd_that_is_not_read(settings: dict[str, Any], warned: bool) -> None:
    found = [finding for finding in jobs(**settings).check() if finding.key == "wmsstatus.condor.scheddhost"]
    assert bool(found) is warned
    assert all("write wmsstatus.condor.schedd = s" in finding.text for finding in found)


@pytest.mark.parametrize(
    "settings",
    [
        {"schedd": "a", "collectorhost": "c"},
        {"pool": "p", "scheddhost": "s"},
        {"schedd": "a,b,a"},
        {"queueskey": "no attribute"},
        {"queueskey": "x || true"},
        {"collectorport": 0},
    ],
)
def test_contradictory_settings_are_rejected(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"schedd|attribute|greater"):
        jobs(**settings)


def test_job_states_count_as_in_autopyfactory() -> None:
    counts = {status: 2**status for status in range(8)}
    plugin = jobs()
    read = plugin.read(readings(plugin, JobCountRows(by_attribute={QUEUE_ATTRIBUTE: {"A": counts}})))
    assert read == WmsStatus(ready=1 + 2, running=4 + 64 + 128, done=8 + 16, failed=32)
    assert plugin.read_site(readings(plugin, rows())) == SiteStatus("ok")


@pytest.mark.parametrize(
    ("wmsqueue", "settings", "ready"),
    [
        ("A", {}, 3),
        ("absent", {}, 0),
        (None, {}, 7),
        ("ANY", {}, 7),
        ("A", {"queueskey": "ANY"}, 7),
        ("u", {"queueskey": "Owner"}, 5),
        ("A", {"constraint": "Blue"}, 1),
    ],
)
def test_jobs_are_selected_by_queue_attribute_constraint_or_all(
    wmsqueue: str | None, settings: dict[str, Any], ready: int
) -> None:
    plugin = jobs(wmsqueue=wmsqueue, **settings)
    brought = JobCountRows(
        total={1: 7},
        by_attribute={QUEUE_ATTRIBUTE: {"A": {1: 3}, None: {1: 4}}, "Owner": {"u": {1: 5}, "v": {1: 2}}},
        by_constraint={"Blue": {1: 1}},
    )
    assert plugin.read(readings(plugin, brought)) == WmsStatus(ready=ready)


def test_jobs_of_several_schedds_are_added_up() -> None:
    plugin = jobs(schedd="a, b, c")
    assert plugin.read(readings(plugin, rows(A=3), rows(A=4, B=9), rows())) == WmsStatus(ready=7)


def test_work_is_partial_if_one_schedd_fails_and_unknown_if_all_fail() -> None:
    plugin = jobs(schedd="a, b")
    read = plugin.read(readings(plugin, rows(A=3), "no answer within 60 s"))
    assert read == WmsStatus(ready=3, partial="jobs in schedd b: no answer within 60 s")
    read = plugin.read(readings(plugin, "down", "down too"))
    assert read == Unknown("jobs in schedd a: down; jobs in schedd b: down too")


def test_stale_reading_counts_as_missing() -> None:
    plugin = jobs(schedd="a, b", maxage=100)
    fresh, stale = plugin.sources()
    by_key = {
        fresh.key: Reading(fresh.key, NOW, NOW, rows(A=3), maxage_s=fresh.maxage_s),
        stale.key: Reading(stale.key, NOW - 101, NOW, rows(A=4), maxage_s=stale.maxage_s),
    }
    read = plugin.read(Readings(NOW, by_key))
    assert isinstance(read, WmsStatus)
    assert read.ready == 3
    assert "older than 100 s" in str(read.partial)


def test_wrong_constraint_is_unknown_for_its_own_queue_only() -> None:
    wrong, right = jobs(constraint="foo(1)"), jobs()
    brought = rows({"foo(1)": Unknown("constraint 'foo(1)': no such function")}, A=3)
    read = wrong.read(readings(wrong, brought))
    assert read == Unknown("jobs in schedd local: constraint 'foo(1)': no such function")
    assert right.read(readings(right, brought)) == WmsStatus(ready=3)


def test_new_selection_is_unknown_until_it_is_polled() -> None:
    for plugin in (jobs(constraint="Red"), jobs(queueskey="Owner")):
        assert isinstance(plugin.read(readings(plugin, rows(A=3))), Unknown)


def test_500_queues_of_one_schedd_share_one_source() -> None:
    plugins = [jobs(kind, wmsqueue=f"q{n}") for n in range(250) for kind in (Condor, CondorLocal)]
    plugins += [jobs(constraint="Blue"), jobs(constraint="Blue"), jobs(queueskey="Owner"), jobs(queueskey="ANY")]
    (source,) = merge_sources(source for plugin in plugins for source in plugin.sources()).values()
    assert isinstance(source, JobCountSource)
    assert source.constraints == {"Blue"}
    assert source.attributes == {QUEUE_ATTRIBUTE, "Owner"}


def group(count: int, status: int = 1, universe: int = 5, **ad: Any) -> dict[str, Any]:
    return {"JobStatus": status, "JobUniverse": universe, "JobCount": count, **ad}


def test_counts_fold_by_attribute_without_jobs_startds_can_not_run() -> None:
    folded = fold_groups(
        [
            group(1, MATCH_APF_QUEUE="A", Owner="u"),
            group(2, MATCH_APF_QUEUE="A", Owner="v"),
            group(4, MATCH_APF_QUEUE="A", Owner="v", status=2),
            group(8, Owner="v"),
            group(16, universe=9, MATCH_APF_QUEUE="A"),
            group(32, universe=7),
            group(64, universe=12),
            group(128, universe=11),
            group(256, universe=10),
            group(512, Managed="External"),
            group(1024, Managed="ScheddDone"),
            group(2048, MATCH_APF_QUEUE=7),
        ],
        [QUEUE_ATTRIBUTE, "Owner"],
        NOW,
    )
    idle = 1 + 2 + 8 + 256 + 1024 + 2048
    assert folded.total == {1: idle, 2: 4}
    assert folded.by_attribute[QUEUE_ATTRIBUTE] == {"A": {1: 3, 2: 4}, None: {1: 8 + 256 + 1024}, "7": {1: 2048}}
    assert folded.by_attribute["Owner"] == {"u": {1: 1}, "v": {1: 10, 2: 4}, None: {1: 256 + 1024 + 2048}}


@pytest.mark.parametrize(
    ("ad", "counted"),
    [
        ({"DeferralTime": NOW + 1000}, False),
        ({"DeferralTime": NOW + 299}, True),
        ({"DeferralTime": NOW + 1000, "DeferralPrepTime": 2000}, True),
        ({"DeferralTime": NOW + 1000, "status": 2}, True),
        ({"DeferralTime": object()}, True),
    ],
)
def test_deferred_job_counts_from_its_preparation_time(ad: dict[str, Any], counted: bool) -> None:
    assert bool(fold_groups([group(1, **ad)], [], NOW).total) is counted


def test_constraint_with_a_syntax_error_is_rejected() -> None:
    pytest.importorskip("classad2")
    for wrong in ("Owner ==", "true) || (true", 'Owner == "x', ""):
        with pytest.raises(ValueError, match="not a ClassAd expression"):
            jobs(constraint=wrong)
    assert jobs(constraint='Owner == "x"').sources()


def test_sources_are_cheap_to_name() -> None:
    """Each round asks each of hundreds of queues."""
    plugin = jobs(constraint='Owner == "x"')
    plugin.sources()
    assert calls(plugin.sources) < 20


def fit(*, wms_started: float = NOW, vms_started: float = NOW, vms_error: str | None = None) -> Demand:
    """Return the demand that a plugin reads from job groups and VM jobs."""
    plugin = jobs()
    plugin.templates = ()
    (source,) = plugin.sources()
    job = VMJobRow(JobId(1, 0), 2, "vm-1", "Q", "", "", "", 0, 0, 5000.0, None, None, "i-1", None, None, update_s=20)
    vms = VMJobRows((job, replace(job, uuid="vm-2", retire_time=7.0), replace(job, uuid="vm-3", status=5)))
    rows = JobDemandRows(Demand(), {'MATCH_APF_QUEUE =?= "A"': SelectionDemand((), Matches({}, ()), {}, {})})
    by_key = {
        source.key: Reading(source.key, wms_started, wms_started, rows),
        "VM jobs": Reading("VM jobs", vms_started, vms_started, None if vms_error else vms, vms_error),
    }
    status = plugin.read(Readings(NOW + 60, by_key, NOW - 60))
    assert isinstance(status, WmsStatus)
    assert status.demand is not None
    return status.demand


def test_leases_of_vm_jobs_are_in_the_demand() -> None:
    found = fit()
    assert found.leases == {
        "vm-1": VMLease(5000.0, retiring=False, update_s=20),
        "vm-2": VMLease(5000.0, retiring=True, update_s=20),
        "vm-3": VMLease(5000.0, retiring=True, update_s=20),
    }
    assert found.update_s == FactorySettings().update_interval


@pytest.mark.parametrize(
    "how",
    [
        {"vms_error": "no answer"},
        {"vms_started": NOW - 30},
        {"vms_started": NOW - 70, "wms_started": NOW - 50},
        {"vms_started": NOW - 61, "wms_started": NOW - 59},
    ],
)
def test_leases_are_unknown_if_vm_jobs_failed_or_were_read_too_early(how: dict[str, Any]) -> None:
    assert fit(**how).leases is None


def test_queues_share_one_source_and_those_with_equal_jobs_share_them() -> None:
    one, same, other, all_jobs = jobs(), jobs(schedd="s, t"), jobs(wmsqueue="B"), jobs(wmsqueue=None)
    for plugin in (one, same, other, all_jobs):
        plugin.templates = (Template("t/s", Room(1, 1000)),)
    assert len(merge_sources([source for plugin in (one, other, all_jobs) for source in plugin.sources()])) == 1
    assert len(merge_sources(same.sources())) == 2
    assert one.shares() == jobs().shares()
    assert not one.shares() & (other.shares() | all_jobs.shares())
    assert same.shares() & jobs(schedd="t").shares()
    assert not same.shares() & one.shares(), "of other schedds"


class _Value(IntEnum):
    """As the bindings return it."""

    UNDEFINED = 2


def test_undefined_is_no_name_of_a_queue() -> None:
    row = {"JobStatus": 1, "JobCount": 3, "JobUniverse": 5, QUEUE_ATTRIBUTE: _Value.UNDEFINED}
    assert fold_groups([row, {**row, QUEUE_ATTRIBUTE: 2}], [QUEUE_ATTRIBUTE], NOW).by_attribute == {
        QUEUE_ATTRIBUTE: {None: {1: 3}, "2": {1: 3}}
    }


def test_job_with_an_odd_status_stops_no_count() -> None:
    row = {"JobStatus": 1, "JobCount": 3, "JobUniverse": 5, "JobIds": "1.0"}
    rows = fold_groups([{**row, "JobStatus": "x"}, row], [], NOW)
    assert (rows.total, len(rows.problems)) == ({1: 3}, 1)
