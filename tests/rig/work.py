"""Jobs for a factory's queue that run until the test says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.rig.factory import Factory
from tests.rig.wait import until


class Work:
    """Jobs of one core for a queue of this factory, which only its machines may run.

    ``wmsqueue``: what the queue serves, which is also its name; by default the factory's only queue.
    """

    def __init__(self, factory: Factory, wmsqueue: str | None = None) -> None:
        self._pool = factory.pool
        self._wmsqueue = wmsqueue or factory.id
        self._requirements = f'TARGET.APFFactory == "{factory.id}"'
        if wmsqueue is not None:
            self._requirements += f' && TARGET.APFQueue == "{wmsqueue}"'
        self._directory = factory.directory

    def submit(self, count: int, **commands: object) -> Batch:
        """Submit jobs that run until ``open`` is called on the batch."""
        gate = self._directory / f"gate-{len(list(self._directory.glob('gate-*.sh')))}"
        script = gate.with_suffix(".sh")
        script.write_text(f"#!/bin/sh\necho start >> {gate}.starts\nwhile [ ! -e {gate} ]; do sleep 0.3; done\n")
        script.chmod(0o755)
        description: dict[str, object] = {
            "universe": "vanilla",
            "executable": script,
            "transfer_executable": "false",
            "should_transfer_files": "yes",
            "request_cpus": 1,
            "request_memory": 64,
            "request_disk": 1024,
            "requirements": self._requirements,
            "My.MATCH_APF_QUEUE": f'"{self._wmsqueue}"',
        }
        return Batch(self, self._pool.submit(description | commands, count), count, gate)

    def ads(self, cluster: int) -> list[dict[str, Any]]:
        """The jobs of a cluster, whether they are in the queue or have left it."""
        mine = f"ClusterId == {cluster}"
        return self._pool.jobs(mine) + self._pool.history(mine)


class Batch:
    """Jobs that were submitted together."""

    def __init__(self, work: Work, cluster: int, count: int, gate: Path) -> None:
        self._work = work
        self.cluster = cluster
        self._count = count
        self._gate = gate

    def open(self) -> None:
        """Let the jobs end."""
        self._gate.touch()

    def ads(self) -> list[dict[str, Any]]:
        """Their ads."""
        return self._work.ads(self.cluster)

    def _with_status(self, status: int) -> int:
        return sum(ad["JobStatus"] == status for ad in self.ads())

    def wait_running(self, count: int | None = None, timeout_s: float = 60) -> None:
        """Wait until all of them, or ``count``, run."""
        wanted = self._count if count is None else count
        until(lambda: self._with_status(2) >= wanted, f"{wanted} jobs run", timeout_s, 0.5)

    def wait_done(self, timeout_s: float = 60, reconnected: bool = False) -> None:
        """Wait until all have completed; each must have started once and never been evicted (rule 5).

        ``reconnected``: HTCondor counts a start more each time the schedd comes back and finds the job running.
        """
        until(lambda: self._with_status(4) >= self._count, f"{self._count} jobs are done", timeout_s, 0.5)
        for ad in self.ads():
            assert reconnected or ad["NumJobStarts"] == 1, ad
            assert ad["ExitCode"] == 0, ad
        starts = self._gate.with_name(f"{self._gate.name}.starts").read_text().splitlines()
        assert len(starts) == self._count, "no job was started twice"
