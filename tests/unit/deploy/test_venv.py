"""The venv of a checkout: its code, scripts and entry points on top of the shared packages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.rig.checkouts import SETUP, Checkout, Shell


def said(checkout: Checkout, *command: str) -> str:
    """Return the output of a script of the venv, or of Python code."""
    path = checkout.directory / ".venv" / "bin" / command[0]
    done = subprocess.run([path, *command[1:]], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def plugins(checkout: Checkout) -> set[str]:
    """Return the names of the ``apf.sched`` plugins, as a process of the venv finds them."""
    code = "from importlib.metadata import entry_points\nfor one in entry_points(group='apf.sched'): print(one.name)"
    return set(said(checkout, "python", "-c", code).split())


def test_code_scripts_and_entry_points_of_the_checkout_are_found(one: Checkout) -> None:
    one.venv().refreshed()
    assert said(one, "sample") == "one"
    assert plugins(one) == {"Ready"}
    code = "import product, third_party, importlib.metadata as metadata; print(metadata.version('sample'))"
    assert said(one, "python", "-c", code) == "1.0"


@pytest.mark.parametrize("script", ["tool", "far"])
def test_scripts_of_packages_run_in_the_venv_of_the_checkout(one: Checkout, two: Checkout, script: str) -> None:
    for checkout in (one, two):
        checkout.venv().refreshed()
        assert said(checkout, script) == f"{checkout.directory / '.venv'} 42"


def test_other_programs_of_packages_are_linked(one: Checkout) -> None:
    venv = one.venv().refreshed()
    link = venv.directory / "bin" / "binary"
    assert link.resolve() == venv.packages.directory / "bin" / "binary"


def test_nothing_runs_when_nothing_has_changed(one: Checkout, shell: Shell) -> None:
    one.venv().refreshed()
    shell.take()
    one.venv().refreshed()
    assert shell.take() == ""


def test_a_new_entry_point_runs_nothing_and_reaches_no_other_checkout(
    one: Checkout, two: Checkout, shell: Shell
) -> None:
    one.venv().refreshed()
    two.venv().refreshed()
    shell.take()
    one.setup.write_text(SETUP + "    Null = plugins.sched.null:Null\n")
    one.venv().refreshed()
    assert shell.take() == ""
    assert plugins(one) == {"Ready", "Null"}
    assert plugins(two) == {"Ready"}


def test_a_script_or_version_that_is_gone_from_setup_cfg_is_removed(one: Checkout) -> None:
    venv = one.venv().refreshed()
    one.setup.write_text(SETUP.replace("sample = product:main", "other = product:main").replace("1.0", "2.0"))
    one.venv().refreshed()
    assert said(one, "other") == "one"
    assert not (venv.directory / "bin" / "sample").exists()
    assert [path.name for path in venv.directory.glob("lib/*/site-packages/sample*")] == ["sample-2.0.dist-info"]


def test_metadata_that_setuptools_left_in_the_checkout_is_removed(one: Checkout) -> None:
    left = one.directory / "sample.egg-info"
    left.mkdir()
    one.venv().refreshed()
    assert not left.exists()


def test_a_copy_of_another_checkouts_venv_becomes_its_own(one: Checkout, two: Checkout) -> None:
    one.venv().refreshed()
    subprocess.run(["cp", "-al", one.directory / ".venv", two.directory / ".venv"], check=True)
    two.venv().refreshed()
    assert said(two, "sample") == "a second one"
    assert said(one, "sample") == "one"


def test_a_venv_with_packages_of_its_own_is_replaced(one: Checkout) -> None:
    old = one.directory / ".venv" / "lib" / "python3.11" / "site-packages" / "click"
    old.mkdir(parents=True)
    one.venv().refreshed()
    assert not old.exists()
    assert said(one, "sample") == "one"


def test_a_venv_that_was_cut_short_is_made_again(one: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(Path, "symlink_to", breaks)
        with pytest.raises(KeyboardInterrupt):
            one.venv().refreshed()
    one.venv().refreshed()
    assert said(one, "sample") == "one"


def test_scripts_start_from_a_long_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    far = Checkout(tmp_path / ("x" * (150 - len(os.fspath(tmp_path)))), monkeypatch, shell)
    far.venv().refreshed()
    assert said(far, "sample") == far.directory.name
    assert said(far, "tool").endswith(" 42")
