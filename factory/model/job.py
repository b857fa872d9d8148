"""What ``apf explain job`` shows of one job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.model.demand import Room
from factory.model.vm import JobId


@dataclass(frozen=True)
class JobFacts:
    """What the schedd says of a job."""

    job: JobId
    status: int
    owner: str
    accounting_group: str
    autocluster: int | None
    universe: int
    requirements: str
    ask: Room
    remote_host: str | None
    hold_reason: str | None
    selected: frozenset[str]
    """Of the expressions that were asked for, those that are true of it."""
    schedd: str
    """Whose it is."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """All of them, by name in lower case, as written."""
    left_out: str | None = None
    """Why a startd may not take it now, if that is so."""
