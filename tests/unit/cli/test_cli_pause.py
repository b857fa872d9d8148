"""``apf pause`` and ``apf resume``: the file that they write, and what a factory reads from it."""

import json
import stat
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from factory.cli.command import apf as main
from factory.state.directory import StateDir
from factory.state.pauses import Pause, Pauses, PausesError, read_pauses
from tests.rig.status import write_status

QUEUES = "".join(
    f"[{name}]\nenabled = True\nbatchstatusplugin = Condor\nbatchsubmitplugin = CondorLocal\nexecutable = /bin/true\n"
    "schedplugin = Fixed\n"
    for name in ("CLOUD", "CLOUD-spot")
)
PAUSE = Pause(1_790_000_000, "ann", "new image")


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    file = tmp_path / "queues.conf"
    file.write_text(f"[Factory]\nfactoryId = site\nstatedir = {tmp_path / 'state'}\n{QUEUES}")
    return file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "site" / "paused.json"


def run(conf: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--conf", str(conf), *arguments])


def test_pause_lasts_until_resume_in_a_private_file(conf: Path, path: Path) -> None:
    assert run(conf, "pause", "CLOUD", "--why", "new  image").exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (reason,) = read_pauses(path).reasons(["CLOUD", "CLOUD-spot"]).values()
    assert "new image" in reason
    first = read_pauses(path)
    assert "CLOUD: paused by" in run(conf, "pause", "CLOUD", "--why", "again").stdout
    assert read_pauses(path) == first, "the first pause stays"
    assert run(conf, "resume", "CLOUD").stdout == "nothing is paused\n"
    assert read_pauses(path) == Pauses()


def test_missing_configuration_pauses_no_factory(conf: Path, path: Path, tmp_path: Path) -> None:
    for name in ("nothing.conf", "binary.conf"):
        (tmp_path / "binary.conf").write_bytes(b"\xff\xfe\0")
        result = run(tmp_path / name, "pause")
        assert result.exit_code == 2
        assert "factory id and statedir are unknown" in result.stderr
    conf.write_text(conf.read_text().replace("schedplugin = Fixed", "schedplugin = Fixd"))
    assert run(conf, "pause").exit_code == 0, "the factory may still run with an earlier configuration"
    assert path.exists()


def test_queue_paused_by_name_stays_paused_when_the_factory_resumes(conf: Path, path: Path) -> None:
    run(conf, "pause", "CLOUD")
    run(conf, "pause")
    assert set(read_pauses(path).reasons(["CLOUD", "CLOUD-spot"])) == {"CLOUD", "CLOUD-spot"}
    assert "the whole factory is paused" in run(conf, "resume", "CLOUD-spot").stdout
    assert set(read_pauses(path).reasons(["CLOUD", "CLOUD-spot"])) == {"CLOUD", "CLOUD-spot"}
    assert run(conf, "resume").stdout.startswith("CLOUD: paused by")
    assert set(read_pauses(path).reasons(["CLOUD", "CLOUD-spot"])) == {"CLOUD"}


def test_refuses_an_unknown_queue_but_resumes_a_removed_one(conf: Path, path: Path) -> None:
    refused = run(conf, "pause", "CLOUD-spott")
    assert refused.exit_code == 2
    assert "did you mean CLOUD-spot?" in refused.stderr
    assert not path.exists()
    run(conf, "pause", "CLOUD")
    conf.write_text(conf.read_text().replace("[CLOUD]", "[OTHER]"))
    assert run(conf, "resume", "CLOUD").exit_code == 0
    assert run(conf, "resume", "CLOUD").exit_code == 2


def test_pauses_a_queue_of_a_configuration_with_errors(conf: Path, path: Path) -> None:
    conf.write_text(conf.read_text() + "nonsense = 1\n")
    assert run(conf, "pause", "CLOUD").exit_code == 0
    assert set(read_pauses(path).queues) == {"CLOUD"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"factory": {}, "queues": {}}', '{"factory": null, "queues": 1}'])
def test_damaged_file_is_an_error_and_is_kept(path: Path, text: str, conf: Path) -> None:
    """Rule 2."""
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(PausesError, match="remove it"):
        read_pauses(path)
    assert run(conf, "resume").exit_code == 2
    assert path.read_text() == text


def test_status_shows_a_pause_at_once(conf: Path, tmp_path: Path) -> None:
    now = time.time()
    statedir = write_status(tmp_path / "state", "site", now, now - 20)
    assert isinstance(statedir, StateDir)
    run(conf, "pause", "CLOUD", "--why", "new image")
    assert "CLOUD is paused by" in run(conf, "status").stdout
    assert json.loads(run(conf, "status", "--json").stdout)["paused"]["queues"]["CLOUD"]["why"] == "new image"


def test_pauses_survive_json() -> None:
    pauses = Pauses(PAUSE, {"CLOUD": PAUSE})
    assert Pauses.from_json(json.loads(json.dumps(pauses.to_json()))) == pauses
    assert str(PAUSE) == "paused by ann at 2026-09-21 14:13 UTC: new image"
