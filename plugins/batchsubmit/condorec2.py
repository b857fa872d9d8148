"""CondorEC2: every VM is a grid job, so that HTCondor owns the instance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

import submit_templates
from factory.condor.tools import token_subject
from factory.condor.vmjobs import ours
from factory.plugin import (
    Ask,
    BatchStatus,
    BatchSubmitPlugin,
    Cap,
    CommaList,
    Duration,
    Memory,
    Named,
    Plan,
    PluginSettings,
    ScheddAddress,
    Shape,
    Submission,
    SubmitTools,
)
from factory.ramp import Life, plan
from factory.userdata import compose, fill


class CondorEC2(BatchSubmitPlugin):
    """Buys and retires VMs of one EC2 endpoint.

    ``pending + running + retiring + held + … <= maxinstances`` holds for the VM jobs of the queue; it is
    checked when the round is decided and again by the worker that submits.
    """

    class Settings(PluginSettings):
        gridresource: str
        """URL of the EC2 endpoint, such as https://ec2.us-east-1.amazonaws.com/."""
        ami_id: str
        """Image of the VMs: HTCondor and cloud-init installed."""
        instance_type: str
        """Type of the VMs, such as m5.large."""
        access_key_id: Path
        """File with the access key id; not readable by others."""
        secret_access_key: Path
        """File with the secret access key; not readable by others."""
        spot_price: float | None = Field(default=None, ge=0)
        """Buy on the spot market, at most at this price an hour; none: on demand. 0: at most the on-demand price."""
        availability_zone: str | None = None
        """Zone of the VMs; none: the cloud chooses."""
        security_groups: CommaList = ()
        """Names of security groups."""
        security_ids: CommaList = ()
        """Ids of security groups."""
        vpc_subnet: str | None = None
        """Id of the VPC subnet."""
        keypair: str | None = None
        """Name of an existing key pair, for logging in."""
        iam_profile_arn: str | None = None
        """ARN of the instance profile of the VMs."""
        user_data_files: CommaList = ()
        """cloud-config documents laid over the factory's own, in this order."""
        tags: Annotated[dict[str, str], Named("tag_")] = Field(default_factory=dict)
        """``tag_<Name> = value``: further tags of the instances."""
        pool: str | None = None
        """Collector that the VMs join, as they see it; none: ``[Factory] pool``, else COLLECTOR_HOST of this host."""
        lease: Duration = Field(default=172800, ge=60)
        """The latest end of a VM, from its submit."""
        lease_max: Duration | None = None
        """The lease can be extended up to here; the VM's own timer and its token are made for it. None: ``lease``."""
        idle: Duration = Field(default=3600, ge=60)
        """A VM that has been unclaimed for so long ends by itself."""
        master_update_interval: Duration = Field(default=60, ge=1)
        """How often the master of a VM reports, and looks whether its startd has left."""
        maxinstances: int | None = Field(default=None, ge=0)
        """VM jobs at most, in whatever state: the hard cap. None: no cap."""
        retire: Literal["auto", "off", "drain"] = "auto"
        """How VMs are asked to leave: ``condor_off -peaceful``, ``condor_drain``, or what suits (auto)."""
        removefraction: float = Field(default=0.2, gt=0, le=1)
        """At most this part of the VMs begin to leave in one round, but always one."""
        starttimeout: Duration = Field(default=1800, ge=60)
        """A VM job without an instance ends after this."""

        @field_validator("gridresource")
        @classmethod
        def _url(cls, value: str) -> str:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in value):
                raise ValueError(f"{value!r} is no URL of an EC2 endpoint, such as https://ec2.us-east-1.amazonaws.com/")
            return value

        @model_validator(mode="after")
        def _lease_fits(self) -> CondorEC2.Settings:
            if self.lease_max is not None and self.lease_max < self.lease:
                raise ValueError("lease_max is shorter than lease; make it longer or leave it out")
            return self

    settings: Settings

    @property
    def shape(self) -> Shape:
        """The shape that this queue buys."""
        settings = self.settings
        spot = settings.spot_price is not None
        return Shape(settings.ami_id, settings.instance_type, settings.availability_zone, spot)

    def plan(self, ask: Ask, batch: BatchStatus, memory: Memory, now: float) -> Plan:
        """Unretire before buying; retire the least useful first."""
        settings = self.settings
        life = Life(
            queue=self.queue.name,
            shape=self.shape,
            retire=settings.retire,
            removefraction=settings.removefraction,
            starttimeout_s=settings.starttimeout,
            maxinstances=settings.maxinstances,
            repeat_s=max(10, 2 * self.factory.update_interval),
        )
        return plan(life, ask, batch, memory, now)

    def submission(self, n: int, shapes: tuple[Shape, ...], tools: SubmitTools) -> Submission:
        """One transaction: n items over ``submit_templates/ec2.sub``, and the user-data files they name."""
        settings = self.settings
        lease_max = settings.lease_max or settings.lease
        token = tools.token(lease_max)
        items, files = [], {}
        for shape in shapes or (self.shape,) * n:
            vm = tools.uuid()
            path = str(tools.userdata / vm)
            files[path] = self.user_data(vm, shape, token, tools.pool)
            items.append(
                {
                    "vm": vm,
                    "userdata": path,
                    "shape": str(shape),
                    "ami_id": shape.image,
                    "instance_type": shape.instance_type,
                }
            )
        macros = {
            "apf_queue": self.queue.name,
            "factory": self.factory.id,
            "incarnation": tools.incarnation,
            "identity": token_subject(token),
            "gridresource": settings.gridresource,
            "access_key_id": str(settings.access_key_id),
            "secret_access_key": str(settings.secret_access_key),
            "lease_end": str(int(tools.now) + settings.lease),
            "lease_max": str(int(tools.now) + lease_max),
        }
        lines = [f"{name} = {value}" for name, value in macros.items()]
        description = "\n".join([*lines, submit_templates.read("ec2.sub"), *self._optional(), *self._parameters()])
        return Submission(description, tuple(items), files, self._schedd(), self._cap())

    def _schedd(self) -> ScheddAddress:
        return ScheddAddress(self.factory.schedd, self.factory.pool if self.factory.schedd else None)

    def _cap(self) -> Cap | None:
        if self.settings.maxinstances is None:
            return None
        constraint = f'{ours(self.factory.owner, self.factory.id)} && APF_QUEUE == "{self.queue.name}"'
        return Cap(constraint, self.settings.maxinstances)

    def _optional(self) -> list[str]:
        settings = self.settings
        commands = {
            "ec2_availability_zone": settings.availability_zone,
            "ec2_security_groups": ", ".join(settings.security_groups),
            "ec2_security_ids": ", ".join(settings.security_ids),
            "ec2_vpc_subnet": settings.vpc_subnet,
            "ec2_keypair": settings.keypair,
            "ec2_iam_profile_arn": settings.iam_profile_arn,
        }
        return [f"{name} = {value}" for name, value in commands.items() if value]

    def _parameters(self) -> list[str]:
        """Tags come with the launch, and spot goes through the on-demand call, by a newer API version."""
        parameters = {"Version": "2016-11-15", "TagSpecification.1.ResourceType": "instance"}
        tags = {"apf:factory": self.factory.id, "apf:queue": self.queue.name, "apf:vm": "$(vm)", **self.settings.tags}
        for i, (name, value) in enumerate(tags.items(), 1):
            parameters[f"TagSpecification.1.Tag.{i}.Key"] = name
            parameters[f"TagSpecification.1.Tag.{i}.Value"] = value
        if self.settings.spot_price is not None:
            parameters["InstanceMarketOptions.MarketType"] = "spot"
            if self.settings.spot_price > 0:
                parameters["InstanceMarketOptions.SpotOptions.MaxPrice"] = f"{self.settings.spot_price:.6f}"
        values = [f"ec2_parameter_{name.replace('.', '_')} = {value}" for name, value in parameters.items()]
        return [f"ec2_parameter_names = {', '.join(parameters)}", *values]

    def user_data(self, vm: str, shape: Shape, token: str, pool: str) -> bytes:
        """The cloud-config document of one VM.

        Raises:
            UserDataError: a layer can't be used.
            OSError: a layer can't be read.
        """
        settings = self.settings
        values = {
            "pool": settings.pool or pool,
            "factory": self.factory.id,
            "queue": self.queue.name,
            "vm": vm,
            "shape": str(shape),
            "token": token,
            "idle": str(settings.idle),
            "update_interval": str(self.factory.update_interval),
            "master_update_interval": str(min(settings.master_update_interval, self.factory.update_interval)),
            "lease_minutes": str(-(-(settings.lease_max or settings.lease) // 60)),
        }
        layers = [("vm.yaml", submit_templates.read("vm.yaml"))]
        layers += [(name, Path(name).read_text(encoding="utf-8")) for name in settings.user_data_files]
        return compose([(name, fill(text, values)) for name, text in layers])
