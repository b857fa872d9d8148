"""What is remembered from poll to poll: since when each thing is so. Pure.

The memory of the process may delay an action and never causes one (rule 1): a factory that starts anew
knows less, and so does less, until it has seen for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one VM. Times are epoch seconds."""

    joined: float
    """Its startd was first seen."""
    gone: float | None = None
    """All its ads are missing since; None: they are there."""


@dataclass(frozen=True)
class Memory:
    """What the process remembers."""

    vms: Mapping[str, Seen] = field(default_factory=dict)
