"""Source: startds with a job that a retirement can evict, from one schedd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from factory.condor.classad.values import value
from factory.condor.connect import open_schedd
from factory.model.address import ScheddAddress
from factory.model.source import Source

MAY_BE_EVICTED = "JobStatus == 2 && MaxJobRetirementTime =!= undefined && RemoteHost =!= undefined"
"""Constraint over job ads: running, with its own MaxJobRetirementTime (rule 5)."""


@dataclass(frozen=True)
class EvictableRows:
    """Names of startds with a running job that set its own MaxJobRetirementTime (rule 5)."""

    startds: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class EvictableSource(Source):
    """Evictable jobs of a schedd other than the factory's; those of the factory's come with the VM jobs."""

    schedd: ScheddAddress

    @property
    def key(self) -> str:
        return f"evictable jobs in {self.schedd}"

    @property
    def address(self) -> str:
        return str(self.schedd)

    def fetch(self) -> EvictableRows:
        """Query the running jobs that can be evicted."""
        running = open_schedd(self.schedd).query(constraint=MAY_BE_EVICTED, projection=["RemoteHost"])
        return EvictableRows(frozenset(map(startd_of, running)))


def startd_of(ad: Mapping[str, Any]) -> str:
    """Return the name of the startd on which the job runs."""
    return str(value(ad, "RemoteHost")).split("@", 1)[-1]
