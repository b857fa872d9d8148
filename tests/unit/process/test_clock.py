"""A clock that is set: what the factory remembers keeps its age."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.model.actions import retire_time, unretire_time
from factory.model.demand import Room
from factory.model.memory import Backoff, Breaker, FitMemory, Health, Memory, Newcomer, Seen, Waiting
from factory.model.source import Reading
from factory.model.vm import VM, VMState
from factory.process.clock import Clock
from factory.world.clock_step import TIMES, shift_times
from tests.rig.vms import NOW, vm


class Host:
    """A host whose clock can be set."""

    def __init__(self) -> None:
        self.wall, self.up = NOW, 100.0

    def passes(self, seconds: float, set_by: float = 0) -> None:
        self.up += seconds
        self.wall += seconds + set_by

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.up)


@given(st.lists(st.tuples(st.floats(0, 9999), st.one_of(st.just(0.0), st.floats(-1e6, -1), st.floats(1, 1e6)))))
def test_clock_reports_each_step_once_and_runs_evenly_between(
    steps: list[tuple[float, float]],
) -> None:
    host = Host()
    clock = host.clock()
    for seconds, by in steps:
        before = clock.now()
        host.passes(seconds, by)
        assert clock.now() == pytest.approx(before + seconds, abs=1e-3)
        assert clock.adopt_step() == pytest.approx(by, abs=1e-3)
        assert clock.adopt_step() == 0
        assert clock.now() == pytest.approx(host.wall, abs=1e-3)


def test_slow_correction_is_no_step() -> None:
    host = Host()
    clock = host.clock()
    host.passes(10, 0.4)
    assert clock.adopt_step() == 0
    host.passes(10, 0.4)
    assert clock.adopt_step() == pytest.approx(0.8)


def test_clock_step_keeps_the_age_of_a_reading() -> None:
    reading = Reading("jobs", NOW - 20, NOW - 19, rows={"a": NOW})
    for by in (-86400.0, 86400.0):
        moved = shift_times(reading, by)
        assert moved.usable(NOW + by, NOW - 21 + by) is None
        assert moved.usable(NOW + by, NOW - 19 + by) is not None, "the queue has acted since"
        assert moved.usable(NOW + by + 400, 0) is not None, "too old"
        assert moved.rows == {"a": NOW}, "times from a daemon are by that daemon's clock"


MEMORY = Memory(
    vms={"a": Seen(NOW - 5), "b": Seen(NOW - 9, NOW - 3)},
    sent={"a": NOW - 2},
    absent={"b": NOW - 1},
    alone={"b": NOW - 4},
    unseen={"c": NOW - 8},
    health={"Q": Health({"s": Breaker("what", "text", NOW - 6, NOW + 60)}, {"s": (True,)}, {"a": True})},
    fit=FitMemory(
        {"g": Waiting(NOW - 7, 3, "limit", NOW - 6, {"m": Room(1)}, 1, "why", NOW - 5, NOW - 4)},
        {"s": Room(1, 2, 3, 0)}, {"a": Newcomer("Q", "s", NOW - 3)}, {"Q": Backoff(NOW + 9, 2)},
    ),
)  # fmt: skip


def moments(thing: object) -> list[float]:
    """Return every float in an object."""
    if isinstance(thing, float):
        return [thing]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, Room):
        return [found for each in dataclasses.fields(thing) for found in moments(getattr(thing, each.name))]
    if isinstance(thing, Mapping):
        return [found for each in thing.values() for found in moments(each)]
    return []


def test_clock_step_shifts_every_remembered_time_and_nothing_else() -> None:
    moved = shift_times(MEMORY, -3600)
    assert moments(moved) == [each - 3600 for each in moments(MEMORY)]
    assert len(moments(moved)) == 15
    assert shift_times(moved, 3600) == MEMORY


def test_every_time_field_of_the_memory_is_listed() -> None:
    """A new float field of the memory must be listed in TIMES if it is a time."""
    for kind in (Seen, Breaker, Newcomer, Waiting, Backoff):
        hints: dict[str, Any] = typing.get_type_hints(kind)
        floats = {name for name, hint in hints.items() if hint in (float, float | None)}
        assert floats == set(TIMES[kind]), kind


def asked(retired: float | None, returned: float | None) -> VM:
    return vm("vm1", VMState.BUSY, retire_time=retired, unretire_time=returned)


@given(st.lists(st.floats(0, 2e9), min_size=2, max_size=9))
def test_last_retire_or_unretire_counts_whatever_the_clock_does(clock: list[float]) -> None:
    known = asked(None, None)
    for turn, now in enumerate(clock):
        if turn % 2 == 0:
            known = asked(retire_time(known, now), known.unretire_time)
            assert known.asked_to_retire
        else:
            known = asked(known.retire_time, unretire_time(known, now))
            assert known.unretired
