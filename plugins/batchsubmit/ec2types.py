"""Cores of instance types, as far as their names tell."""

from __future__ import annotations

import re

_SMALL = {"t2.nano": 1, "t2.micro": 1, "t2.small": 1, "t2.medium": 2, "m1.small": 1, "m1.medium": 1, "m3.medium": 1}
_IRREGULAR = re.compile(r"(c1|m1|m2|cc\d|cg\d|cr\d|hi\d|hs\d|mac\d|u-)")
"""Families of before 2013, and some odd ones, in which the size does not tell the cores."""
_NAME = re.compile(r"(?P<family>[a-z]+\d[a-z0-9-]*)\.(?P<size>nano|micro|small|medium|large|(?P<times>\d*)xlarge)")


def cores(instance_type: str) -> int | None:
    """Virtual cores of an Amazon instance type. None: its name does not tell (another cloud's, a metal one).

    https://docs.aws.amazon.com/ec2/latest/instancetypes/: large has 2, xlarge 4, Nxlarge 4 N.
    """
    if instance_type in _SMALL:
        return _SMALL[instance_type]
    match = _NAME.fullmatch(instance_type)
    if match is None or _IRREGULAR.match(instance_type):
        return None
    if match["size"] == "large":
        return 2
    if match["size"].endswith("xlarge"):
        return 4 * int(match["times"] or 1)
    if match["size"] == "medium" and "g" in match["family"][1:]:
        return 1
    return 2 if match["family"].startswith("t") else None
