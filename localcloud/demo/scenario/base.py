"""Scenario: the part of the demo that differs from one scenario to another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from localcloud.pool import Pool
from localcloud.process import CloudProcess

FACTORY_ID = "demo"

_INSTANCE_TYPE = "m5.large"
"""Two cores: a VM runs one job of two cores, or two jobs of one core."""

_FACTORY_SECTION = """\
[Factory]
factoryId = {factory_id}
statedir = {statedir}
pool = {pool}
# Seconds between two reports of a VM to the collector. The usual value is 300.
update_interval = 3
"""

_EC2_KEYS = """\
batchstatusplugin = CondorEC2
batchsubmitplugin = CondorEC2
batchsubmit.condorec2.gridresource = {url}
batchsubmit.condorec2.access_key_id = {access_key}
batchsubmit.condorec2.secret_access_key = {secret_key}
batchsubmit.condorec2.ami_id = ami-12c6146b
batchsubmit.condorec2.instance_type = {instance_type}
batchsubmit.condorec2.lease = 1h
# Largest fraction of the VMs that may begin to retire in one round.
batchsubmit.condorec2.removefraction = 0.5
"""


@dataclass(frozen=True)
class DemoSettings:
    """Size and pace of a demo."""

    jobs: int
    """Jobs of the first ramp."""
    second: int
    """Jobs of the second ramp; 0: no second ramp."""
    job_s: int
    """Length of a job."""
    max_to_run: int
    """Limit on VMs at once."""
    max_per_cycle: int = 4
    sleep_s: int = 3
    """``apfqueue.sleep``: seconds between two decisions."""
    retire_after_s: int = 5
    first_vm_s: float = 5.0
    """The first VM is expected to be requested within ``sleep_s`` plus this."""
    total_s: float = 300.0
    """Expected duration of the whole demo."""
    stall_s: float = 240.0
    """The demo gives up when nothing has changed for this long."""
    ramp_limit_s: float = 1200.0
    """The demo gives up when a ramp takes longer."""

    @property
    def ramps(self) -> tuple[int, ...]:
        """Number of jobs of each ramp."""
        return (self.jobs, self.second) if self.second else (self.jobs,)


class Scenario(ABC):
    """Configuration of the factory, work for it, and checks of the outcome."""

    name: ClassVar[str]
    noun: ClassVar[str]
    """Name of a job in the pool's schedd."""
    vm_queue: ClassVar[str]
    """Queue of the factory that buys VMs."""
    defaults: ClassVar[DemoSettings]
    factory_submits: ClassVar[bool] = False
    """True if the factory submits the jobs in the pool's schedd (as pilots)."""

    def __init__(self, settings: DemoSettings) -> None:
        self.settings = settings

    def services(self, directory: Path) -> AbstractContextManager[object]:
        """Run services that the scenario needs beside pool, cloud and factory."""
        return nullcontext()

    @abstractmethod
    def queues_conf(self, directory: Path, pool: Pool, cloud: CloudProcess) -> str:
        """Return the factory's configuration."""

    @abstractmethod
    def submit(self, directory: Path, pool: Pool, jobs: int) -> str:
        """Submit the work of one ramp; return a sentence about it."""

    @abstractmethod
    def work(self, submitted: int, idle: int, running: int) -> Mapping[str, Mapping[str, int]]:
        """Return the work in progress, by kind and state.

        ``submitted`` counts the jobs of all ramps so far; ``idle`` and ``running`` those in the pool's schedd.
        """

    @abstractmethod
    def event_logs(self, directory: Path) -> list[Path]:
        """Return the HTCondor event logs of the jobs."""

    def vms_needed(self, jobs: int) -> int | None:
        """Return the number of VMs that the jobs of a ramp need; None if the scenario does not determine it."""
        return None

    def figures(self, submitted: int, pool_jobs: int) -> dict[str, int]:
        """Return the scenario's own figures for the report, by label."""
        return {}

    def failures(self, submitted: int) -> list[str]:
        """Return the scenario's own failed checks, as sentences."""
        return []

    def commands(self, directory: Path) -> dict[str, str]:
        """Return further commands for people who look around, with what each does."""
        return {}

    def _factory_section(self, directory: Path, pool: Pool) -> str:
        return _FACTORY_SECTION.format(factory_id=FACTORY_ID, statedir=directory / "state", pool=pool.address)

    def _ec2_keys(self, cloud: CloudProcess) -> str:
        return _EC2_KEYS.format(
            url=cloud.url,
            access_key=cloud.access_key_file,
            secret_key=cloud.secret_key_file,
            instance_type=_INSTANCE_TYPE,
        )
