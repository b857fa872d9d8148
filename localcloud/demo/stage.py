"""The stage: pool, local cloud and factory as children of this process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcloud.demo.journal import Journal
from localcloud.demo.settings import FACTORY
from localcloud.pool import Pool
from localcloud.process import CloudProcess


class DemoFailed(RuntimeError):
    """The demo can't go on; the message says why."""


@dataclass(frozen=True)
class Stage:
    """What runs, and where its files are."""

    directory: Path
    pool: Pool
    cloud: CloudProcess
    factory: subprocess.Popen[bytes]
    journal: Journal

    @property
    def conf(self) -> Path:
        """The factory's configuration."""
        return self.directory / "queues.conf"

    @property
    def factory_log(self) -> Path:
        """What the factory says."""
        return self.directory / "factory.log"

    @property
    def job_log(self) -> Path:
        """HTCondor's event log of the jobs."""
        return self.directory / "jobs.log"

    def logs(self) -> list[Path]:
        """Files and directories that tell what happened."""
        instances = sorted(self.cloud.directory.glob("instances/*/console.log"))
        return [self.conf, self.factory_log, self.job_log, self.journal.path, self.pool.log, self.cloud.log, *instances]

    def check(self) -> None:
        """Raises DemoFailed when the factory has ended by itself."""
        status = self.factory.poll()
        if status is not None:
            said = self.factory_log.read_text(errors="replace").splitlines()[-5:]
            raise DemoFailed(f"the factory ended with status {status}:\n" + "\n".join(said))


Conf = Callable[[Pool, CloudProcess, Path], str]
"""The factory's configuration, for this pool, this cloud and this state directory."""


@contextmanager
def stage(directory: Path, conf: Conf) -> Iterator[Stage]:
    """Start everything, and end everything in the reverse order."""
    boxed = Pool(directory / "pool", name="demo@pool")
    with boxed as pool, CloudProcess(directory / "cloud", boot_delay_s=2.0, shutdown_delay_s=1.0) as cloud:
        statedir = directory / "state"
        (directory / "queues.conf").write_text(conf(pool, cloud, statedir))
        with open(directory / "factory.log", "wb") as log:
            factory = subprocess.Popen(
                ["apf", "--conf", str(directory / "queues.conf")],
                env=pool.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        try:
            journal = Journal(statedir / FACTORY / "journal.jsonl")
            yield Stage(directory, pool, cloud, factory, journal)
        finally:
            _end(factory)


def _end(factory: subprocess.Popen[bytes], timeout_s: float = 15.0) -> None:
    factory.terminate()
    try:
        factory.wait(timeout_s)
    except subprocess.TimeoutExpired:
        factory.kill()
        factory.wait()
