"""Run the selected scenarios in parallel, and print their table at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.faults.scenario import OUTPUT, SCENARIOS, Outcome, ScenarioRunner, table

_LANES = int(os.environ.get("APF_FAULT_LANES", "4"))
"""Scenarios that run in parallel; they wait most of the time."""

_outcomes: list[Outcome] = []


@pytest.fixture(scope="session")
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScenarioRunner]:
    """Run the selected scenarios, once the first test needs an outcome."""
    wanted = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    runner = ScenarioRunner(
        [each for each in SCENARIOS if each.name in wanted], tmp_path_factory.mktemp("faults"), _LANES
    )
    yield runner
    runner.close()


@pytest.fixture
def note() -> Iterator[list[Outcome]]:
    """Collect the outcomes for the table and the output files."""
    yield _outcomes
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "faults.json").write_text(json.dumps([each.as_json() for each in _outcomes], indent=1) + "\n")
    (OUTPUT / "faults.txt").write_text("\n".join(table(_outcomes)) + "\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if not _outcomes:
        return
    terminalreporter.section("faults")
    for line in table(_outcomes):
        terminalreporter.write_line(line)
