"""Template machine ads: the slot ad that a new machine of a shape is expected to show.

The base is a real slot ad of each HTCondor series (``machines/<series>.ad``). It lacks what depends on image or
hardware: operating system version, processor, domains, container runtimes. These are undefined in the template, so
a job that asks for them is a possible match ("maybe"). One probe machine, or the configuration, settles it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from factory.condor.classad.values import copy_ad, has
from factory.model.demand import Room
from factory.model.model_facts import START_TIMES, ModelFacts


@cache
def base_ads() -> dict[tuple[int, ...], str]:
    """Return the shipped slot ads, in the old ClassAd syntax, by HTCondor series."""
    ads = {}
    for entry in Path(__file__).with_name("machines").iterdir():
        if entry.name.endswith(".ad"):
            series = tuple(int(number) for number in entry.name[:-3].split("."))
            ads[series] = entry.read_text(encoding="utf-8")
    return ads


def base_ad_for(version: str) -> str:
    """Return the shipped ad of the newest series up to this HTCondor version; the oldest if all are newer."""
    match = re.search(r"(\d+)\.(\d+)\.\d+", version)
    ours = (int(match[1]), int(match[2])) if match else (0, 0)
    known = base_ads()
    return known[max((series for series in known if series <= ours), default=min(known))]


@cache
def _base_text(version: str) -> str:
    """Return the base in the new syntax, cached: each ad that ``parseOne`` makes is never freed."""
    import classad2

    return str(classad2.parseOne(base_ad_for(version)))


def template_ad(room: Room, attributes: Mapping[str, str], facts: ModelFacts | None = None) -> Any:
    """Return the ad of an empty machine of this size, with further attributes as ClassAd expressions.

    ``facts``: what machines of the model have shown; it overrides base and attributes.

    Raises:
        ValueError: an attribute is not a ClassAd expression.
    """
    import htcondor2

    ad = _template_ad(htcondor2.version(), room, tuple(attributes.items()))
    if facts is None:
        return ad
    import classad2

    ad = copy_ad(ad)
    for name, text in facts.shown.items():
        ad[name] = classad2.ExprTree("time()" if name in START_TIMES else text)
    for name in (*facts.absent, *facts.differing):
        if name != "requirements" and has(ad, name):
            del ad[name]
    return ad


@lru_cache(4096)
def _template_ad(version: str, room: Room, attributes: tuple[tuple[str, str], ...]) -> Any:
    """Return the template without an example. It is cached and shared: never change it."""
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
            raise ValueError(f"{name} = {expression} is not a ClassAd expression") from None
    return ad
