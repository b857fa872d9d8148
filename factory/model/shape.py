"""Shape of a VM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """Image, instance type, zone (None: the cloud chooses) and market of a VM."""

    image: str
    instance_type: str
    zone: str | None = None
    spot: bool = False

    def __str__(self) -> str:
        market = "spot" if self.spot else "on-demand"
        return "/".join((self.image, self.instance_type, self.zone or "*", market))
