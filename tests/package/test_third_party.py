"""A plugin of somebody else is built, installed beside apf into a fresh environment, and used."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pydantic
import pytest

CHECKOUT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "sample_plugin"

CONF = """\
[DEFAULT]
enabled = True
[Q]
batchstatusplugin = Condor
batchsubmitplugin = CondorLocal
schedplugin = Fixed, OfficeHours
sched.fixed.pilotspercycle = 5
sched.officehours.opens = {opens}
sched.officehours.closes = {closes}
executable = /bin/true
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def bin_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with apf and the sample package, installed from wheels, without a network."""
    root = tmp_path_factory.mktemp("third-party")
    wheels = root / "wheels"
    build = f"{sys.executable} -m pip wheel -q --no-index --no-deps --no-build-isolation -w {wheels}".split()
    for source in (CHECKOUT, SAMPLE):
        copy = root / source.name
        tree = subprocess.run(["git", "ls-files", "-z"], cwd=source, capture_output=True, text=True, check=True).stdout
        for name in filter(None, tree.split("\0")):
            if (source / name).is_file():
                target = copy / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((source / name).read_bytes())
        run(*build, copy, cwd=root)
    environment = root / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=root).strip()
    run(sys.executable, "-m", "pip", f"--python={python}", "install", "-q", "--no-index", "--no-deps",
        *wheels.glob("*.whl"), cwd=root)  # fmt: skip
    # The dependencies of apf are installed here already; the new environment looks there last.
    (Path(site) / "dependencies.pth").write_text(f"{Path(pydantic.__file__).parents[1]}\n")
    return environment / "bin"


def test_its_settings_are_explained_by_their_docstring(bin_dir: Path, tmp_path: Path) -> None:
    said = run(bin_dir / "apf", "check", "--explain", "sched.officehours.opens", cwd=tmp_path)
    assert "Hour at which buying starts, UTC." in said
    assert "8" in said


@pytest.mark.parametrize(("opens", "closes", "n"), [(0, 24, 5), (23, 1, 0)])
def test_it_takes_part_in_a_chain(bin_dir: Path, tmp_path: Path, opens: int, closes: int, n: int) -> None:
    conf = tmp_path / "queues.conf"
    conf.write_text(CONF.format(opens=opens, closes=closes))
    answer = json.loads(run(bin_dir / "apf", "chain", "--conf", conf, "Q", "--json", cwd=tmp_path))
    assert answer["n"] == n
    assert answer["steps"][-1]["plugin"] == "OfficeHours"


def test_its_limits_are_enforced_with_file_and_line(bin_dir: Path, tmp_path: Path) -> None:
    conf = tmp_path / "queues.conf"
    conf.write_text(CONF.format(opens=99, closes=24))
    command = [str(bin_dir / "apf"), "check", "--offline", "--conf", str(conf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{conf}:8" in done.stdout + done.stderr
    assert "sched.officehours.opens" in done.stdout + done.stderr
