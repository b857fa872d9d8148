"""One job, as ``apf explain job`` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.model.demand import Room
from factory.model.vm import JobId


@dataclass(frozen=True)
class JobFacts:
    """Attributes of a job, from its schedd."""

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
    """The given expressions that are true for this job."""
    schedd: str
    """Schedd of the job."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """All attributes as written, by name in lower case."""
    left_out: str | None = None
    """Reason why a startd can't take it now; None: there is none."""
