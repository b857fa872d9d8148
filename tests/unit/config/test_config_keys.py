"""Tests of keys that nothing reads: the nearest known key, and replacements of AutoPyFactory's old keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.config import load
from factory.config.fill import autopyfactory as old
from factory.config.fill.known_keys import MAX_SUGGESTIONS, KnownKeys
from factory.config.reference_page import own_plugins
from tests.rig.configs import PLUGINS, Panda, messages, problems, queue, read, write

UNKNOWN = [
    ("Enabled = True", "Enabled: no such key; did you mean enabled?"),
    ("scedplugin = Ready", "scedplugin: no such key; did you mean schedplugin?"),
    ("sched.ready.ofset = 1", "sched.ready.ofset: Ready has no such key; did you mean sched.ready.offset?"),
    ("sched.Ready.offset = 1", "sched.Ready.offset: no such key; did you mean sched.ready.offset?"),
    ("sched.redy.offset = 1", "sched.redy.offset: no such key; did you mean sched.ready.offset?"),
    ("shed.ready.offset = 1", "shed.ready.offset: no such key; did you mean sched.ready.offset?"),
    ("maximum = 1", "maximum: no such key; remove it, or start it with x-"),
    ("batchsubmit.condorlocal = x", "batchsubmit.condorlocal: no such key"),
    ("batchsubmit.condorec2.tag_ = x", "CondorEC2 has no such key; did you mean batchsubmit.condorec2.tag_"),
    ("factoryId = x", "factoryId: belongs in [Factory]; move it there"),
    ("factory.sleep = 1", "factory.sleep: belongs in [Factory]; move it there"),
    ("batchstatus.maxtime = 1", "batchstatus.maxtime: belongs in [Factory]; move it there"),
    ("wmsstatus.condor.queryargs = -name x", "queryargs: is not read; put the value of -name in"),
    ("batchstatus.condor.queryargs = -name x", "queryargs: is not read; all jobs of a factory are in one schedd"),
    ("batchstatus.condor.scheddhost = x", "scheddhost: is not read; all jobs of a factory are in one schedd"),
    (
        "batchsubmit.condorlocal.submitargs = -remote x",
        "submitargs: is not read, because apf does not call",
    ),
]


@pytest.mark.parametrize(("line", "wrong"), UNKNOWN)
def test_unknown_key_is_an_error_with_the_nearest_key(tmp_path: Path, line: str, wrong: str) -> None:
    (problem,) = problems(write(tmp_path, queue(line)))
    assert problem.severity == "error"
    assert wrong in str(problem)
    assert problem.line == 6


@pytest.mark.parametrize(("line", "wrong"), [row for row in UNKNOWN if not row[0].startswith("factoryId")])
def test_unknown_key_in_default_is_reported_once(tmp_path: Path, line: str, wrong: str) -> None:
    text = f"[DEFAULT]\n{line}\n" + queue(name="A") + queue(name="B")
    (problem,) = problems(write(tmp_path, text))
    assert (problem.severity, problem.section, problem.line) == ("error", "DEFAULT", 2)
    assert wrong in str(problem)


@pytest.mark.parametrize(
    "lines",
    [
        ["x-mine = 1"],
        ["x-mine = 5%"],
        ["grid = 1", "wmsqueue = %(grid)s"],
        ["whatever = 1", "sched.ready.offset = %(whatever)s"],
    ],
)
def test_accepts_user_keys_and_keys_used_in_references(tmp_path: Path, lines: list[str]) -> None:
    assert not problems(write(tmp_path, queue(*lines)))


def test_accepts_keys_that_another_file_refers_to(tmp_path: Path) -> None:
    one = write(tmp_path, queue("site = x", name="A"), "1.conf")
    two = write(tmp_path, queue("site = y", "wmsqueue = %(site)s", name="B"), "2.conf")
    assert not problems(one, two)


@pytest.mark.parametrize("value", ["localhost", "None", "none", "", "%(x-here)s"])
@pytest.mark.parametrize("pattern", old.QUEUE_REFUSED)
def test_refused_keys_with_harmless_values_are_warnings(tmp_path: Path, pattern: str, value: str) -> None:
    """AutoPyFactory's documentation has them so: ``scheddhost = None``, ``submitargs =``."""
    line = f"{pattern.replace('*', 'condor')} = {value}"
    (problem,) = problems(write(tmp_path, queue("x-here = localhost", line)))
    assert problem.severity == "warning"
    if "%" not in value:
        (problem,) = problems(write(tmp_path, f"[DEFAULT]\n{line}\n" + queue()))
        assert problem.severity == "warning"


