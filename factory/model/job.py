"""One job of a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.model.demand import Room
from factory.model.vm import JobId


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that runs on a machine, as its ad says. Its owner can have written that."""

    job: JobId
    owner: str
    schedd: str = ""
    """Its schedd; empty: the factory's own."""

    def __str__(self) -> str:
        whose = f"{self.schedd} (owner {self.owner})" if self.schedd else self.owner
        return f"job {self.job} of {whose}"


@dataclass(frozen=True)
class JobFacts:
    """Attributes of a job, from its schedd, as ``apf explain job`` shows them."""

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
