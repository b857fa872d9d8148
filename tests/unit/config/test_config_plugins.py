"""Plugins are found by name, imported when asked for, and what is wrong with one is said with its name."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from factory.config import load
from factory.config.installed_plugins import CATEGORIES, PluginError, Registry
from factory.config.problems import ConfigError
from factory.config.reference_page import own_plugins
from factory.plugin.sched import SchedPlugin
from tests.rig.configs import PLUGINS, Ready, problems, queue, told, write


class NoStep(SchedPlugin):
    """Lacks its one method."""


class OddSettings(Ready):
    """Settings that are none."""

    Settings = dict  # type: ignore[assignment]


def registry(value: str, *others: str) -> Registry:
    points = [EntryPoint("Mine", text, "apf.sched") for text in (value, *others)]
    return Registry.of_entry_points({"sched": points})


@pytest.mark.parametrize(
    ("found", "told_of"),
    [
        (registry("no.such.module:Mine"), "sched plugin Mine can't be imported: ModuleNotFoundError: No module named"),
        (registry("tests.rig.configs:Missing"), "sched plugin Mine can't be imported: AttributeError"),
        (registry("tests.rig.configs:QUEUE"), "sched plugin Mine is no subclass of factory.plugin.SchedPlugin"),
        (registry("tests.rig.configs:Panda"), "sched plugin Mine is no subclass of factory.plugin.SchedPlugin"),
        (registry("a:A", "b:B"), "two packages provide a plugin Mine: a:A and b:B; uninstall one"),
        (Registry.of({"sched": {"Mine": NoStep}}), "sched plugin Mine lacks step"),
        (Registry.of({"sched": {"Mine": OddSettings}}), "Settings of sched plugin Mine is no subclass of"),
        (Registry({"sched": {"Mine": lambda: sys.exit(3)}}), "sched plugin Mine can't be imported: SystemExit: 3"),
        (Registry.of({"sched": {"mine": Ready}}), "no sched plugin 'Mine' is installed; did you mean mine?"),
        (Registry.of({"sched": {"A": Ready, "B": Ready}}), "no sched plugin 'Mine' is installed; there are A, B"),
        (Registry.of({}), "no sched plugin 'Mine' is installed"),
    ],
)
def test_a_plugin_that_can_not_be_used_is_named(found: Registry, told_of: str) -> None:
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            found.get("sched", "Mine")
        assert str(caught.value).startswith(told_of)


def test_a_plugin_is_imported_once_and_only_if_asked_for() -> None:
    calls: list[str] = []

    def load_ready() -> object:
        calls.append("Ready")
        return Ready

    found = Registry({"sched": {"Ready": load_ready, "Other": lambda: calls.append("Other")}})
    assert found.get("sched", "Ready") is found.get("sched", "Ready") is Ready
    assert calls == ["Ready"]
    assert found.names("sched") == ["Other", "Ready"]
    assert found.by_key("sched", "ready") == "Ready"


def test_the_same_entry_point_seen_twice_is_one() -> None:
    assert registry("tests.rig.configs:Ready", "tests.rig.configs:Ready").get("sched", "Mine") is Ready


def test_a_broken_plugin_is_an_error_where_it_is_named(tmp_path: Path) -> None:
    points = {"sched": [EntryPoint("Ready", "tests.rig.configs:Missing", "apf.sched")]} | {
        category: [EntryPoint(name, f"tests.rig.configs:{name}", f"apf.{category}")]
        for category, name in (("batchstatus", "Condor"), ("batchsubmit", "CondorLocal"))
    }
    plugins = Registry.of_entry_points(points)
    with pytest.raises(ConfigError) as caught:
        load([write(tmp_path, queue("sched.ready.offset = 1"))], plugins)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (5, "schedplugin")
    assert problem.text.startswith("sched plugin Ready can't be imported: AttributeError")


@pytest.mark.parametrize(
    ("lines", "told_of"),
    [
        ([], "batchsubmitplugin: batchsubmit plugin Fussy: needs wmsqueue"),
        (["wmsqueue = x"], "batchsubmitplugin: batchsubmit plugin Fussy can't be made: KeyError: 'x'"),
    ],
)
def test_a_plugin_that_refuses_its_queue_is_an_error(tmp_path: Path, lines: list[str], told_of: str) -> None:
    text = queue(*lines).replace("= CondorLocal", "= Fussy")
    assert told(write(tmp_path, text)).endswith(told_of)


def test_this_source_tree_declares_plugins_that_can_be_used() -> None:
    own = own_plugins()
    names = [(category, name) for category in CATEGORIES for name in own.names(category)]
    assert ("sched", "Ready") in names
    for category, name in names:
        assert own.get(category, name).__name__ == name


def test_the_page_for_authors_of_plugins_names_every_group() -> None:
    text = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert [name for name, base in CATEGORIES.items() if f"| `apf.{name}` | `{base.__name__}`" not in text] == []


MONITOR = "[Factory]\nmonitorConf = monitor.conf\n"


@pytest.mark.parametrize(
    ("main", "monitors", "line", "told_of"),
    [
        ("", "", "monitorsection = m", "warning: [m] is not looked for: [Factory] has no monitorConf"),
        (MONITOR, "[mm]\nmonitorplugin = APF\n", "monitorsection = m", "monitorConf has no section [m]"),
        (MONITOR, "[apfmon-x]\n", "monitorsection = apfmon-y", "no section [apfmon-y]; did you mean apfmon-x?"),
        (MONITOR, "[m]\nmonitorURL = x\n", "monitorsection = m", "monitor.conf:1: [m] monitorplugin: is missing"),
        (MONITOR, "[m]\nmonitorplugin = AFP\n", "monitorsection = m", "no monitor plugin 'AFP' is installed"),
        (
            MONITOR,
            "[m]\nmonitorplugin = Panda\n",
            "monitorsection = m",
            "monitor plugin Panda is gone; use Log, or APF",
        ),
        (MONITOR, "[m]\nmonitorplugin = APF\n", "monitorsection = m", "monitor.conf:1: [m] monitorURL: is missing"),
        (
            MONITOR,
            "[m]\nmonitorplugin = APF\nmonitorURL = %(x)s\n",
            "monitorsection = m",
            "monitor.conf:3: [m] monitorURL: refers to %(x)s",
        ),
        (
            MONITOR,
            "[m]\nmonitorplugin = APF\nmonitorURL = x\nmonitorUrl = x\n",
            "monitorsection = m",
            "monitor.conf:4: [m] monitorUrl: no such key; did you mean monitorURL?",
        ),
        ("[Factory]\nmonitorConf = none.conf\n", "", "monitorsection = None", "none.conf: there is no such file"),
    ],
)
def test_what_is_wrong_with_a_monitor_is_said(
    tmp_path: Path, main: str, monitors: str, line: str, told_of: str
) -> None:
    write(tmp_path, monitors, "monitor.conf")
    (problem,) = problems(write(tmp_path, main + queue(line)))
    assert told_of in str(problem)


def test_monitors_have_their_settings_from_their_own_file(tmp_path: Path) -> None:
    text = "[DEFAULT]\nbase = http://example.org\n[m]\nmonitorplugin = APF\nmonitorURL = %(base)s/api\nx-note = 1\n"
    write(tmp_path, text, "monitor.conf")
    path = write(tmp_path, MONITOR + queue("monitorsection = m, m"))
    made: Any = load([path], PLUGINS).queues[0]
    assert [monitor.settings.url for monitor in made.monitors] == ["http://example.org/api"] * 2
    assert ("[m] monitorURL", "http://example.org/api") in made.text
