"""What a factory knows beyond what a poll shows, as data for other processes: ``apf explain`` decides with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from factory.model.memory import AuditResult, Memory

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True)
class SavedMemory:
    """What the factory remembers, and what its last audit found."""

    memory: Memory = field(default_factory=Memory)
    orphans: Mapping[str, int] = field(default_factory=dict)
    """Instances without a VM job that count against the caps, by queue."""
    audit: AuditResult = field(default_factory=AuditResult)
    unasked: frozenset[str] = frozenset()
    """Queues whose cloud no audit has asked yet."""

    def report(self) -> dict[str, Any]:
        """For ``status.json``; without what is long and does not matter to one further look.

        Of the groups of jobs that wait, only those that are stuck; nothing of VM jobs that nobody has missed yet.
        """
        fit = self.memory.fit
        stuck = {key: seen for key, seen in fit.waiting.items() if seen.stuck is not None}
        memory = replace(self.memory, fit=replace(fit, waiting=stuck), staying={})
        short = SavedMemory(memory, dict(self.orphans), self.audit, self.unasked)
        report: dict[str, Any] = _adapter().dump_python(short, mode="json")
        return report


def load_memory(report: Mapping[str, Any]) -> SavedMemory:
    """The same again.

    Raises:
        ValueError: it is no such report, or one of another version.
    """
    try:
        parts = ((SavedMemory, report), (Memory, report["memory"]), (AuditResult, report["audit"]))
        same = all(part.keys() == {each.name for each in fields(kind)} for kind, part in parts)
        known, why = (_adapter().validate_python(report), "") if same else (None, "it has other parts")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        known, why = None, " ".join(str(error).split())
    if known is None:
        raise ValueError(f"no memory of a factory of this version: {why}")
    return known


@cache
def _adapter() -> TypeAdapter[SavedMemory]:
    from pydantic import TypeAdapter

    return TypeAdapter(SavedMemory)
