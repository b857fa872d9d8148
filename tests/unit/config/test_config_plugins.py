"""Tests of finding plugins by name, importing them on first use, and reporting broken ones."""

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
from tests.rig.configs import PLUGINS, Ready, messages, problems, queue, write


class NoStep(SchedPlugin):
    """Does not define ``step``."""


class OddSettings(Ready):
    """Has a ``Settings`` that is not a settings model."""

    Settings = dict  # type: ignore[assignment]


def registry(value: str, *others: str) -> Registry:
    points = [EntryPoint("Mine", text, "apf.sched") for text in (value, *others)]
    return Registry.of_entry_points({"sched": points})


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        (registry("no.such.module:Mine"), "sched plugin Mine can't be imported: ModuleNotFoundError: No module named"),
        (registry("tests.rig.configs:Missing"), "sched plugin Mine can't be imported: AttributeError"),
        (registry("tests.rig.configs:QUEUE"), "sched plugin Mine is not a subclass of factory.plugin.SchedPlugin"),
        (registry("tests.rig.configs:Panda"), "sched plugin Mine is not a subclass of factory.plugin.SchedPlugin"),
        (registry("a:A", "b:B"), "two packages provide a plugin Mine: a:A and b:B; uninstall one"),
        (Registry.of({"sched": {"Mine": NoStep}}), "sched plugin Mine does not define step"),
        (Registry.of({"sched": {"Mine": OddSettings}}), "Settings of sched plugin Mine is not a subclass of"),
        (Registry({"sched": {"Mine": lambda: sys.exit(3)}}), "sched plugin Mine can't be imported: SystemExit: 3"),
        (Registry.of({"sched": {"mine": Ready}}), "no sched plugin 'Mine' is installed; did you mean mine?"),
        (Registry.of({"sched": {"A": Ready, "B": Ready}}), "no sched plugin 'Mine' is installed; choose from A, B"),
        (Registry.of({}), "no sched plugin 'Mine' is installed"),
    ],
)
def test_reports_plugins_that_can_not_be_used(plugins: Registry, message: str) -> None:
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            plugins.get("sched", "Mine")
        assert str(caught.value).startswith(message)


def test_imports_a_plugin_once_at_its_first_use() -> None:
    calls: list[str] = []

    def load_ready() -> object:
        calls.append("Ready")
        return Ready

    found = Registry({"sched": {"Ready": load_ready, "Other": lambda: calls.append("Other")}})
    assert found.get("sched", "Ready") is found.get("sched", "Ready") is Ready
    assert calls == ["Ready"]
    assert found.names("sched") == ["Other", "Ready"]
    assert found.by_key("sched", "ready") == "Ready"


def test_duplicate_entry_points_count_once() -> None:
    assert registry("tests.rig.configs:Ready", "tests.rig.configs:Ready").get("sched", "Mine") is Ready


def test_broken_plugin_is_an_error_of_the_key_that_names_it(tmp_path: Path) -> None:
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
    ("lines", "message"),
    [
        ([], "batchsubmitplugin: batchsubmit plugin Fussy: needs wmsqueue"),
        (["wmsqueue = x"], "batchsubmitplugin: batchsubmit plugin Fussy can't be created: KeyError: 'x'"),
    ],
)
def test_plugin_that_rejects_its_queue_is_an_error(tmp_path: Path, lines: list[str], message: str) -> None:
    text = queue(*lines).replace("= CondorLocal", "= Fussy")
    assert messages(write(tmp_path, text)).endswith(message)


def test_all_declared_plugins_can_be_imported() -> None:
    own = own_plugins()
    names = [(category, name) for category in CATEGORIES for name in own.names(category)]
    assert ("sched", "Ready") in names
    for category, name in names:
        assert own.get(category, name).__name__ == name


def test_plugin_docs_list_every_entry_point_group() -> None:
    text = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert [name for name, base in CATEGORIES.items() if f"| `apf.{name}` | `{base.__name__}`" not in text] == []


MONITOR = "[Factory]\nmonitorConf = monitor.conf\n"


@pytest.mark.parametrize(
    ("main", "monitors", "line", "message"),
    [
        ("", "", "monitorsection = m", "warning: [m] is not read: set monitorConf in [Factory]"),
        (MONITOR, "[mm]\nmonitorplugin = APF\n", "monitorsection = m", "monitorConf has no section [m]; add it there"),
        (MONITOR, "[apfmon-x]\n", "monitorsection = apfmon-y", "no section [apfmon-y]; did you mean apfmon-x?"),
        (MONITOR, "[m]\nmonitorURL = x\n", "monitorsection = m", "monitor.conf:1: [m] monitorplugin: is missing"),
        (MONITOR, "[m]\nmonitorplugin = AFP\n", "monitorsection = m", "no monitor plugin 'AFP' is installed"),
        (
            MONITOR,
            "[m]\nmonitorplugin = Panda\n",
            "monitorsection = m",
            "monitor plugin Panda was removed; use Log or APF",
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
        ("[Factory]\nmonitorConf = none.conf\n", "", "monitorsection = None", "none.conf: no such file"),
    ],
)
def test_reports_errors_of_monitors(tmp_path: Path, main: str, monitors: str, line: str, message: str) -> None:
    write(tmp_path, monitors, "monitor.conf")
    (problem,) = problems(write(tmp_path, main + queue(line)))
    assert message in str(problem)


def test_monitors_read_their_settings_from_monitorconf(tmp_path: Path) -> None:
    text = "[DEFAULT]\nbase = http://example.org\n[m]\nmonitorplugin = APF\nmonitorURL = %(base)s/api\nx-note = 1\n"
    write(tmp_path, text, "monitor.conf")
    path = write(tmp_path, MONITOR + queue("monitorsection = m, m"))
    made: Any = load([path], PLUGINS).queues[0]
    assert [monitor.settings.url for monitor in made.monitors] == ["http://example.org/api"] * 2
    assert ("[m] monitorURL", "http://example.org/api") in made.text
