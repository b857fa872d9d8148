"""How many more jobs a schedd could start, from its own ad: machines beyond that would stand idle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from factory.condor.classad.literals import quote
from factory.condor.connect import open_collector, schedd_name
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import JobGroup, Limit

_BUSY = 0.95
"""A schedd at this part of MAX_JOBS_RUNNING starts no more jobs worth buying for (GlideinWMS has the same law)."""
_TOLD = (
    "Name", "ShadowsRunning", "TotalRunningJobs", "MaxJobsRunning", "CurbMatchmaking", "TransferQueueMaxUploading",
    "TransferQueueNumWaitingToUpload", "JobsUnmaterialized",
)  # fmt: skip


def schedd_ad(address: ScheddAddress) -> Mapping[str, Any]:
    """What a pool knows of a schedd, by the name that it has there; nothing if it does not know it."""
    import htcondor2

    try:
        itself = f"Name == {quote(schedd_name(address))}"
    except LookupError:
        return {}
    # All of it: CurbMatchmaking is an expression, which may refer to anything.
    ads = open_collector(PoolAddress(address.pool)).query(htcondor2.AdType.Schedd, constraint=itself)
    return {name: ads[0].eval(name) for name in _TOLD if name in ads[0]} if ads else {}


def schedd_limit(ad: Mapping[str, Any], groups: Iterable[JobGroup]) -> Limit | None:
    """The limit that a schedd itself sets to the jobs of these groups, which are its own; None: none of them meets it.

    MAX_JOBS_RUNNING counts shadows. TotalRunningJobs has the grid jobs too, and so our own VM jobs.
    """
    weights = {group.key: 1.0 for group in groups if group.problem is None}
    if not weights:
        return None
    name = ad.get("Name", "schedd")
    running, most = ad.get("ShadowsRunning", ad.get("TotalRunningJobs", 0)), ad.get("MaxJobsRunning", 0)
    waiting, places = ad.get("TransferQueueNumWaitingToUpload", 0), ad.get("TransferQueueMaxUploading", 0)
    if places and waiting > places:
        return Limit(f"transfer queue of {name}, where {waiting} wait for {places} places", 0, weights)
    if ad.get("CurbMatchmaking") is True:
        return Limit(f"matches of {name}, which asks for no more of them (CurbMatchmaking)", 0, weights)
    left = 0 if running >= _BUSY * most else most - running
    if most and left < sum(group.count + group.unmaterialised for group in groups):
        return Limit(f"MAX_JOBS_RUNNING of {name}, which runs {running} of {most} jobs", left, weights)
    return None
