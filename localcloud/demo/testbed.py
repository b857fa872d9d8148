"""Testbed: pool, local cloud and factory as child processes of the demo."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcloud.demo.journal import JournalTail
from localcloud.demo.scenario import Scenario
from localcloud.demo.scenario.base import FACTORY_ID
from localcloud.pool import Pool
from localcloud.process import CloudProcess


class DemoFailed(RuntimeError):
    """The demo can't go on; the message says why."""


@dataclass(frozen=True)
class Testbed:
    """The running daemons and their files."""

    directory: Path
    pool: Pool
    cloud: CloudProcess
    factory: subprocess.Popen[bytes]
    journal: JournalTail

    @property
    def conf(self) -> Path:
        """The factory's configuration."""
        return self.directory / "queues.conf"

    @property
    def factory_log(self) -> Path:
        """The factory's log."""
        return self.directory / "factory.log"

    def logs(self) -> list[Path]:
        """Return the files and directories to keep."""
        instances = sorted(self.cloud.directory.glob("instances/*/console.log"))
        return [self.conf, self.factory_log, self.journal.path, self.pool.log, self.cloud.log, *instances]

    def check(self) -> None:
        """Raise DemoFailed if the factory has ended."""
        status = self.factory.poll()
        if status is not None:
            last = self.factory_log.read_text(errors="replace").splitlines()[-5:]
            raise DemoFailed(f"the factory ended with status {status}; end of its log:\n" + "\n".join(last))


@contextmanager
def start_testbed(directory: Path, scenario: Scenario) -> Iterator[Testbed]:
    """Start everything, and end everything in the reverse order."""
    new_pool = Pool(directory / "pool", name="demo@pool")
    new_cloud = CloudProcess(directory / "cloud", boot_delay_s=2.0, shutdown_delay_s=1.0)
    with scenario.services(directory), new_pool as pool, new_cloud as cloud:
        conf = directory / "queues.conf"
        conf.write_text(scenario.queues_conf(directory, pool, cloud))
        with open(directory / "factory.log", "wb") as log:
            factory = subprocess.Popen(
                ["apf", "--conf", str(conf)],
                env=pool.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        try:
            journal = JournalTail(directory / "state" / FACTORY_ID / "journal.jsonl")
            yield Testbed(directory, pool, cloud, factory, journal)
        finally:
            _end(factory)


def _end(factory: subprocess.Popen[bytes], timeout_s: float = 15.0) -> None:
    factory.terminate()
    try:
        factory.wait(timeout_s)
    except subprocess.TimeoutExpired:
        factory.kill()
        factory.wait()
