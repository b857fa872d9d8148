"""Memory of a running factory, handed to other processes in its status."""

import json
from dataclasses import replace

import pytest

from factory.model.demand import Room
from factory.model.memory import (
    Attempts,
    AuditResult,
    Backoff,
    Breaker,
    FitMemory,
    Health,
    Memory,
    Newcomer,
    Seen,
    VanishedJob,
    Waiting,
)
from factory.state.saved_memory import SavedMemory, load_memory
from tests.rig.vms import NOW, vm

STUCK = Waiting(
    NOW - 9999, 6, machines={"b": Room(1), "a": Room(8, 100)}, stuck="room stood free", stuck_since=NOW - 60
)
HEALTH = Health(
    breakers={"s": Breaker("quota", "no more", NOW - 5, NOW + 60, 2)},
    launches={"s": (True, False)},
    counted={"vm1": True},
    booting={"vm2": vm("vm2")},
    proven=frozenset({"b"}),
    canaries={"ami-1": "one VM first"},
)
KNOWN = SavedMemory(
    Memory(
        vms={"vm1": Seen(NOW - 5), "vm2": Seen(NOW - 9, NOW - 3)},
        sent={"vm1": NOW - 2},
        absent={"vm2": NOW - 1},
        attempts={"vm1": Attempts("retire", 3)},
        missing={"vm3": VanishedJob("Q", NOW - 4)},
        ended=frozenset({"vm4"}),
        health={"Q": HEALTH},
        fit=FitMemory(
            {"stuck": STUCK, "fine": Waiting(NOW, 3)},
            {"ami-1/m5.large/*/on-demand": Room(2, 7_800, 9, 0)},
            {"vm5": Newcomer("Q", "s", NOW - 6)},
            {"Q": Backoff(NOW + 900, 1)},
        ),
        staying={"vm1": "Q"},
        ending={"vm2": "Q"},
    ),
    {"Q": 2},
    AuditResult({"Q": NOW - 30}, frozenset({"Q"}), frozenset({"vm6"}), frozenset({"vm7"})),
)


def test_load_returns_what_report_wrote_but_for_long_parts() -> None:
    loaded = load_memory(json.loads(json.dumps(KNOWN.report())))
    short = replace(KNOWN.memory, staying={}, ending={}, fit=replace(KNOWN.memory.fit, waiting={"stuck": STUCK}))
    assert loaded == replace(KNOWN, memory=short)
    assert load_memory(SavedMemory().report()) == SavedMemory()


@pytest.mark.parametrize(
    "change",
    [
        {"memory": {}},
        {"memory": 3},
        {"audit": None},
        {"more": 1},
        {"orphans": {"Q": "many"}},
        {"memory": {**SavedMemory().report()["memory"], "sent": {"vm1": "long ago"}}},
    ],
)
def test_refuses_memory_of_another_version(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is of another version of apf"):
        load_memory({**SavedMemory().report(), **change})
    for wrong in ("", "stuck rooms backoff"):
        with pytest.raises(ValueError, match="is of another version of apf"):
            load_memory({name: {} for name in wrong.split()})
