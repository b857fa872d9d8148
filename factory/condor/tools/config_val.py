"""Read the configuration that daemons of the pool use, from the daemons. Runs in a worker process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from factory.condor.connect import open_collector
from factory.model.address import PoolAddress, ScheddAddress

_NOT_DEFINED = "Not defined"


@dataclass(frozen=True)
class DaemonConfig:
    """Configuration values of one daemon, by name in capitals; undefined ones are missing."""

    daemon: str
    """Type and name of the daemon, for people."""
    values: Mapping[str, str]
    ad: str = ""
    """The daemon's ad in the collector, as text."""

    def get(self, name: str) -> str | None:
        """Return a value; None if it is undefined or empty."""
        return self.values.get(name.upper()) or None

    def number(self, name: str) -> int | None:
        """Return the integer at the start of a value; None if there is none."""
        words = (self.get(name) or "").replace(",", " ").split()
        return int(words[0]) if words and words[0].lstrip("-").isdigit() else None

    def words(self, name: str) -> list[str]:
        """Return a value as a list of names."""
        return (self.get(name) or "").replace(",", " ").split()


SCHEDD_FAMILIES = ("SYSTEM_PERIODIC_HOLD", "SYSTEM_PERIODIC_REMOVE", "SUBMIT_REQUIREMENT")
_SCHEDD = (
    "GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2",
    "GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE",
    "MAX_JOBS_PER_OWNER",
    "MAX_JOBS_PER_SUBMISSION",
    "EC2_GAHP",
    "EC2_GAHP_DEBUG",
    "ALL_DEBUG",
)
_DEFRAG = ("DEFRAG_REQUIREMENTS", "DEFRAG_DRAINING_MACHINES_PER_HOUR", "DEFRAG_SCHEDULE")


def read_schedd(address: ScheddAddress) -> DaemonConfig:
    """Return the schedd's values that affect VM jobs: limits, policies, ec2_gahp.

    Raises:
        htcondor2.HTCondorException: the schedd is not found or does not answer.
    """
    import htcondor2

    collector = htcondor2.Collector(address.pool) if address.pool else htcondor2.Collector()
    location = collector.locate(htcondor2.DaemonType.Schedd, address.name)
    name = str(location.get("Name", address.name or "local"))
    ads = collector.query(htcondor2.AdType.Schedd, constraint=f'Name == "{name}"') if name else []
    return _read(f"schedd {name}", location, _SCHEDD, SCHEDD_FAMILIES, str(ads[0]) if ads else "")


@dataclass(frozen=True)
class Matchmaking:
    """Configuration of the daemons that match and drain machines in a pool."""

    negotiators: tuple[DaemonConfig, ...]
    defrags: tuple[DaemonConfig, ...]


def read_matchmaking(address: PoolAddress) -> Matchmaking:
    """Return the configuration of the negotiators and defrag daemons in the collector.

    Raises:
        htcondor2.HTCondorException: the collector, or one of the daemons, does not answer.
    """
    import htcondor2

    collector = open_collector(address)

    def all_of(kind: Any, names: Iterable[str]) -> tuple[DaemonConfig, ...]:
        return tuple(_read(f"{ad['MyType']} {ad['Name']}", ad, names) for ad in collector.query(kind))

    return Matchmaking(
        negotiators=all_of(htcondor2.AdType.Negotiator, ["NEGOTIATOR_INTERVAL"]),
        defrags=all_of(htcondor2.AdType.Defrag, _DEFRAG),
    )


def _read(daemon: str, location: Any, names: Iterable[str], families: Iterable[str] = (), ad: str = "") -> DaemonConfig:
    import htcondor2

    remote = htcondor2.RemoteParam(location)
    known = {name.upper(): name for name in remote}  # as the administrator spelled them
    prefixes = tuple(families)
    selected = [name for name in known if name in names or (prefixes and name.startswith(prefixes))]
    values = {name: str(remote[known[name]]) for name in selected}
    return DaemonConfig(daemon, {name: value for name, value in values.items() if value != _NOT_DEFINED}, ad)
