"""Source: on which startds a job of a schedd runs that any retirement may evict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from factory.condor.connect import open_schedd
from factory.model.address import ScheddAddress
from factory.model.source import Source

MAY_BE_EVICTED = "JobStatus == 2 && MaxJobRetirementTime =!= undefined && RemoteHost =!= undefined"
"""Constraint over job ads: it runs, and set its own MaxJobRetirementTime (rule 5)."""


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
        running = open_schedd(self.schedd).query(constraint=MAY_BE_EVICTED, projection=["RemoteHost"])
        return EvictableRows(frozenset(map(startd_of, running)))


def startd_of(ad: Mapping[str, Any]) -> str:
    """The name of the startd that a running job's ad names."""
    return str(ad["RemoteHost"]).split("@", 1)[-1]
