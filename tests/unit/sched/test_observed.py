"""Our plugins and ``apf chain`` give the recorded answers of AutoPyFactory's plugins."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from factory.cli.chain import chain
from factory.config import load
from factory.decide.chain import run_chain
from factory.model.status import BatchStatus, SiteStatus, WmsStatus
from tests.rig.chains import conf, view

_CASES = json.loads((Path(__file__).parent / "observed.json").read_text())["cases"]
_MISSING = {
    "Ready": ("wms", "batch"),
    "KeepNRunning": ("batch",),
    "MaxPending": ("batch",),
    "MinPending": ("batch",),
    "MaxToRun": ("batch",),
    "MaxPerFactory": ("all_batch",),
    "StatusOffline": ("wms", "batch", "site"),
    "StatusTest": ("wms", "batch", "site"),
}


@dataclass
class Case:
    """One recorded answer."""

    plugin: str
    n_in: int
    config: dict[str, Any]
    factory_config: dict[str, Any] | None = None
    wms: dict[str, Any] | None = None
    batch: dict[str, Any] | None = None
    site: dict[str, str] | None = None
    all_batch: dict[str, dict[str, int]] | None = None
    n_out: int | None = None
    raises: str | None = None

    @property
    def total(self) -> int | None:
        return None if self.all_batch is None else sum(sum(status.values()) for status in self.all_batch.values())

    @property
    def known(self) -> bool:
        return all(getattr(self, part) is not None for part in _MISSING.get(self.plugin, ()))

    @property
    def expected(self) -> int | None:
        return self.n_out if self.known else None

    def __str__(self) -> str:
        return f"{self.plugin} {self.n_in} {self.config}"

    def file(self, directory: Path) -> Path:
        file = directory / "queues.conf"
        file.write_text(conf(self.plugin, self.config, self.factory_config))
        return file

    def arguments(self) -> list[str]:
        given = []
        for option in ("wms", "batch", "site"):
            part = getattr(self, option)
            if part is not None:
                given += [f"--{option}", ",".join(f"{name}={value}" for name, value in part.items())]
        if self.total is not None:
            given += ["--factory-total", str(self.total)]
        return [*given, "-n", str(self.n_in)]


CASES = [Case(**case) for case in _CASES]
each_case = pytest.mark.parametrize("case", CASES, ids=str)


@each_case
def test_plugin_answers_like_autopyfactory(case: Case, tmp_path: Path) -> None:
    queue = load([case.file(tmp_path)]).queue("Q")
    assert queue is not None
    seen = view(
        wms=None if case.wms is None else WmsStatus(**case.wms),
        batch=None if case.batch is None else BatchStatus(**case.batch),
        site=None if case.site is None else SiteStatus(**case.site).status,
        total=case.total,
    )
    result = run_chain(queue.sched, seen, case.n_in)
    assert (None if result.blocked_text else result.ask.n) == case.expected


@each_case
def test_apf_chain_answers_like_autopyfactory(case: Case, tmp_path: Path) -> None:
    run = CliRunner().invoke(chain, ["--conf", str(case.file(tmp_path)), *case.arguments(), "--json", "Q"])
    assert run.exit_code == 0, run.output
    answer = json.loads(run.stdout)
    assert answer["n"] == case.expected
    if case.expected is None:
        assert answer["outcome"] == "blocked"
        assert answer["steps"] == []
        assert case.plugin in answer["reason"]
        assert "unknown" in answer["reason"]
    else:
        (step,) = answer["steps"]
        assert step == {
            "plugin": case.plugin,
            "n_in": case.n_in,
            "n_out": case.expected,
            "reason": step["reason"],
        }
        assert step["reason"]


def test_cases_cover_known_and_missing_information() -> None:
    assert len(CASES) == 60
    assert sum(case.known for case in CASES) == 51
