"""Limits in a schedd's own ad on the jobs that it can start. Machines beyond them would stay idle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from factory.condor.classad.literals import quote
from factory.condor.connect import open_collector, schedd_name
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import JobGroup, Limit

_BUSY = 0.95
"""At this fraction of MAX_JOBS_RUNNING a schedd gets no more VMs (GlideinWMS has the same law)."""
_ATTRIBUTES = (
    "Name", "ShadowsRunning", "TotalRunningJobs", "MaxJobsRunning", "CurbMatchmaking", "TransferQueueMaxUploading",
    "TransferQueueNumWaitingToUpload", "JobsUnmaterialized",
)  # fmt: skip


def schedd_ad(address: ScheddAddress) -> Mapping[str, Any]:
    """Return the ad of a schedd in its pool; empty if the pool has none."""
    import htcondor2

    try:
        same_name = f"Name == {quote(schedd_name(address))}"
    except LookupError:
        return {}
    # The whole ad: CurbMatchmaking is an expression, which can refer to any attribute.
    ads = open_collector(PoolAddress(address.pool)).query(htcondor2.AdType.Schedd, constraint=same_name)
    return {name: ads[0].eval(name) for name in _ATTRIBUTES if name in ads[0]} if ads else {}


def schedd_limit(ad: Mapping[str, Any], groups: Iterable[JobGroup]) -> Limit | None:
    """Return the limit of a schedd on these groups of its own jobs; None if they stay below it.

    MAX_JOBS_RUNNING counts shadows. TotalRunningJobs includes grid jobs, and so our own VM jobs.
    """
    weights = {group.key: 1.0 for group in groups if group.problem is None}
    if not weights:
        return None
    name = ad.get("Name", "schedd")
    running, maximum = ad.get("ShadowsRunning", ad.get("TotalRunningJobs", 0)), ad.get("MaxJobsRunning", 0)
    waiting, uploads = ad.get("TransferQueueNumWaitingToUpload", 0), ad.get("TransferQueueMaxUploading", 0)
    if uploads and waiting > uploads:
        return Limit(f"transfer queue limit of {name}, {waiting} transfers waiting for {uploads} slots", 0, weights)
    if ad.get("CurbMatchmaking") is True:
        return Limit(f"matchmaking limit of {name}, CurbMatchmaking is true", 0, weights)
    left = 0 if running >= _BUSY * maximum else maximum - running
    if maximum and left < sum(group.count + group.unmaterialised for group in groups):
        return Limit(f"MAX_JOBS_RUNNING of {name}, {running} of {maximum} jobs running", left, weights)
    return None