def test_key_of_an_unused_plugin_is_a_warning_only_in_a_section(tmp_path: Path) -> None:
    line = "sched.maxtorun.maximum = 5"
    assert messages(write(tmp_path, queue(line))) == (
        "queues.conf:6: [Q] sched.maxtorun.maximum: warning: is not read: schedplugin does not name MaxToRun; "
        "add it there, or remove this key"
    )
    assert not problems(write(tmp_path, f"[DEFAULT]\n{line}\n" + queue()))


def test_keys_of_a_missing_plugin_cause_no_more_errors(tmp_path: Path) -> None:
    text = queue("sched.redy.offset = 1").replace("= Ready", "= Redy")
    assert messages(write(tmp_path, text)) == (
        "queues.conf:5: [Q] schedplugin: no sched plugin 'Redy' is installed; did you mean Ready?"
    )
    assert len(problems(write(tmp_path, "[DEFAULT]\nsched.redy.offset = 1\n" + text))) == 1


def test_suggests_commas_between_plugin_names(tmp_path: Path) -> None:
    text = queue().replace("= Ready", "= ready MaxToRun")
    assert messages(write(tmp_path, text)) == (
        "queues.conf:5: [Q] schedplugin: no sched plugin 'ready MaxToRun' is installed; "
        "separate the names with commas: Ready, MaxToRun"
    )


@pytest.mark.parametrize(
    ("metrics", "right"), [("0", False), ("65536", False), ("host:70000", False), ("9117", True), ("[::1]:65535", True)]
)
def test_metrics_port_must_be_valid(tmp_path: Path, metrics: str, right: bool) -> None:
    found = messages(write(tmp_path, f"[Factory]\nmetrics = {metrics}\n" + queue()))
    assert found == "" if right else "metrics" in found and "a port from 1 to 65535" in found, found


def test_limits_suggestions_for_many_unknown_keys(tmp_path: Path) -> None:
    found = problems(write(tmp_path, queue(*(f"sched.redy.offset{i} = 1" for i in range(MAX_SUGGESTIONS + 10)))))
    assert ["did you mean" in problem.text for problem in found] == [True] * MAX_SUGGESTIONS + [False] * 10


def test_stops_after_the_maximum_number_of_errors(tmp_path: Path) -> None:
    found = problems(write(tmp_path, queue(*(f"k{i} = 1" for i in range(1100)))))
    assert len(found) == 1001
    assert "has more than 1000 errors; correct these first" in str(found[-1])


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("factoryID = x", "error no such key in [Factory]; did you mean factoryId?"),
        ("statdir = /x", "error no such key in [Factory]; did you mean statedir?"),
        ("wmsqueue = x", "error is a key of queues; move it to a queue's section or to [DEFAULT]"),
        ("sched.ready.offset = 1", "error is a key of queues; move it to a queue's section or to [DEFAULT]"),
        ("id = x", "error no such key in [Factory]"),
        *((f"{pattern.replace('*', 'x')} = 1", "warning is no longer read: ") for pattern in old.FACTORY),
    ],
)
def test_reports_unknown_keys_of_factory(tmp_path: Path, line: str, wrong: str) -> None:
    (problem,) = problems(write(tmp_path, f"[Factory]\n{line}\n" + queue()))
    assert f"{problem.severity} {problem.text}".startswith(wrong)


@pytest.mark.parametrize("pattern", old.QUEUE)
def test_old_keys_of_queues_are_warnings_with_an_action(tmp_path: Path, pattern: str) -> None:
    key = pattern.replace("*", "x")
    (problem,) = problems(write(tmp_path, queue(f"{key} = 1")))
    assert problem.severity == "warning"
    assert problem.text.startswith("is no longer read: ")


