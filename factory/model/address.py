"""Addresses of a schedd and of a pool."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScheddAddress:
    """A schedd by name and pool; without a name, the schedd of this host."""

    name: str | None = None
    pool: str | None = None

    def __str__(self) -> str:
        return f"schedd {self.name or 'local'}" + (f" in {self.pool}" if self.pool else "")

    def options(self) -> tuple[str, ...]:
        """Return the address as options of HTCondor's tools."""
        name = ("-name", self.name) if self.name else ()
        return (*name, *(("-pool", self.pool) if self.pool else ()))


@dataclass(frozen=True)
class PoolAddress:
    """A pool by its collector; without one, the COLLECTOR_HOST of this host."""

    collector: str | None = None

    def __str__(self) -> str:
        return f"collector {self.collector or 'local'}"

    def options(self) -> tuple[str, ...]:
        """Return the address as options of HTCondor's tools."""
        return ("-pool", self.collector) if self.collector else ()
