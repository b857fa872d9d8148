"""The batch status plugin must show the jobs that the submit plugin submits; else the queue submits without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.config import load
from factory.config.installed_plugins import Registry
from factory.config.problems import ConfigError, Problem
from factory.config.reference_page import own_plugins
from factory.plugin.base import Jobs
from factory.plugin.batchstatus import BatchStatusPlugin
from factory.plugin.batchsubmit import BatchSubmitPlugin
from tests.rig.configs import PLUGINS, own_or_standins
from tests.rig.queues import PILOTS, VMS, make_queue


def messages(directory: Path, keys: dict[str, object], plugins: Registry | None = None) -> list[Problem]:
    path = directory / "queues.conf"
    path.write_text("[Q]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))
    try:
        return list(load([path], plugins).warnings)
    except ConfigError as error:
        return error.problems


@pytest.mark.parametrize("name", ["Condor", "CondorLocal"])
def test_reads_condor_as_condorec2_when_the_queue_submits_vms(tmp_path: Path, name: str) -> None:
    keys = {**VMS, "batchstatusplugin": name}
    made = make_queue(tmp_path, keys)
    assert (type(made.batchstatus).__name__, made.batchstatus.name) == ("CondorEC2", "CondorEC2")
    (problem,) = messages(tmp_path, keys)
    assert (problem.severity, problem.key) == ("warning", "batchstatusplugin")
    assert problem.text == (
        f"{name} shows plain jobs, but CondorEC2 submits VM jobs, so CondorEC2 is used; "
        "write batchstatusplugin = CondorEC2"
    )


@pytest.mark.parametrize("submit", ["CondorLocal", "CondorCE", "CondorOSGCE"])
def test_batch_status_of_vms_with_plain_jobs_is_an_error(tmp_path: Path, submit: str) -> None:
    keys = {**PILOTS, "batchstatusplugin": "CondorEC2", "batchsubmitplugin": submit}
    keys |= {} if submit == "CondorLocal" else {f"batchsubmit.{submit.lower()}.gridresource": "ce.example.org"}
    (problem,) = messages(tmp_path, keys)
    assert (problem.severity, problem.key, problem.line) == ("error", "batchstatusplugin", 3)
    assert problem.text == (
        f"CondorEC2 shows VM jobs, but {submit} submits plain jobs: the queue would never see its jobs "
        "and submit without end; write batchstatusplugin = Condor or CondorLocal"
    )
    (problem,) = messages(tmp_path, {**keys, "enabled": False})
    assert problem.severity == "warning"


def test_mismatch_is_reported_beside_other_errors(tmp_path: Path) -> None:
    found = messages(tmp_path, {**PILOTS, "batchstatusplugin": "CondorEC2", "priority": "x"})
    assert {problem.key for problem in found} == {"batchstatusplugin", "priority"}
    assert not [
        p for p in messages(tmp_path, {**PILOTS, "batchsubmitplugin": "Nothing"}) if p.key == "batchstatusplugin"
    ]


def test_plugins_that_declare_no_job_kind_fit_any_other(tmp_path: Path) -> None:
    assert BatchStatusPlugin.shows is None
    assert BatchSubmitPlugin.submits is None
    silent = Registry.of({**PLUGINS, "batchstatus": {"CondorEC2": PLUGINS["batchstatus"]["CondorEC2"]}})
    assert not messages(tmp_path, {**PILOTS, "executable": None, "batchstatusplugin": "CondorEC2"}, silent)
    own = own_or_standins()
    theirs = Registry.of(
        {
            "sched": {"Fixed": own.get("sched", "Fixed")},
            "batchstatus": {"Mine": PLUGINS["batchstatus"]["Condor"], "Condor": own.get("batchstatus", "Condor")},
            "batchsubmit": {name: own.get("batchsubmit", name) for name in ("CondorLocal", "CondorEC2")},
        }
    )
    assert not messages(tmp_path, {**PILOTS, "batchstatusplugin": "Mine"}, theirs)
    (problem,) = messages(tmp_path, {**VMS, "batchstatusplugin": "Condor"}, theirs)
    assert problem.severity == "error", "no installed plugin shows VM jobs"


def test_own_plugins_declare_their_job_kind() -> None:
    own = own_plugins()
    kinds: dict[str, object] = {}
    for name in own.names("batchstatus"):
        kinds[f"batchstatus {name}"] = getattr(own.get("batchstatus", name), "shows", None)
    for name in own.names("batchsubmit"):
        kinds[f"batchsubmit {name}"] = getattr(own.get("batchsubmit", name), "submits", None)
    of_vms = {name for name, jobs in kinds.items() if jobs is Jobs.VM}
    assert of_vms == {"batchstatus CondorEC2", "batchsubmit CondorEC2"}
    assert set(kinds.values()) == set(Jobs)
