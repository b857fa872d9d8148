"""Memory of a running factory as data, so that ``apf explain`` decides as the factory does. Pure."""

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
    """Memory of the factory and results of its last audit."""

    memory: Memory = field(default_factory=Memory)
    orphans: Mapping[str, int] = field(default_factory=dict)
    """Number of instances without a VM job that count against the caps, by queue."""
    audit: AuditResult = field(default_factory=AuditResult)
    unaudited: frozenset[str] = frozenset()
    """Queues whose cloud no audit has asked yet."""

    def report(self) -> dict[str, Any]:
        """Return the memory as it stands in ``status.json``, without parts that are long and change no decision.

        Of the waiting job groups only the stuck ones are kept; of VM jobs only those that are missing.
        """
        fit = self.memory.fit
        stuck = {key: seen for key, seen in fit.waiting.items() if seen.stuck is not None}
        memory = replace(self.memory, fit=replace(fit, waiting=stuck), staying={}, ending={})
        short = SavedMemory(memory, dict(self.orphans), self.audit, self.unaudited)
        report: dict[str, Any] = _adapter().dump_python(short, mode="json")
        return report


def load_memory(report: Mapping[str, Any]) -> SavedMemory:
    """Return the memory from a report.

    Raises:
        ValueError: the report is invalid or of another version.
    """
    try:
        parts = ((SavedMemory, report), (Memory, report["memory"]), (AuditResult, report["audit"]))
        same = all(part.keys() == {each.name for each in fields(kind)} for kind, part in parts)
        known, why = (_adapter().validate_python(report), "") if same else (None, "its fields differ")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        known, why = None, " ".join(str(error).split())
    if known is None:
        raise ValueError(f"the factory's memory is of another version of apf: {why}")
    return known


@cache
def _adapter() -> TypeAdapter[SavedMemory]:
    from pydantic import TypeAdapter

    return TypeAdapter(SavedMemory)
