"""The scenarios that were asked for, played side by side; at the end their table."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.faults.scenario import OUTPUT, SCENARIOS, Outcome, Theatre, table

_LANES = int(os.environ.get("APF_FAULT_LANES", "4"))
"""Scenarios at a time; they wait most of their time."""

_outcomes: list[Outcome] = []


@pytest.fixture(scope="session")
def theatre(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Plays what was selected, from the first test that asks for an outcome on."""
    wanted = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    playing = Theatre([each for each in SCENARIOS if each.name in wanted], tmp_path_factory.mktemp("faults"), _LANES)
    yield playing
    playing.close()


@pytest.fixture
def note() -> Iterator[list[Outcome]]:
    """Where outcomes are put for the table."""
    yield _outcomes
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "faults.json").write_text(json.dumps([each.as_json() for each in _outcomes], indent=1) + "\n")
    (OUTPUT / "faults.txt").write_text("\n".join(table(_outcomes)) + "\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table."""
    if not _outcomes:
        return
    terminalreporter.section("faults")
    for line in table(_outcomes):
        terminalreporter.write_line(line)
