"""Where a schedd or a collector is, and the handle to it. Handles are made in worker processes only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ScheddAddress:
    """A schedd by name and pool; without both, the one of this host."""

    name: str | None = None
    pool: str | None = None

    def __str__(self) -> str:
        return f"schedd {self.name or 'local'}" + (f" in {self.pool}" if self.pool else "")

    def open(self) -> Any:
        """The ``htcondor2.Schedd``.

        Raises:
            LookupError: the collector does not know it.
        """
        import htcondor2

        if self.name is None and self.pool is None:
            return htcondor2.Schedd()
        return htcondor2.Schedd(self._located())

    def _located(self) -> Any:
        import htcondor2

        collector = htcondor2.Collector(self.pool) if self.pool else htcondor2.Collector()
        ad = collector.locate(htcondor2.DaemonType.Schedd, self.name)
        if ad is None:  # and Schedd(None) would be the one of this host
            raise LookupError(f"{PoolAddress(self.pool)} knows no schedd {self.name or 'of this host'}")
        return ad

    def full_name(self) -> str:
        """The name by which the pool knows it, which instances carry as a tag.

        Raises:
            LookupError: the collector does not know it.
        """
        return str(self._located()["Name"])

    def options(self) -> tuple[str, ...]:
        """The same for HTCondor's tools."""
        name = ("-name", self.name) if self.name else ()
        return (*name, *(("-pool", self.pool) if self.pool else ()))


@dataclass(frozen=True)
class PoolAddress:
    """A pool by its collector; without one, COLLECTOR_HOST of this host."""

    collector: str | None = None

    def __str__(self) -> str:
        return f"collector {self.collector or 'local'}"

    def open(self) -> Any:
        """The ``htcondor2.Collector``."""
        import htcondor2

        return htcondor2.Collector(self.collector) if self.collector else htcondor2.Collector()

    def options(self) -> tuple[str, ...]:
        """The same for HTCondor's tools."""
        return ("-pool", self.collector) if self.collector else ()


def quoted(text: str) -> str:
    """A ClassAd string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def same(attribute: str, text: str) -> str:
    """A ClassAd expression: the attribute is there and is this text, letter for letter.

    ``==`` takes ``apf`` for ``APF``, and so what is one factory's, or one queue's, for another's (rule 10).
    """
    return f"{attribute} =?= {quoted(text)}"
