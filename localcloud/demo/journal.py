"""The factory's journal: every decision with its reasons, one JSON object a line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]


class Journal:
    """A journal that is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self._offset = 0

    def new(self) -> list[Entry]:
        """Entries that came since the last call."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as stream:
            stream.seek(self._offset)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        found: list[Entry] = [json.loads(line) for line in whole.splitlines()]
        self.entries += found
        return found


def vm_states(entry: Entry) -> dict[str, int]:
    """VMs by state, as the factory saw them when it decided."""
    return {state: count for state, count in entry["states"].items() if count}


def outcome(entry: Entry) -> str:
    """What was decided, in a word or two."""
    n = entry["n"]
    return f"{entry['outcome']} {abs(n)}" if n else str(entry["outcome"])


def reason(entry: Entry) -> str:
    """Why, in one line: what blocked it, or each step that said something about a number."""
    if entry["blocked"] is not None:
        return str(entry["blocked"]["text"])
    steps = entry["steps"]
    telling = [step for step in steps if step["n_in"] != step["n_out"]] or steps[:1]
    return "; ".join(f"{step['plugin']} {step['n_out']} ({step['reason']})" for step in telling)


def acts(entry: Entry) -> list[str]:
    """What was done about it: actions of a kind in one line, failures each in their own, and notes."""
    counts: dict[tuple[str, str], int] = {}
    lines = []
    for action in entry["actions"]:
        if action["error"] is not None:
            lines.append(f"{action['kind']} {action['what']} FAILED: {action['error']}")
        elif action["kind"] != "submit":
            key = action["kind"], action["reason"]
            counts[key] = counts.get(key, 0) + 1
    return (
        [f"{kind} {count} VM{'s' if count > 1 else ''}: {why}" for (kind, why), count in counts.items()]
        + lines
        + list(entry["notes"])
    )
