"""The factory's journal: one JSON object per decision. The one module that knows its fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class JournalDecision:
    """One decision of one queue."""

    queue: str
    decided: float
    """Time of the decision (epoch)."""
    outcome: str
    """``submit``, ``retire``, ``none`` or ``blocked``."""
    n: int
    """VMs (or pilots) to add; negative: VMs to retire."""
    reason: str
    actions: tuple[str, ...] = ()
    """Actions and notes, as lines."""
    failed: tuple[str, ...] = ()
    """Errors of actions that failed."""
    vms: Mapping[str, int] | None = None
    """VMs by state, without states that have none; None if the decision was blocked."""
    waited: bool = False
    """True if work was waiting, nothing was submitted for it, and VMs were starting."""

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """Read an entry of the journal."""
        blocked = entry["blocked"]
        ready = (entry["wms"] or {}).get("ready", 0)
        pending = entry["batch"].get("pending", 0)
        return cls(
            queue=entry["queue"],
            decided=entry["decided"],
            outcome=entry["outcome"],
            n=entry["n"] or 0,
            reason=_changes(entry["steps"]) if blocked is None else str(blocked["text"]),
            actions=tuple(_actions(entry["actions"])) + tuple(f"note: {note}" for note in entry["notes"]),
            failed=tuple(action["error"] for action in entry["actions"] if action["error"] is not None),
            vms={state: n for state, n in entry["states"].items() if n} if blocked is None else None,
            waited=bool(ready and pending and not entry["n"]),
        )

    @property
    def blocked(self) -> bool:
        """True if the chain could not decide."""
        return self.vms is None

    @property
    def lines(self) -> list[str]:
        """The decision for people: number and reason, then actions and notes."""
        word = "no change" if self.outcome == "none" else self.outcome
        return [f"{word}{f' {abs(self.n)}' if self.n else ''}: {self.reason}", *self.actions]


def _changes(steps: list[Mapping[str, Any]]) -> str:
    """Return the plugins that changed the number, or the first one, each with its number and reason."""
    telling = [step for step in steps if step["n_in"] != step["n_out"]] or steps[:1]
    return "; ".join(f"{step['plugin']} → {step['n_out']} ({step['reason']})" for step in telling)


def _actions(actions: list[Mapping[str, Any]]) -> list[str]:
    """Return one line per kind and reason of action, and one per failure; submissions are in the number already."""
    counts: dict[tuple[str, str], int] = {}
    failed = []
    for action in actions:
        if action["error"] is not None:
            failed.append(f"action FAILED: {action['kind']} {action['what']}: {action['error']}")
        elif action["kind"] != "submit":
            key = action["kind"], action["reason"]
            counts[key] = counts.get(key, 0) + 1
    return [f"action: {kind} {n} VM{'s' if n > 1 else ''}: {why}" for (kind, why), n in counts.items()] + failed


class JournalTail:
    """A journal that the factory is writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.decisions: list[JournalDecision] = []
        """All decisions read so far."""
        self._offset = 0

    def read_new(self) -> list[JournalDecision]:
        """Return the decisions written since the last call."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as stream:
            stream.seek(self._offset)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = [JournalDecision.from_json(json.loads(line)) for line in whole.splitlines()]
        self.decisions += found
        return found

    def vms(self, queue: str) -> Mapping[str, int]:
        """Return the VMs by state at the queue's last decision."""
        last = next((each for each in reversed(self.decisions) if each.queue == queue), None)
        return (last.vms or {}) if last else {}
