"""What ``apf check`` says of queues before it asks any daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.check.queues import check_readings
from tests.rig.queues import PILOTS, VMS, make_queue


@pytest.mark.parametrize(
    ("factory", "own", "told"),
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
def test_an_interval_longer_than_maxage_is_said(
    tmp_path: Path, factory: dict[str, object], own: dict[str, object], told: set[str]
) -> None:
    found = []
    for keys in (PILOTS, VMS):
        of_plugin = {key: value for key, value in own.items() if "ec2" not in key or keys is VMS}
        found += list(check_readings([make_queue(tmp_path, {**keys, **of_plugin}, factory=factory)]))
    assert {finding.key for finding in found} == told
    assert all(finding.severity == "warning" for finding in found)


def test_the_warning_says_what_is_done(tmp_path: Path) -> None:
    made = make_queue(tmp_path, PILOTS, factory={"batchstatus.condor.sleep": 600})
    (finding,) = check_readings([made])
    assert finding.text == (
        "600 s is longer than maxage, 360 s, when a reading is unknown: it is read anew after 180 s; "
        "make one shorter or the other longer"
    )
