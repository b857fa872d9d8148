"""Attributes that machines of one model have shown. Pure.

A *model* is a queue, a shape and a build: machines that the factory makes alike. Only a machine that was never claimed
shows what a new one would show. What one such machine has is taken for all; a second one that differs makes the
attribute unknown again. An attribute is absent if such a machine has updated its ad twice without it. A machine that
was claimed before it was first seen still shows what no job changes: sizes, operating system, processor.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

START_TIMES = frozenset(("daemonstarttime", "enteredcurrentstate", "enteredcurrentactivity", "mycurrenttime"))
"""Times that are now for a new machine, in lower case; no two machines agree in them."""
_RESOURCES = ("cpus", "memory", "disk", "gpus")
SIZES = frozenset(f"{scope}{name}" for scope in ("", "total", "totalslot", "detected") for name in _RESOURCES)
"""Sizes, in lower case. Machines of one type differ a little; the smallest seen counts."""
_FIXED = frozenset(
    (
        "arch", "opsys", "opsysandver", "opsyslegacy", "opsyslongname", "opsysmajorver", "opsysname", "opsysshortname",
        "opsysver", "microarch", "condorversion", "condorplatform", "machineresources", "availablegpus",
        "filesystemdomain", "uiddomain",
    )
)  # fmt: skip
"""Other attributes that no job changes."""
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?")
_UPDATES = 2
"""Updates of an ad after which what it lacks is absent."""
_PROVEN = 200
"""Job groups of one model to remember."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Knowledge of the machines of a model. Names of attributes are in lower case."""

    shown: Mapping[str, str] = field(default_factory=dict)
    """Attribute → ClassAd expression."""
    differing: frozenset[str] = frozenset()
    """Attributes in which machines differ."""
    absent: frozenset[str] = frozenset()
    """Attributes that the machines do not have."""
    proven: tuple[str, ...] = ()
    """Digests of the ads of jobs that a machine of the model matched, although its template leaves that open."""

    def amounts(self, names: Iterable[str]) -> tuple[tuple[str, float], ...]:
        """Return the custom resources of these names that a machine of the model has (``Room.custom``)."""
        shown = ((name, self.shown.get(f"totalslot{name}")) for name in sorted(names))
        return tuple((name, float(text)) for name, text in shown if text is not None and _NUMBER.fullmatch(text))


@dataclass(frozen=True, slots=True)
class ShownAttributes:
    """Attributes that machines of one model and class show in one poll. Names are in lower case."""

    model: str
    attributes: Mapping[str, str]
    """Attribute → ClassAd expression."""
    asked: frozenset[str] = frozenset()
    """Attributes that the poll asked for."""
    unclaimed: Mapping[str, int] = field(default_factory=dict)
    """APFVM → number of updates of its ad, of the machines that no job uses now."""


def learn(known: ModelFacts, seen: ShownAttributes, never_claimed: Collection[str]) -> ModelFacts:
    """Return the facts after a poll. ``never_claimed``: VMs, by APFVM, that joined and were never claimed."""
    updates = [number for vm, number in seen.unclaimed.items() if vm in never_claimed]
    if not updates:
        fixed = {name: text for name, text in seen.attributes.items() if _is_fixed(name, seen.attributes)}
        missing = {name: text for name, text in fixed.items() if name not in known.shown}
        return replace(known, shown={**known.shown, **missing}) if missing else known
    shown, differing, absent = dict(known.shown), set(known.differing), set(known.absent)
    for name, text in seen.attributes.items():
        if name in differing or shown.get(name) == text or (name in shown and name in START_TIMES):
            continue
        if name in shown and _is_size(name, seen.attributes):
            shown[name] = _smaller(shown[name], text)
        elif name in shown or name in absent:
            shown.pop(name, None)
            absent.discard(name)
            differing.add(name)
        else:
            shown[name] = text
    if max(updates) >= _UPDATES:
        for name in seen.asked - seen.attributes.keys() - differing:
            if shown.pop(name, None) is None:
                absent.add(name)
            else:
                differing.add(name)
    after = replace(known, shown=shown, differing=frozenset(differing), absent=frozenset(absent))
    return known if after == known else after


def _is_size(name: str, attributes: Mapping[str, str]) -> bool:
    """True if this is the amount of a resource, which counts as if the machine were empty."""
    return name in SIZES or name.startswith("totalslot") or f"totalslot{name}" in attributes


def _is_fixed(name: str, attributes: Mapping[str, str]) -> bool:
    """True if no job changes this attribute of a machine."""
    return _is_size(name, attributes) or name in _FIXED or name.startswith("detected")


def with_proofs(known: ModelFacts, jobs: Iterable[str]) -> ModelFacts:
    """Return the facts with the digests of more jobs that a machine of the model matched; the oldest are dropped."""
    new = sorted(set(jobs) - set(known.proven))
    return replace(known, proven=(*known.proven, *new)[-_PROVEN:]) if new else known


def _smaller(one: str, other: str) -> str:
    return min(one, other, key=float) if _NUMBER.fullmatch(one) and _NUMBER.fullmatch(other) else other
