"""CondorLocal: vanilla jobs, such as pilots, in the pool of the local schedd."""

from __future__ import annotations

from collections.abc import Iterator

from plugins.batchsubmit.base import PlainJobs


class CondorLocal(PlainJobs):
    """Submit the queue's ``executable`` as vanilla jobs."""

    template = "pilot.sub"

    def universe(self) -> Iterator[str]:
        """Yield the lines of the vanilla universe."""
        yield "universe = vanilla"
        yield "should_transfer_files = IF_NEEDED"
        yield 'MY.TransferOutput = ""'
