"""A queue's batch status shows what its submit plugin submits, or the queue would submit without end."""

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


def told(directory: Path, keys: dict[str, object], plugins: Registry | None = None) -> list[Problem]:
    path = directory / "queues.conf"
    path.write_text("[Q]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))
    try:
        return list(load([path], plugins).warnings)
    except ConfigError as error:
        return error.problems


@pytest.mark.parametrize("name", ["Condor", "CondorLocal"])
def test_condor_beside_a_queue_of_machines_is_read_as_what_it_was_after_2_4_13(tmp_path: Path, name: str) -> None:
    keys = {**VMS, "batchstatusplugin": name}
    made = make_queue(tmp_path, keys)
    assert (type(made.batchstatus).__name__, made.batchstatus.name) == ("CondorEC2", "CondorEC2")
    (problem,) = told(tmp_path, keys)
    assert (problem.severity, problem.key) == ("warning", "batchstatusplugin")
    assert problem.text == f"{name} shows plain jobs, and CondorEC2 submits VM jobs: CondorEC2 is read; write that"


@pytest.mark.parametrize("submit", ["CondorLocal", "CondorCE", "CondorOSGCE"])
def test_a_batch_status_of_machines_beside_a_queue_of_pilots_is_an_error_that_names_the_right_one(
    tmp_path: Path, submit: str
) -> None:
    keys = {**PILOTS, "batchstatusplugin": "CondorEC2", "batchsubmitplugin": submit}
    keys |= {} if submit == "CondorLocal" else {f"batchsubmit.{submit.lower()}.gridresource": "ce.example.org"}
    (problem,) = told(tmp_path, keys)
    assert (problem.severity, problem.key, problem.line) == ("error", "batchstatusplugin", 3)
    assert problem.text == (
        f"CondorEC2 shows VM jobs, and {submit} submits plain jobs: the queue would never see what it has, "
        "and submit without end; write Condor or CondorLocal"
    )
    (problem,) = told(tmp_path, {**keys, "enabled": False})
    assert problem.severity == "warning"


def test_it_is_said_beside_other_errors_and_needs_no_other_key(tmp_path: Path) -> None:
    found = told(tmp_path, {**PILOTS, "batchstatusplugin": "CondorEC2", "priority": "x"})
    assert {problem.key for problem in found} == {"batchstatusplugin", "priority"}
    assert not [p for p in told(tmp_path, {**PILOTS, "batchsubmitplugin": "Nothing"}) if p.key == "batchstatusplugin"]


def test_plugins_that_say_nothing_go_with_each_other(tmp_path: Path) -> None:
    assert BatchStatusPlugin.shows is None
    assert BatchSubmitPlugin.submits is None
    silent = Registry.of({**PLUGINS, "batchstatus": {"CondorEC2": PLUGINS["batchstatus"]["CondorEC2"]}})
    assert not told(tmp_path, {**PILOTS, "executable": None, "batchstatusplugin": "CondorEC2"}, silent)
    own = own_or_standins()
    theirs = Registry.of(
        {
            "sched": {"Fixed": own.get("sched", "Fixed")},
            "batchstatus": {"Mine": PLUGINS["batchstatus"]["Condor"], "Condor": own.get("batchstatus", "Condor")},
            "batchsubmit": {name: own.get("batchsubmit", name) for name in ("CondorLocal", "CondorEC2")},
        }
    )
    assert not told(tmp_path, {**PILOTS, "batchstatusplugin": "Mine"}, theirs)
    (problem,) = told(tmp_path, {**VMS, "batchstatusplugin": "Condor"}, theirs)
    assert problem.severity == "error", "nothing is installed that shows VM jobs"


def test_all_own_plugins_of_the_two_kinds_say_what_they_are_about() -> None:
    own = own_plugins()
    said: dict[str, object] = {}
    for name in own.names("batchstatus"):
        said[f"batchstatus {name}"] = getattr(own.get("batchstatus", name), "shows", None)
    for name in own.names("batchsubmit"):
        said[f"batchsubmit {name}"] = getattr(own.get("batchsubmit", name), "submits", None)
    machines = {name for name, jobs in said.items() if jobs is Jobs.VM}
    assert machines == {"batchstatus CondorEC2", "batchsubmit CondorEC2"}
    assert set(said.values()) == set(Jobs)
