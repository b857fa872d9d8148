"""Template machine ads: what a machine of a shape would show, before anybody has started one.

The base is a real slot ad of each HTCondor series (``machines/<series>.ad``), without what depends on image or
hardware: operating system version, processor, domains, runtimes of containers. Those are undefined in the template, so
that a job which asks for them may match ("maybe"), and one probe machine tells; or the configuration does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from factory.model.demand import Room

_OF_ONE = frozenset(("name", "apfvm", "apfbuild", "daemonstoptime", "draining", "lastheardfrom"))
"""What a machine that was seen has for itself: another of its shape would have other values."""
_BEGUN = frozenset(("daemonstarttime", "enteredcurrentstate", "enteredcurrentactivity", "mycurrenttime"))
"""Of a machine that starts now that is now. Of one that was seen it is there only if some expression refers to it."""


@cache
def base_ads() -> dict[tuple[int, ...], str]:
    """Shipped slot ads, in the old ClassAd syntax, by HTCondor series."""
    found = {}
    for entry in Path(__file__).with_name("machines").iterdir():
        if entry.name.endswith(".ad"):
            series = tuple(int(number) for number in entry.name[:-3].split("."))
            found[series] = entry.read_text(encoding="utf-8")
    return found


def base_ad_for(version: str) -> str:
    """The shipped slot ad of the newest series that is not newer than this HTCondor version, else the oldest."""
    match = re.search(r"(\d+)\.(\d+)\.\d+", version)
    ours = (int(match[1]), int(match[2])) if match else (0, 0)
    known = base_ads()
    return known[max((series for series in known if series <= ours), default=min(known))]


@cache
def _base_text(version: str) -> str:
    """The base in the new syntax: each ad that ``parseOne`` makes of the old one stays in memory for good."""
    import classad2

    return str(classad2.parseOne(base_ad_for(version)))


def template_ad(room: Room, attributes: Mapping[str, str], real: Any = None) -> Any:
    """The ad of a wholly free machine: the base, its size, and attributes as ClassAd expressions.

    ``real``: the ad of a machine of the shape, if one was seen; what it shows counts for more than all else.

    Raises:
        ValueError: an attribute is no ClassAd expression.
    """
    import htcondor2

    ad = _template_ad(htcondor2.version(), room, tuple(attributes.items()))
    if real is None:
        return ad
    import classad2

    ad = _copy(ad)
    for name in real:
        if name.lower() in _BEGUN:
            ad[name] = classad2.ExprTree("time()")
        elif name.lower() not in _OF_ONE:
            ad[name] = real.lookup(name)
    return ad


def _copy(ad: Any) -> Any:
    import classad2

    copy = classad2.ClassAd()
    for name in ad:
        copy[name] = ad.lookup(name)
    return copy


@lru_cache(4096)
def _template_ad(version: str, room: Room, attributes: tuple[tuple[str, str], ...]) -> Any:
    """One that nobody changes: it is the same from poll to poll."""
    import classad2

    ad = classad2.ClassAd(_base_text(version))
    sizes = {"Cpus": int(room.cpus), "Memory": int(room.memory_mb), "Disk": int(room.disk_kb), "GPUs": int(room.gpus)}
    for name, size in sizes.items():
        for attribute in (name, f"Total{name}", f"TotalSlot{name}", f"Detected{name}"):
            ad[attribute] = size
    for name, expression in attributes:
        try:
            ad[name] = classad2.ExprTree(expression)
        except Exception:  # noqa: BLE001 - the bindings raise more than one kind
            raise ValueError(f"{name} = {expression} is no ClassAd expression") from None
    return ad
