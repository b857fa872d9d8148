"""``apf status``: reads only the factory's files."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from factory.cli.command import apf as main
from factory.state.directory import StateDir
from tests.rig.status import write_status


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    file = tmp_path / "queues.conf"
    file.write_text(f"[Factory]\nfactoryId = site\nstatedir = {tmp_path / 'state'}\n")
    return file


@pytest.fixture
def statedir(tmp_path: Path) -> StateDir:
    now = time.time()
    return write_status(tmp_path / "state", "site", now, now - 20)


@pytest.fixture
def running(statedir: StateDir) -> Iterator[StateDir]:
    statedir.lock()
    yield statedir
    statedir.unlock()


def run(conf: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["status", "--conf", str(conf), *arguments])


def cells(result: Result, first: str) -> list[str]:
    """Return the words of the line that begins with this word."""
    return next(words for line in result.stdout.splitlines() if (words := line.split()) and words[0] == first)


def test_shows_counts_and_decision_of_each_queue(conf: Path, running: StateDir) -> None:
    result = run(conf)
    assert result.exit_code == 0
    assert cells(result, "queue")[:6] == ["queue", "ready", "pending", "running", "retiring", "held"]
    assert cells(result, "CLOUD")[1:8] == ["12", "1", "3", "0", "1", "submit", "4"]
    assert cells(result, "CLOUD-spot")[1:8] == ["0", "0", "1", "0", "0", "retire", "1"]


def test_keeps_queue_names_on_a_narrow_terminal(conf: Path, running: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "60"}.items():
        monkeypatch.setenv(name, value)
    lines = run(conf).stdout.splitlines()
    assert all(any(name in line for line in lines[:9]) for name in ("CLOUD", "CLOUD-spot", "ARCHIVE"))
    assert all(len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= 60 for line in lines)


def test_shows_unknown_counts_as_question_marks(conf: Path, running: StateDir) -> None:
    assert cells(run(conf), "ARCHIVE")[1:7] == ["3", "?", "?", "?", "?", "blocked"]


def test_shows_reasons_actions_failures_and_blocked_queues(conf: Path, running: StateDir) -> None:
    text = run(conf).stdout
    for words in (
        "MaxPerCycle  11 → 4  at most 4 per cycle",
        "4 × ami-0123456789abcdef0/m5.large/*/on-demand: 4 of 4 asked for",
        "1 of 3 retirements this round: removefraction = 0.2 of 3 VMs",
        "failed: condor_off took longer than 20 s",
        "Ready: batch status unknown: VM jobs in schedd local: no answer within 60 s",
        "disabled: OLD",
    ):
        assert words in text


def test_shows_age_and_error_of_each_source(conf: Path, running: StateDir) -> None:
    (line,) = (line for line in run(conf).stdout.splitlines() if line.startswith(" VM jobs in schedd local"))
    assert line.split()[5:] == ["82", "s", "60.00", "s", "no", "answer", "within", "60", "s"]


def test_lists_vms_with_option_vms(conf: Path, running: StateDir) -> None:
    assert "i-00000000000000002" not in run(conf).stdout
    result = run(conf, "--vms")
    assert cells(result, "100.2")[1:3] == ["busy", "2"]
    assert cells(result, "100.4")[1] == "held"
    assert cells(result, "102.0")[:4] == ["102.0", "idle", "5", "min"]


def test_pipe_gets_no_colours_and_no_trailing_spaces(conf: Path, running: StateDir) -> None:
    text = run(conf, "--vms").stdout
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_shows_if_the_factory_runs(conf: Path, statedir: StateDir) -> None:
    assert "factory site  not running" in run(conf).stdout
    assert json.loads(run(conf, "--json").stdout)["running"] is False
    statedir.lock()
    assert "factory site  running" in run(conf).stdout
    assert json.loads(run(conf, "--json").stdout)["running"] is True
    statedir.unlock()
    assert "not running" in run(conf).stdout


def test_json_is_the_status_file_with_running_and_paused(conf: Path, running: StateDir) -> None:
    status = json.loads(run(conf, "--json").stdout)
    assert status.pop("running") is True
    assert status.pop("paused") == {"factory": None, "queues": {}}
    assert status == json.loads(running.status.read_text())


def test_warns_about_an_old_status_of_a_running_factory(conf: Path, tmp_path: Path) -> None:
    now = time.time()
    old = write_status(tmp_path / "state", "site", now, now - 9000)
    old.lock()
    text = run(conf).stdout
    old.unlock()
    assert "as of 2.5 h ago  the status is old" in text


def test_says_why_there_is_no_status(conf: Path, tmp_path: Path) -> None:
    result = run(conf)
    assert result.exit_code == 2
    assert "factory site has not run on this host" in result.stderr
    statedir = StateDir(tmp_path / "state", "site")
    statedir.open()
    statedir.lock()
    assert "has not finished a round yet" in run(conf).stderr
    statedir.unlock()
    statedir.status.write_text("{")
    assert "can't be read" in run(conf).stderr


@pytest.mark.parametrize("command", ["status", "health"])
@pytest.mark.parametrize(
    "text", ["[]", "null", "{}", '{"factory": "site", "written": 1, "queues": [{"queue": "Q", "health": {"x": 1}}]}']
)
def test_explains_a_status_of_another_version(conf: Path, statedir: StateDir, command: str, text: str) -> None:
    """After an upgrade, until the first round."""
    statedir.status.write_text(text)
    result = CliRunner().invoke(main, [command, "--conf", str(conf)])
    assert result.exit_code == 2, result.exception
    assert "is damaged or was written by another version of apf; the factory's next round replaces it" in result.stderr


def test_shows_the_status_although_a_queue_has_errors(conf: Path, running: StateDir) -> None:
    with conf.open("a") as file:
        file.write("[CLOUD]\nenabled = True\nschedplugin = Nothing\n")
    result = run(conf)
    assert result.exit_code == 0
    assert "has errors; run 'apf check'" in result.stderr
    assert cells(result, "CLOUD")[1] == "12"


def test_reading_the_status_does_not_lock_out_a_factory(statedir: StateDir) -> None:
    for _ in range(20):
        assert not statedir.running()
    statedir.lock()
    assert statedir.running()
    statedir.unlock()
