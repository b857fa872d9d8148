"""Pins that hold for two Pythons."""

from __future__ import annotations

from _sandbox.lock import constraints
from packaging.requirements import Requirement

OLDER = {"common": "1", "split": "1", "only-older": "1"}
NEWER = {"common": "1", "split": "2", "only-newer": "1"}


def pins(python: str) -> dict[str, str]:
    lines = constraints(OLDER, NEWER, "3.13").splitlines()
    wanted = [Requirement(line) for line in lines if not line.startswith("#")]
    chosen = [one for one in wanted if one.marker is None or one.marker.evaluate({"python_version": python})]
    assert len({one.name for one in chosen}) == len(chosen)
    return {one.name: str(one.specifier) for one in chosen}


def test_each_python_gets_its_own_pins() -> None:
    assert OLDER.items() <= {name: pin.removeprefix("==") for name, pin in pins("3.11").items()}.items()
    assert NEWER.items() <= {name: pin.removeprefix("==") for name, pin in pins("3.13").items()}.items()
