"""Tests of the checks of queues that need no daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.check.queues import check_queues, check_readings
from factory.plugin.finding import Finding
from tests.rig.queues import PILOTS, VMS, make_queue


@pytest.mark.parametrize(
    ("factory", "own", "keys_warned"),
    [
        ({"batchstatus.condor.sleep": 600}, {}, {"batchstatus.condor.interval", "batchstatus.condorec2.interval"}),
        ({"batchstatus.condor.sleep": 600, "batchstatus.condor.maxage": 1200}, {}, set()),
        ({"batchstatus.condor.sleep": 150, "batchstatus.condor.maxage": 360}, {}, set()),
        ({"maxage": 60}, {"batchstatus.condorec2.interval": "2m"}, {"batchstatus.condorec2.interval"}),
        (
            {},
            {"batchstatus.condorec2.interval": "2m", "batchstatus.condorec2.maxage": "90s"},
            {"batchstatus.condorec2.interval"},
        ),
        ({"wmsstatus.condor.sleep": 600}, {"wmsstatusplugin": "CondorLocal"}, {"wmsstatus.condorlocal.interval"}),
    ],
)
def test_warns_about_intervals_longer_than_maxage(
    tmp_path: Path, factory: dict[str, object], own: dict[str, object], keys_warned: set[str]
) -> None:
    found = []
    for keys in (PILOTS, VMS):
        of_plugin = {key: value for key, value in own.items() if "ec2" not in key or keys is VMS}
        found += list(check_readings([make_queue(tmp_path, {**keys, **of_plugin}, factory=factory)]))
    assert {finding.key for finding in found} == keys_warned
    assert all(finding.severity == "warning" for finding in found)


def test_warning_names_the_interval_that_is_used(tmp_path: Path) -> None:
    made = make_queue(tmp_path, PILOTS, factory={"batchstatus.condor.sleep": 600})
    (finding,) = check_readings([made])
    assert finding.text == (
        "600 s is longer than maxage (360 s), so apf polls after 180 s instead; lower the interval or raise maxage"
    )


@pytest.mark.parametrize("name", ["Condor", "CondorLocal"])
@pytest.mark.parametrize(
    ("own", "warned"),
    [
        ({}, True),
        ({"wmsqueue": "None"}, True),
        ({"wmsqueue": "Q"}, False),
        ({"wmsqueue": "ANY"}, False),
        ({"wmsstatus.{}.queueskey": "ANY"}, False),
        ({"wmsstatus.{}.queueskey": "Colour"}, True),
        ({"wmsstatus.{}.constraint": 'Owner == "x"'}, False),
    ],
)
def test_warns_about_a_queue_that_serves_all_jobs_by_default(
    tmp_path: Path, name: str, own: dict[str, str], warned: bool
) -> None:
    keys = {key.format(name.lower()): value for key, value in own.items()}
    wms = make_queue(tmp_path, {**VMS, "wmsstatusplugin": name, **keys}).wmsstatus
    assert wms is not None
    found = list(wms.check())
    assert bool(found) is warned
    for finding in found:
        assert isinstance(finding, Finding)
        assert (finding.severity, finding.section, finding.key) == ("warning", "Q", "wmsqueue")
        assert "wmsqueue = ANY if all jobs are meant" in finding.text


def test_warns_about_queues_that_serve_the_same_jobs(tmp_path: Path) -> None:
    ways = (
        {"wmsstatusplugin": "CondorLocal"},
        {"wmsstatusplugin": "Condor", "wmsqueue": "ANY"},
        {"wmsstatusplugin": "Condor", "wmsstatus.condor.queueskey": "ANY"},
        {"wmsstatusplugin": "Condor", "wmsqueue": "OTHER"},
    )
    queues = [make_queue(tmp_path, {**VMS, **way}, name=f"Q{i}") for i, way in enumerate(ways)]
    warned = [finding.section for finding in check_queues(queues) if finding.key == "wmsqueue"]
    assert warned == ["Q1", "Q2"]
