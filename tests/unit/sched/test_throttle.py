"""Throttle submits slowly while too many recent jobs are short."""

from typing import Any

import pytest

from factory.condor.schedd.history import HistorySource, HistoryWindow, RecentJobs
from factory.decide.chain import Chain, run_chain
from factory.model.source import Reading, Readings
from plugins.sched.throttle import Throttle
from tests.rig.chains import plugin, view

NOW = 1_000_000.0


def decided(n: int, rows: Any, error: str | None = None, **settings: Any) -> Chain:
    step = plugin(Throttle, **settings)
    (source,) = step.sources()
    readings = Readings(NOW, {source.key: Reading(source.key, NOW - 1, NOW, rows, error)})
    return run_chain((step,), view(now=NOW, readings=readings), n)


def after(n: int, total: int, short: int, **settings: Any) -> int:
    window = HistoryWindow("Q", settings.get("interval", 3600), settings.get("maxtime", 10))
    result = decided(n, {window: RecentJobs(total, short)}, **settings)
    assert result.blocked_text is None
    return result.ask.n


@pytest.mark.parametrize(
    ("n", "total", "short", "settings", "n_out"),
    [
        (50, 20, 11, {}, 1),
        (50, 20, 10, {}, 50),
        (50, 0, 0, {}, 50),
        (50, 20, 20, {"submit": 3}, 3),
        (-5, 20, 20, {}, 1),
        (-5, 20, 1, {}, -5),
        (50, 20, 5, {"ratio": 0.2}, 1),
        (50, 20, 20, {"ratio": 1}, 50),
        (50, 1, 1, {"interval": 60, "maxtime": 3}, 1),
    ],
)
def test_asks_for_submit_while_too_many_jobs_are_short(
    n: int, total: int, short: int, settings: dict[str, Any], n_out: int
) -> None:
    assert after(n, total, short, **settings) == n_out


def test_reason_gives_the_counts() -> None:
    window = HistoryWindow("Q", 3600, 10)
    slow = decided(50, {window: RecentJobs(20, 15)})
    assert slow.reason == "Throttle: 15 of 20 recent jobs ended within 10 s, more than 50%"
    assert decided(50, {window: RecentJobs(20, 5)}).reason == "Throttle: 5 of 20 recent jobs ended within 10 s"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (run_chain((plugin(Throttle),), view(), 5), "Throttle: history of schedd local: not read"),
        (decided(5, None, "timed out after 60 s"), "Throttle: history of schedd local: timed out after 60 s"),
        (decided(5, {}), "the history was read before this queue asked for it"),
    ],
)
def test_blocked_while_the_history_is_unknown(result: Chain, reason: str) -> None:
    assert result.blocked_text is not None
    assert reason in result.blocked_text


def test_reads_the_history_of_the_schedd_of_the_jobs() -> None:
    (source,) = plugin(Throttle, interval="2h", maxtime="1m").sources()
    assert isinstance(source, HistorySource)
    assert source.key == "history of schedd local"
    assert source.windows == {HistoryWindow("Q", 7200, 60)}