@pytest.mark.parametrize("target", sorted({key for keys in old.FACTORY_TO_QUEUES.values() for key in keys}))
def test_old_factory_keys_map_to_keys_of_plugins(target: str) -> None:
    owner = KnownKeys(own_plugins()).owner(target)
    assert owner is not None
    assert owner.key is not None


@pytest.mark.parametrize(("category", "name"), [key for key in old.PLUGINS if key[0] in ("sched", "batchsubmit")])
def test_removed_plugins_are_errors_with_a_replacement(tmp_path: Path, category: str, name: str) -> None:
    text = queue().replace({"sched": "= Ready", "batchsubmit": "= CondorLocal"}[category], f"= {name}")
    assert f"{category} plugin {name} {old.PLUGINS[category, name]}" in messages(write(tmp_path, text))


def test_installed_plugin_with_a_removed_name_is_used(tmp_path: Path) -> None:
    plugins = {**PLUGINS, "sched": {"Trivial": PLUGINS["sched"]["Ready"]}}
    text = queue("sched.trivial.offset = 3").replace("= Ready", "= Trivial")
    config = load([write(tmp_path, text)], plugins)
    assert config.queues[0].sched[0].settings.offset == 3
    assert not config.warnings


def test_reads_an_old_spelling_and_warns(tmp_path: Path) -> None:
    key = "batchsubmit.condorlocal"
    path = write(tmp_path, queue(f"{key}.peaceful = True"))
    assert (
        messages(path)
        == f"queues.conf:6: [Q] {key}.peaceful: warning: is an old spelling; write {key}.overlay.peaceful"
    )
    assert read(path).queues[0].batchsubmit.settings.peaceful is True


@pytest.mark.parametrize(
    ("default", "lines", "peaceful", "warning"),
    [
        ("overlay.peaceful = True", ["peaceful = no"], False, "old spelling"),
        ("peaceful = no", ["overlay.peaceful = True"], True, None),
        ("", ["peaceful = no", "overlay.peaceful = True"], True, "peaceful: warning: is not read, because"),
    ],
)
def test_section_goes_before_default_and_new_spelling_before_old(
    tmp_path: Path, default: str, lines: list[str], peaceful: bool, warning: str | None
) -> None:
    key = "batchsubmit.condorlocal"
    text = (f"[DEFAULT]\n{key}.{default}\n" if default else "") + queue(*(f"{key}.{line}" for line in lines))
    path = write(tmp_path, text)
    assert read(path).queues[0].batchsubmit.settings.peaceful is peaceful
    found = [str(problem) for problem in problems(path) if "allows a negative n" not in problem.text]
    assert len(found) == (warning is not None)
    assert (warning or "") in "".join(found)


@pytest.mark.parametrize(
    ("line", "seconds", "warning"),
    [
        ("wmsstatus.panda.sleep = 150", 150, None),
        ("wmsstatus.panda.sleep = 2m", 120, None),
        ("wmsstatus.panda.sleep = None", 0, None),
        ("wmsstatus.panda.sleep = 0", 0, "is not read: 0 used to mean no limit"),
    ],
)
def test_old_factory_key_is_a_default_of_every_queue(
    tmp_path: Path, line: str, seconds: int, warning: str | None
) -> None:
    path = write(tmp_path, f"[Factory]\n{line}\n" + queue("wmsstatusplugin = Panda"))
    wms = read(path).queues[0].wmsstatus
    assert isinstance(wms, Panda)
    assert wms.settings.interval == seconds
    assert warning in messages(path) if warning else not problems(path)


