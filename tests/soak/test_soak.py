"""Random load, faults and kills; in the end nothing lost, nothing leaked, nobody's job killed, and flat memory."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest

from tests.faults.site import QUICK_CCB, Site
from tests.soak.memory import growth, held_mb
from tests.soak.weather import Weather

MINUTES = float(os.environ.get("SOAK_MINUTES") or 30)
SEED = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(10**6))
OUTPUT = Path(__file__).parents[2] / "faults-output"

_MOST_GROWTH = 0.1
"""Of the memory of the factory and its workers; the noise between two thirds of a short run is below 3 %."""
_KEYS = {"batchsubmit__condorec2__boottimeout": 30}


@pytest.mark.timeout(MINUTES * 60 + 900)
def test_soak(tmp_path: Path) -> None:
    """Chance rules for the given time. In its second half the factory is left alive, for the memory curve."""
    started = time.time()

    def say(what: str) -> None:
        print(f"{time.time() - started:6.0f} s  {what}", flush=True)

    say(f"SOAK_SEED={SEED} SOAK_MINUTES={MINUTES:g}")
    site = Site(tmp_path / "site", "soak", _KEYS, {"job_lease_duration": 120}, QUICK_CCB)
    memory: list[tuple[float, float]] = []
    turns = 0
    try:
        with site.running():
            weather = Weather(site, SEED, say)
            while (elapsed := time.time() - started) < MINUTES * 60:
                second_half = elapsed > MINUTES * 30
                weather.turn(kill_factory=not second_half)
                turns += 1
                assert site.factory.running, site.factory.log_text()[-2000:]
                if second_half:
                    memory.append((elapsed, held_mb(site.factory.pid)))
            site.health_reset()
            figures = site.settle()
    finally:
        site.keep_logs(OUTPUT / "logs" / "soak")
    curve = [held for _, held in memory]
    report = {
        "seed": SEED, "minutes": MINUTES, "events": turns, "jobs": site.submitted, "vms": len(site.book),
        "figures": vars(figures), "memory_mb": [[round(at), round(held, 1)] for at, held in memory],
        "memory_growth": round(growth(curve), 4),
    }  # fmt: skip
    (OUTPUT / "soak.json").write_text(json.dumps(report, indent=1) + "\n")
    say(f"events={turns} jobs={site.submitted} vms={len(site.book)} {figures}")
    say(f"memory {curve[0]:.0f} .. {curve[-1]:.0f} MiB, at most {max(curve):.0f}, growth {100 * growth(curve):+.1f} %")
    assert figures.clean, figures
    assert growth(curve) < _MOST_GROWTH, curve
