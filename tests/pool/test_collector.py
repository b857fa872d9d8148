"""Ads of the collector about itself and about machines."""

import time
from pathlib import Path

import pytest

from factory.condor.collector.machines import PoolSource
from factory.model.address import PoolAddress
from factory.process.workers import CallFailed, Workers
from tests.rig.pool import Pool
from tests.rig.wait import until


def test_collector_uptime_is_that_of_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a collector has been up for long enough, every machine has reported (rule 2)."""
    workers = Workers()
    with Pool(tmp_path / "pool", name="collector@pool") as pool:
        monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
        source = PoolSource(pool=PoolAddress(), factory_id="nobody")

        def up_s() -> float | None:
            try:
                return workers.call("collector", 30, source.fetch).collector_up_s
            except CallFailed:
                return None

        until(lambda: (up_s() or 0) > 1, "it is up")
        killed = time.monotonic()
        pool.kill_daemon("collector")
        until(lambda: up_s() is None, "it is down")
        until(lambda: up_s() is not None, "it is up again")
        seen: list[tuple[float | None, float]] = []

        def grows() -> bool:
            seen.append((up_s(), time.monotonic() - killed))
            return (seen[-1][0] or 0) > 3

        until(grows, "it grows", 60, every_s=0.3)
        assert all(up is not None and up <= since + 1.5 for up, since in seen), (
            "uptime does not exceed the age of the process"
        )
    workers.stop()
