"""What stands in for schedds, collector and clouds where orphans are ended. Light: worker processes import it."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from factory.condor.schedd.orphan_checks import VMsInUse
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.cloud import CloudAct


def unclaimed(schedd: ScheddAddress, vms: Collection[str]) -> VMsInUse:
    """No job needs any VM."""
    return VMsInUse({}, {}, {})


def absent(pool: PoolAddress, vms: Collection[str]) -> dict[str, frozenset[str]]:
    """The collector knows none."""
    return {}


def hang(*arguments: object) -> None:
    """In place of what does not answer."""
    time.sleep(60)


@dataclass(frozen=True)
class Noting(CloudAct):
    """Writes down what it ends. Account ``deaf`` does not come back, ``meets…`` not before all of these are asked."""

    account: str
    log: Path
    names: tuple[str, ...]

    @property
    def address(self) -> str:
        return self.account

    def perform(self) -> dict[str, str | None]:
        if self.account == "deaf":
            hang()
        with self.log.open("a") as log:
            log.write("".join(f"end {name}\n" for name in self.names))
        while self.account.startswith("meets") and self.log.read_text().count("end") < 3:
            time.sleep(0.05)
        return dict.fromkeys(self.names)
