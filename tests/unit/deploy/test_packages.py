"""The shared packages: built once per content, kept while they are used, removed afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from _sandbox import places
from _sandbox.packages import LOCK_FILE, SPARED_S, USERS, prune_packages

from tests.rig.checkouts import SETUP, Checkout, Shell

HOLD = """
import fcntl, sys
held = open(sys.argv[1])
fcntl.lockf(held, fcntl.LOCK_SH)
print(flush=True)
sys.stdin.read()
"""
"""Locks a file as a bubble does."""


def test_the_first_checkout_installs_all_requirements_and_says_how_long_it_takes(
    one: Checkout, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    one.venv().refreshed()
    assert "click >=8 pytest" in shell.take()
    assert "usually 1 to 3 minutes" in capsys.readouterr().err.splitlines()[0]


def test_the_second_checkout_installs_nothing(
    one: Checkout, two: Checkout, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    one.venv().refreshed()
    shell.take()
    capsys.readouterr()
    two.venv().refreshed()
    assert "pip" not in shell.take().replace("--without-pip", "")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("changed", ["requirement", "pin"])
def test_another_requirement_or_pin_has_packages_of_its_own(one: Checkout, shell: Shell, changed: str) -> None:
    before = one.venv().refreshed().packages.directory
    shell.take()
    if changed == "pin":
        one.pins.write_text("click==8.1.0\n")
    else:
        one.setup.write_text(SETUP.replace("click >=8", "click >=8.1"))
    venv = one.venv().refreshed()
    commands = shell.take()
    assert "click >=8" in commands
    assert (" -c " in commands) == (changed == "pin")
    assert venv.packages.directory != before


def test_what_is_no_dependency_changes_no_packages(one: Checkout) -> None:
    before = one.venv().packages.directory
    text = SETUP.replace("# why", "# why not").replace("1.0", "2.0") + "    Null = plugins.sched.null:Null\n"
    one.setup.write_text(text + "[options.package_data]\nfactory = py.typed\n")
    assert one.venv().packages.directory == before


def test_an_installation_that_was_cut_short_is_done_again_from_nothing(one: Checkout, shell: Shell) -> None:
    class Breaks(Shell):
        def __call__(self, directory: Path, inside: str, command: list[str], what: str, advice: str) -> None:
            super().__call__(directory, inside, command, what, advice)
            if "pip" in command:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.venv(Breaks()).refreshed()
    assert not one.venv().packages.complete()
    one.venv().refreshed()
    assert "--clear" in shell.take().splitlines()[0]


def test_checkouts_that_start_at_once_install_once(
    one: Checkout, two: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Slow(Shell):
        def __call__(self, directory: Path, inside: str, command: list[str], what: str, advice: str) -> None:
            if "pip" in command:
                time.sleep(1)  # so that the other one has to wait and says so
            super().__call__(directory, inside, command, what, advice)

    slow = Slow()
    monkeypatch.setattr(places, "SILENT_S", 0.1)
    venvs = [one.venv(slow), one.venv(slow)]
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda venv: venv.refreshed(), venvs))
    assert sum("pip" in command for command in slow.commands) == 1
    assert "waiting for another process" in capsys.readouterr().err


def test_packages_that_lost_their_last_user_are_removed_a_day_later(one: Checkout) -> None:
    old = one.venv().refreshed().packages.directory
    one.pins.write_text("click==8.1.0\n")
    one.venv().refreshed()
    assert old.is_dir()
    ago = time.time() - SPARED_S - 1
    os.utime(old / USERS, (ago, ago))
    one.pins.write_text("click==8.1.1\n")
    one.venv().refreshed()
    assert not old.exists()


def test_packages_of_a_checkout_that_is_gone_are_removed_unless_another_uses_them(one: Checkout, two: Checkout) -> None:
    shared = one.venv().refreshed().packages.directory
    two.venv().refreshed()
    ago = time.time() - SPARED_S - 1
    os.utime(shared / USERS, (ago, ago))
    shutil.rmtree(one.directory / ".venv")
    prune_packages()
    assert shared.is_dir()
    shutil.rmtree(two.directory / ".venv")
    prune_packages()
    assert not shared.exists()


def test_packages_that_somebody_runs_with_are_not_removed(one: Checkout) -> None:
    old = one.venv().refreshed().packages.directory
    one.pins.write_text("click==8.1.0\n")
    one.venv().refreshed()
    ago = time.time() - SPARED_S - 1
    os.utime(old / USERS, (ago, ago))
    holder = [sys.executable, "-c", HOLD, str(old / LOCK_FILE)]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bubble:
        assert bubble.stdout is not None
        assert bubble.stdout.readline() == b"\n"
        prune_packages()
        assert old.is_dir()
        bubble.communicate()
    prune_packages()
    assert not old.exists()
