"""Stand-ins for schedds, collector and clouds where orphans are ended. Light: worker processes import it."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from factory.condor.schedd.orphan_checks import VMsInUse
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.cloud import CloudAct


def unclaimed(schedd: ScheddAddress, vms: Collection[str], owning: str) -> VMsInUse:
    """Answer that no job needs any VM."""
    return VMsInUse({}, {}, {})


def absent(pool: PoolAddress, vms: Collection[str]) -> dict[str, frozenset[str]]:
    """Answer that the collector has no ads."""
    return {}


def hang(*arguments: object) -> None:
    """Never answer in time."""
    time.sleep(3600)


@dataclass(frozen=True)
class Noting(CloudAct):
    """Notes what it ends. Account ``hangs`` never returns; the three ``meets…`` return once all of them are called."""

    account: str
    log: Path
    names: tuple[str, ...]

    @property
    def address(self) -> str:
        return self.account

    def perform(self) -> dict[str, str | None]:
        if self.account == "hangs":
            hang()
        with self.log.open("a") as log:
            log.write("".join(f"end {name}\n" for name in self.names))
        while self.account.startswith("meets") and self.log.read_text().count("end") < 3:
            time.sleep(0.05)
        return dict.fromkeys(self.names)
