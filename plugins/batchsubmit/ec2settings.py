"""Keys of CondorEC2: the launch of a VM, its longest life, and its retirement."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from factory.plugin import CommaList, Duration, Switch
from plugins.batchsubmit.ec2commands import EC2Commands, typed_key
from plugins.batchsubmit.submitlines import SubmitLines, names

_NOT_FOR_VMS = frozenset(
    {
        "universe",
        "jobuniverse",
        "grid_resource",
        "gridresource",
        "noop_job",
        "isnoopjob",
        "on_exit_remove",
        "on_exit_hold",
        "leave_in_queue",
        "onexitremove",
        "onexithold",
        "leavejobinqueue",
        "periodicremove",
        "timerremove",
    }
)
"""Submit commands and attributes that set the end of a VM job."""


class EC2Settings(EC2Commands, SubmitLines):
    """The EC2 commands, further submit lines, and how VMs live and end."""

    user_data_files: CommaList = ()
    """cloud-config documents that are merged over the factory's own, in this order. If one begins with
    ``## template: jinja``, cloud-init fills in ``{{ v1.… }}``; in others ``{{``, ``{%`` and ``{#`` are plain text."""
    pool: str | None = None
    """Collector that the VMs join, as they see it; none: ``[Factory] pool``, else COLLECTOR_HOST of this host."""
    lease: Duration = Field(default=172800, ge=60)
    """Time from the submit of a VM to its latest end."""
    lease_max: Duration | None = None
    """Longest lease after extensions; the VM's own timer and its token last this long. None: ``lease``."""
    drain_before: Duration | None = None
    """A VM retires this long before its lease ends, so that the end kills no job. 0: it does not retire before. None:
    an eighth of ``lease``."""
    idle: Duration = Field(default=3600, ge=60)
    """A VM ends by itself after it has been unclaimed for this long."""
    master_update_interval: Duration = Field(default=60, ge=1)
    """Time between two reports of the master of a VM; it then also checks whether its startd has ended."""
    maxinstances: int | None = Field(default=None, ge=0)
    """Hard cap on the VM jobs of the queue, in any state. None: no cap."""
    retire: Literal["auto", "off", "drain"] = "auto"
    """Command that retires VMs: ``condor_off -peaceful`` (off), ``condor_drain`` (drain), or the better one (auto)."""
    canary: bool = False
    """True: of a new image or user-data one VM is bought first; more follow when it has run a job."""
    ondemand_first: Switch = False
    """True: of VMs that are equally useful, on-demand VMs retire before spot VMs."""
    removefraction: float = Field(default=0.2, gt=0, le=1)
    """Largest fraction of the VMs that begin to retire in one round; one VM always may."""
    starttimeout: Duration = Field(default=1800, ge=60)
    """A VM job without an instance is removed after this. After half of it another VM is bought for its jobs."""
    boottimeout: Duration = Field(default=900, ge=30)
    """A VM is removed if it has not joined the pool this long after its instance began to run."""
    jobtimeout: Duration | None = Field(default=None, ge=60)
    """A VM that was never claimed retires this long after it joined. None: half of ``idle``."""
    losttimeout: Duration = Field(default=3600, ge=2460)
    """A VM that left the pool unasked is removed after this, if no job names it. It is longer than the lease of a job,
    40 min or ``[Factory] job_lease``."""

    @field_validator("condor_attributes", "condor_attribute")
    @classmethod
    def _owns_its_end(cls, value: str | dict[str, str] | None) -> str | dict[str, str] | None:
        for name in names(value):
            if name.lower() in _NOT_FOR_VMS:
                raise ValueError(
                    f"{name} can't be set for VM jobs: the factory decides where they run and how they end; remove it"
                )
            if key := typed_key(name):
                raise ValueError(
                    f"{name} would override what the factory writes; set batchsubmit.condorec2.{key} instead"
                )
        return value

    @model_validator(mode="after")
    def _lease_fits(self) -> EC2Settings:
        if self.lease_max is not None and self.lease_max < self.lease:
            raise ValueError("lease_max is shorter than lease; make it longer or leave it out")
        if self.drain_before is not None and self.drain_before >= self.lease:
            raise ValueError("drain_before is not shorter than lease, so VMs would run no job; make it shorter")
        return self
