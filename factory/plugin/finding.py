"""Findings of ``apf check``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "unchecked"]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong (error), worth a look (warning), or could not be looked at (unchecked)."""

    severity: Severity
    text: str
    """The fault, and the action that mends it."""
    section: str | None = None
    """Section of the configuration that it is about: a queue, or Factory."""
    key: str | None = None
    """Key in that section, as it is written there."""
    daemon: str | None = None
    """Daemon whose configuration it is about, such as ``schedd``."""

    @property
    def where(self) -> str:
        """The section, key and daemon that it is about, for people."""
        section = f"[{self.section}]" if self.section is not None else None
        return " ".join(word for word in (section, self.key, self.daemon) if word)
