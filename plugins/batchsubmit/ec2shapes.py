"""The shapes that a queue may buy: every combination of its instance types, zones and markets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from factory.plugin import CommaList, Named, Offer, PluginSettings, Room, Shape, split_list
from plugins.batchsubmit.ec2types import cores as named_cores
from plugins.batchsubmit.instancetypes import room

_SIZE = re.compile(r"\s*[1-9]\d{0,5}\s*,\s*[1-9]\d{0,8}\s*(,\s*\d{1,4}\s*)?")


class EC2Shapes(PluginSettings):
    """Images, types, zones, markets and prices of the VMs."""

    ami_id: str = Field(
        pattern=r"^\S+$", json_schema_extra={"right": "the id of an image, such as ami-0123456789abcdef0"}
    )
    """Image of the VMs: HTCondor and cloud-init installed."""
    image: Annotated[dict[str, str], Named("image_")] = Field(default_factory=dict)
    """``image_<type> = ami-…``: another image for this type, such as one for another architecture."""
    instance_type: CommaList = Field(min_length=1)
    """Types of the VMs, such as m5.large, m5.2xlarge. Fit chooses among them; other chains take the first."""
    size: Annotated[dict[str, str], Named("size_")] = Field(default_factory=dict)
    """``size_<type> = 4, 8192``: cores, MiB of memory and, if any, GPUs of a type of a cloud other than Amazon, as
    ``openstack flavor show`` prints them. Fit does not buy a type of unknown size."""
    price: Annotated[dict[str, str], Named("price_")] = Field(default_factory=dict)
    """``price_<type> = 0.096``: USD an hour, on demand. Fit compares prices if all are known, else cores."""
    spotprice: Annotated[dict[str, str], Named("spotprice_")] = Field(default_factory=dict)
    """``spotprice_<type> = 0.03``: the usual price on the spot market; without it ``spot_price`` counts."""
    availability_zone: CommaList = ()
    """Zones of the VMs, which take turns; none: the cloud chooses."""
    spot_price: float | None = Field(default=None, ge=0, json_schema_extra={"old": ["ec2_spot_price"]})
    """Buy on the spot market, at most at this price an hour; none or 0: on demand."""
    market: CommaList = ()
    """``spot``, ``on-demand`` or both. Of both, Fit takes the cheaper, and spot if one of the prices is unknown. None:
    spot if spot_price is set, else on-demand."""
    disk: float = Field(default=10, gt=0, json_schema_extra={"unit": "GB"})
    """Disk for jobs on a VM of a type that was not seen yet. Not set: the largest that ``block_device_mapping`` orders,
    else 10."""

    @field_validator("market")
    @classmethod
    def _markets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for market in value:
            if market not in ("spot", "on-demand"):
                raise ValueError(f"{market!r} is not a market; write spot, on-demand, or both")
        return value

    @field_validator("price", "spotprice")
    @classmethod
    def _numbers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            try:
                right = 0 < float(text) < float("inf")
            except ValueError:
                right = False
            if not right:
                raise ValueError(f"{text!r} for {name} is not a price; write USD an hour, such as 0.096")
        return value

    @field_validator("size")
    @classmethod
    def _sizes(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if _SIZE.fullmatch(text) is None:
                raise ValueError(
                    f"{text!r} for {name} is not a size; write cores, MiB of memory and GPUs, such as 4, 8192, 1"
                )
        return value

    @model_validator(mode="after")
    def _spot_has_a_price(self) -> EC2Shapes:
        if "spot" in self.market and not self.spot_price:
            raise ValueError("market = spot needs a limit; set spot_price to the highest price of an hour")
        for field in ("image", "size", "price", "spotprice"):
            for name in getattr(self, field):
                if name not in self.instance_type:
                    raise ValueError(f"instance_type does not list {name}; add it there or remove {field}_{name}")
        return self

    @property
    def disk_gb(self) -> float:
        """Disk for jobs on a new VM, in GB."""
        return self.disk

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """All shapes, in the order of the lists."""
        markets = self.market or (("spot",) if self.spot_price else ("on-demand",))
        return tuple(
            Shape(self.image.get(name, self.ami_id), name, zone, market == "spot")
            for market in dict.fromkeys(markets)
            for name in dict.fromkeys(self.instance_type)
            for zone in dict.fromkeys(self.availability_zone) or (None,)
        )

    def offers(self, seen: Mapping[str, Room]) -> tuple[Offer, ...]:
        """Return the shapes of known size: from a startd that was seen, else from a key or the table of types."""
        found = []
        for shape in self.shapes:
            size = seen.get(str(shape)) or self._room(shape.instance_type)
            if size is not None:
                found.append(Offer(shape, size, self._price(shape)))
        return tuple(found)

    def _room(self, instance_type: str) -> Room | None:
        return room(instance_type, self.disk_gb, self._size(instance_type))

    def _size(self, instance_type: str) -> tuple[int, int, int] | None:
        """Return cores, MiB of memory and GPUs as the key ``size_<type>`` sets them."""
        text = self.size.get(instance_type)
        if text is None:
            return None
        cpus, memory_mb, gpus = (*map(int, split_list(text)), 0)[:3]
        return cpus, memory_mb, gpus

    def cores(self, instance_type: str) -> int | None:
        """Return the cores of a type, from its key or its name; None: unknown."""
        size = self._size(instance_type)
        return named_cores(instance_type) if size is None else size[0]

    @property
    def unsized(self) -> tuple[str, ...]:
        """Types of unknown size."""
        return tuple(name for name in dict.fromkeys(self.instance_type) if self._room(name) is None)

    @property
    def unpriced(self) -> str | None:
        """The shapes without a price, if others have one or there are two markets; None: prices can be compared."""
        prices = {(shape.instance_type, shape.spot): self._price(shape) for shape in self.shapes}
        missing = [
            f"{name} {'on the spot market' if spot else 'on demand'}"
            for name, spot in prices
            if prices[name, spot] is None
        ]
        markets = {spot for _, spot in prices}
        return ", ".join(missing) if missing and (len(missing) < len(prices) or len(markets) > 1) else None

    def usd_per_hour(self, shape: str) -> float | None:
        """Return the highest cost of an hour of a VM of ``str(shape)``, even of a shape that is no longer bought.

        Without a shape, return the highest cost of all shapes.
        """
        if not shape:
            prices = [self.usd_per_hour(str(each)) for each in self.shapes]
            return max((price for price in prices if price is not None), default=None) if None not in prices else None
        name, market = shape.split("/")[-3::2] if shape.count("/") >= 3 else ("", "")
        price = (self.spotprice if market == "spot" else self.price).get(name)
        if price is None:
            return self.spot_price or None if market == "spot" else None
        return float(price)

    def _price(self, shape: Shape) -> float | None:
        if not shape.spot:
            price = self.price.get(shape.instance_type)
            return None if price is None else float(price)
        price = self.spotprice.get(shape.instance_type)
        if price is not None:
            return float(price)
        # One maximum for types of several sizes says nothing about any of them.
        return self.spot_price if len(self.instance_type) == 1 else None
