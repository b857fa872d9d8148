"""Memory of job groups stays while their schedd is unknown."""

from dataclasses import replace
from pathlib import Path

from factory.model.status import WmsStatus
from tests.rig.fit import demand, group, machine
from tests.rig.sharing import PLACE, Factory


def test_stuck_jobs_stay_stuck_while_their_schedd_is_unknown(tmp_path: Path) -> None:
    factory = Factory(tmp_path, jobs=[group("g", 1, 1000, 8)], machines=[machine("m", 8, 32_000)])
    while "are stuck" not in factory.round().decisions[0].chain.reason:
        pass
    seen = demand([group("other", 1, 1000, 1)], [], [PLACE])
    factory.wms = WmsStatus(ready=1, demand=replace(seen, partial=True), partial="no answer")
    factory.round()
    assert "g" in factory.memory.fit.waiting
    factory.wms = WmsStatus(ready=1, demand=seen)
    factory.round()
    assert "g" not in factory.memory.fit.waiting