@pytest.mark.parametrize("key", ["batchstatus.condor.sleep", "wmsstatus.condor.sleep"])
@pytest.mark.parametrize("default", [True, False])
def test_old_factory_sleep_is_also_read_in_queue_sections(tmp_path: Path, key: str, default: bool) -> None:
    """Old files had the key there too, with or without effect."""
    line = f"{key} = 77"
    text = queue("wmsstatusplugin = Condor", "wmsqueue = x", "executable = /bin/true", *([] if default else [line]))
    path = write(tmp_path, f"[DEFAULT]\n{line if default else ''}\n{text}")
    config = load([path], own_plugins())
    plugin = config.queues[0].batchstatus if key.startswith("batch") else config.queues[0].wmsstatus
    assert plugin is not None
    assert plugin.settings.interval == 77
    assert [str(problem.key) for problem in config.warnings] == [key]
    assert "is an old spelling" in config.warnings[0].text


def test_queue_key_overrides_old_factory_key(tmp_path: Path) -> None:
    text = "[Factory]\nwmsstatus.panda.maxage = 100\n[DEFAULT]\nwmsstatus.panda.maxage = 200\n"
    wms = read(write(tmp_path, text + queue("wmsstatusplugin = Panda"))).queues[0].wmsstatus
    assert isinstance(wms, Panda)
    assert wms.settings.maxage == 200


def test_old_maximum_ages_set_maxage_of_the_factory(tmp_path: Path) -> None:
    text = "[Factory]\nbatchstatus.condor.maxage = 500\nbatchstatus.maxtime = 400\nwmsstatus.maxtime = 0\n"
    path = write(tmp_path, text + queue())
    assert read(path).factory.maxage == 400
    assert [problem.text for problem in problems(path)] == [
        "is an old key that limits the age of all readings; write maxage instead",
        "is an old key that limits the age of all readings; write maxage instead",
        "is not read: 0 used to mean no limit, and maxage is now 360 s; remove it",
    ]
    path = write(tmp_path, text.replace("[Factory]", "[Factory]\nmaxage = 90") + queue())
    assert read(path).factory.maxage == 90


def test_wrong_value_of_an_old_factory_key_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "[Factory]\nbatchstatus.condor.sleep = often\n" + queue())
    assert "queues.conf:2: [Factory] batchstatus.condor.sleep: 'often' is not a duration" in messages(path)


def test_factory_reads_its_keys_from_default(tmp_path: Path) -> None:
    config = read(write(tmp_path, "[DEFAULT]\nfactoryId = mine\n[Factory]\n" + queue()))
    assert config.factory.id == "mine"
    assert not config.warnings


def test_factory_ignores_default_keys_of_queues(tmp_path: Path) -> None:
    text = "[DEFAULT]\ncleanlogs.keepdays = 7\nwmsqueue = x\nsched.ready.offset = %(nothing)s1\nnothing = \n[Factory]\n"
    config = read(write(tmp_path, text + queue()))
    assert config.factory.keepdays == 7
    assert not config.warnings


@pytest.mark.parametrize(
    ("lines", "submit", "wrong"),
    [
        (
            ["batchsubmit.condorlocal.peaceful = False"],
            "CondorLocal",
            "allows a negative n",
        ),
        (["batchsubmit.condorlocal.overlay.peaceful = False"], "CondorLocal", "allows a negative n"),
        (["schedplugin = MinPerCycle", "sched.minpercycle.minimum = 0"], "CondorEC2", "raises every negative n"),
        (["schedplugin = MinPerCycle", "sched.minpercycle.minimum = 0"], "CondorLocal", None),
        (["schedplugin = MinPerCycle", "sched.minpercycle.minimum = -2"], "CondorEC2", None),
    ],
)
def test_risky_values_are_warnings(tmp_path: Path, lines: list[str], submit: str, wrong: str | None) -> None:
    text = queue("batchsubmit.condorec2.gridresource = x", *lines).replace("schedplugin = Ready\n", "", len(lines) - 1)
    if submit == "CondorLocal":
        text = text.replace("batchsubmit.condorec2.gridresource = x\n", "")
    text = text.replace("batchsubmitplugin = CondorLocal", f"batchsubmitplugin = {submit}")
    found = [problem.text for problem in problems(write(tmp_path, text)) if "old spelling" not in problem.text]
    assert [text for text in found if wrong and wrong in text] == found
    assert bool(found) == bool(wrong)
