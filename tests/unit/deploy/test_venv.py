"""When a venv is made anew, and when the checkout is only registered again."""

from __future__ import annotations

from pathlib import Path

import pytest
from _sandbox import venv
from _sandbox.venv import Venv

SETUP = """
[options]
install_requires =
    # why
    click >=8
[options.extras_require]
test =
    pytest
[options.entry_points]
apf.sched =
    Ready = plugins.sched.ready:Ready
"""


class Recorded:
    """A shell that writes down what it was asked to run."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def __call__(self, directory: Path, command: list[str], what: str, advice: str) -> None:
        self.commands.append(command)

    def take(self) -> str:
        taken, self.commands = self.commands, []
        return "\n".join(" ".join(command) for command in taken)


@pytest.fixture
def shell() -> Recorded:
    return Recorded()


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Recorded) -> Venv:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(venv, "CHECKOUT", tmp_path)
    monkeypatch.setattr(venv, "SETUP", tmp_path / "setup.cfg")
    monkeypatch.setattr(venv, "CONSTRAINTS", tmp_path / "constraints.txt")
    venv.SETUP.write_text(SETUP)
    return Venv(tmp_path / "venv", "/inside", "python3", ("test",), True, shell)


def test_the_first_time_all_requirements_are_installed_and_the_checkout_registered(one: Venv, shell: Recorded) -> None:
    one.refreshed()
    commands = shell.take()
    assert "-m venv --system-site-packages" in commands
    assert "click >=8 pytest" in commands
    assert "--no-deps --no-build-isolation -e" in commands


def test_nothing_is_run_when_nothing_has_changed(one: Venv, shell: Recorded) -> None:
    one.refreshed()
    shell.take()
    one.refreshed()
    assert shell.take() == ""


def test_a_new_entry_point_only_registers_the_checkout_and_needs_no_index(one: Venv, shell: Recorded) -> None:
    one.refreshed()
    shell.take()
    venv.SETUP.write_text(SETUP + "    Null = plugins.sched.null:Null\n")
    one.refreshed()
    assert "-e" in (commands := shell.take())
    assert "click" not in commands


@pytest.mark.parametrize("changed", ["requirement", "pin"])
def test_another_requirement_or_pin_installs_again(one: Venv, shell: Recorded, changed: str) -> None:
    one.refreshed()
    shell.take()
    if changed == "pin":
        venv.CONSTRAINTS.write_text("click==8.1.0\n")
    else:
        venv.SETUP.write_text(SETUP.replace("click >=8", "click >=8.1"))
    one.refreshed()
    commands = shell.take()
    assert "click >=8" in commands
    assert ("-c" in commands) == (changed == "pin")


def test_an_install_that_was_cut_short_is_done_again_from_nothing(one: Venv, shell: Recorded) -> None:
    def breaks(directory: Path, command: list[str], what: str, advice: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Venv(one.directory, one.inside, one.python, one.extras, True, breaks).refreshed()
    one.refreshed()
    assert "--clear" in shell.take()
