"""CondorLocal: jobs of the local schedd are the work."""

from __future__ import annotations

from factory.plugin import ScheddAddress
from plugins.wmsstatus.scheddjobs import ScheddJobs


class CondorLocal(ScheddJobs):
    """Counts jobs of the schedd on this host.

    Those whose ``MATCH_APF_QUEUE`` is the queue's ``wmsqueue``, or those that fit ``constraint``; with neither,
    all. Only universes that run on startds count, and VM jobs never do. JobStatus 0 and 1 are ready, 2, 6 and 7
    running, 3 and 4 done, 5 failed, as in AutoPyFactory.
    """

    def schedds(self) -> tuple[ScheddAddress, ...]:
        """The local one."""
        return (ScheddAddress(),)
