"""CondorLocal: count the jobs of the local schedd."""

from __future__ import annotations

from factory.plugin import ScheddAddress
from plugins.wmsstatus.scheddjobs import ScheddJobs


class CondorLocal(ScheddJobs):
    """Count jobs of the schedd on this host.

    A job counts if its ``MATCH_APF_QUEUE`` is the queue's ``wmsqueue``, or if it matches ``constraint``; with neither,
    every job counts. Only universes that run on startds count, and VM jobs never do. JobStatus 0 and 1 are ready, 2, 6
    and 7 running, 3 and 4 done, 5 failed, as in AutoPyFactory.
    """

    def schedds(self) -> tuple[ScheddAddress, ...]:
        """Return the local schedd."""
        return (ScheddAddress(),)
