"""Keys of CondorEC2: what is launched, how long it may live, and how it leaves."""

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
"""Submit commands and attributes without which a VM would have no end, or another one."""


class EC2Settings(EC2Commands, SubmitLines):
    """The EC2 commands, further submit lines, and how VMs live and end."""

    user_data_files: CommaList = ()
    """cloud-config documents laid over the factory's own, in this order. In one that begins with
    ``## template: jinja`` cloud-init fills in ``{{ v1.… }}``; in others ``{{``, ``{%`` and ``{#`` mean nothing."""
    pool: str | None = None
    """Collector that the VMs join, as they see it; none: ``[Factory] pool``, else COLLECTOR_HOST of this host."""
    lease: Duration = Field(default=172800, ge=60)
    """The latest end of a VM, from its submit."""
    lease_max: Duration | None = None
    """The lease can be extended up to here; the VM's own timer and its token are made for it. None: ``lease``."""
    drain_before: Duration | None = None
    """A VM retires peacefully so long before its lease ends, so that the end kills no job. 0: it does not. None: an
    eighth of ``lease``."""
    idle: Duration = Field(default=3600, ge=60)
    """A VM that has been unclaimed for so long ends by itself."""
    master_update_interval: Duration = Field(default=60, ge=1)
    """How often the master of a VM reports, and looks whether its startd has left."""
    maxinstances: int | None = Field(default=None, ge=0)
    """VM jobs at most, in whatever state: the hard cap. None: no cap."""
    retire: Literal["auto", "off", "drain"] = "auto"
    """How VMs are asked to leave: ``condor_off -peaceful``, ``condor_drain``, or what suits (auto)."""
    canary: bool = False
    """A new image or user-data starts with one VM; more are bought once that has joined the pool and run a job."""
    ondemand_first: Switch = False
    """True: on-demand VMs retire before spot VMs that are as useless, as they cost more."""
    removefraction: float = Field(default=0.2, gt=0, le=1)
    """At most this part of the VMs begin to leave in one round, but always one."""
    starttimeout: Duration = Field(default=1800, ge=60)
    """A VM job without an instance ends after this. After half of it nobody waits for it: another one is bought."""
    boottimeout: Duration = Field(default=900, ge=30)
    """A VM that has not joined the pool so long after its instance began to run ends."""
    jobtimeout: Duration | None = Field(default=None, ge=60)
    """A VM that joined so long ago and was never claimed retires. None: half of ``idle``."""
    losttimeout: Duration = Field(default=3600, ge=2460)
    """A VM that left the pool unasked ends after this, if no job names it: longer than a job's lease of 40 min."""

    @field_validator("condor_attributes", "condor_attribute")
    @classmethod
    def _owns_its_end(cls, value: str | dict[str, str] | None) -> str | dict[str, str] | None:
        for name in names(value):
            if name.lower() in _NOT_FOR_VMS:
                raise ValueError(f"{name} is not for VM jobs: the factory sees to where they run and how they end")
            if key := typed_key(name):
                raise ValueError(f"{name} would undo what the factory writes; write batchsubmit.condorec2.{key}")
        return value

    @model_validator(mode="after")
    def _lease_fits(self) -> EC2Settings:
        if self.lease_max is not None and self.lease_max < self.lease:
            raise ValueError("lease_max is shorter than lease; make it longer or leave it out")
        if self.drain_before is not None and self.drain_before >= self.lease:
            raise ValueError("drain_before is not shorter than lease, so no VM would ever run a job; make it shorter")
        return self
