"""Source: on which startds a job of a schedd runs that any retirement may evict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from factory.condor.daemons import ScheddAddress
from factory.source import Source


@dataclass(frozen=True)
class EvictableRows:
    """Names of startds on which a job runs that set its own MaxJobRetirementTime (rule 5)."""

    startds: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class EvictableSource(Source):
    """Jobs of one schedd that are not the factory's own; its own ones come with the VM jobs."""

    schedd: ScheddAddress

    @property
    def key(self) -> str:
        return f"jobs that may be evicted in {self.schedd}"

    @property
    def address(self) -> str:
        return str(self.schedd)

    def fetch(self) -> EvictableRows:
        """One query."""
        return EvictableRows(evictable_startds(self.schedd.open()))


def evictable_startds(schedd: Any) -> frozenset[str]:
    """Names of startds where a job of this ``htcondor2.Schedd`` runs that set its own MaxJobRetirementTime."""
    running = schedd.query(
        constraint="JobStatus == 2 && MaxJobRetirementTime =!= undefined && RemoteHost =!= undefined",
        projection=["RemoteHost"],
    )
    return frozenset(str(ad["RemoteHost"]).split("@", 1)[-1] for ad in running)
