"""Typed keys for every ``ec2_*`` submit command of HTCondor, and the lines that they become."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from factory.plugin import CommaList, KeepLines, Named
from plugins.batchsubmit.ec2shapes import EC2Shapes

_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".localhost")
"""Endings of the hosts of Amazon, and of the local cloud, which know IMDSv2."""
_PARAMETER = re.compile(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)*")
_OVERWRITTEN = {
    "Action": "",
    "ImageId": "; write ami_id",
    "MinCount": "",
    "MaxCount": "",
    "InstanceInitiatedShutdownBehavior": ", to terminate",
}
"""Parameters that ec2_gahp always sets (amazonCommands.cpp)."""


class EC2Commands(EC2Shapes):
    """Settings of an instance at launch (HTCondor manual, "The EC2 Grid Type")."""

    gridresource: str
    """URL of the EC2 endpoint, such as https://ec2.us-east-1.amazonaws.com/."""
    access_key_id: Path
    """File with the access key id; not readable by others."""
    secret_access_key: Path
    """File with the secret access key; not readable by others."""
    keypair: str | None = None
    """Name of an existing key pair, for logging in. Only where the server counts as Amazon."""
    keypair_file: Path | None = None
    """File that receives the private key of a key pair that HTCondor makes for each VM."""
    security_groups: CommaList = ()
    """Names of security groups."""
    security_ids: CommaList = ()
    """Ids of security groups."""
    vpc_subnet: str | None = None
    """Id of the VPC subnet."""
    vpc_ip: str | None = None
    """Private address in the subnet; only one VM at a time can have it."""
    elastic_ip: str | None = None
    """Elastic IP of the VM, as ``address:allocation-id``; only one VM at a time can have it."""
    ebs_volumes: CommaList = ()
    """EBS volumes to attach, each ``volume-id:device``; only one VM at a time can have them. Needs a zone."""
    block_device_mapping: CommaList = ()
    """Block devices, each ``virtual-name:device``, such as ephemeral0:/dev/sdb; or
    ``device:snapshot:GB:delete``, such as /dev/xvda:snap-0123:100:true."""
    iam_profile_arn: str | None = None
    """ARN of the instance profile of the VMs."""
    iam_profile_name: str | None = None
    """Name of the instance profile, in place of its ARN."""
    user_data: Annotated[str | None, KeepLines()] = None
    """More user-data, inline: a script (``#!``) or a cloud-config document that begins in the key's own line. It does
    not show in the job queue. An INI file loses indentation, lines that begin with ``#``, and text after `` ;``. For
    a longer text set ``user_data_file``."""
    user_data_file: Path | None = None
    """A file with more user-data."""
    imds: Literal["required", "optional", "as-is"] | None = None
    """Access to the metadata service of the instances, which hands out the user-data. ``required``: only with session
    tokens (IMDSv2), and from the machine itself (hop limit 1); ``optional``: also without tokens; ``as-is``: as the
    cloud's account says. None: required at Amazon, elsewhere as-is, since another cloud may refuse the parameters."""
    tags: Annotated[dict[str, str], Named("tag_")] = Field(default_factory=dict)
    """``tag_<Name> = value``: further tags of the instances."""
    parameters: Annotated[dict[str, str], Named("parameter_")] = Field(default_factory=dict)
    """``parameter_<Name> = value``: any other parameter of RunInstances, such as MetadataOptions.HttpTokens."""

    @property
    def imds_mode(self) -> Literal["required", "optional", "as-is"]:
        """Access to the metadata service, with the default of the endpoint."""
        host = urlsplit(self.gridresource).hostname or ""
        return self.imds or ("required" if host.endswith(_AMAZON) else "as-is")

    @property
    def disk_gb(self) -> float:
        """Disk for jobs on a new VM, in GB: ``disk`` if it is set, else the largest block device that is ordered."""
        ordered = [size for device in self.block_device_mapping if (size := _ordered_gb(device)) is not None]
        return self.disk if "disk" in self.model_fields_set or not ordered else max(ordered)

    @field_validator("gridresource")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in value):
            raise ValueError(
                f"{value!r} is not the URL of an EC2 endpoint; write one such as https://ec2.us-east-1.amazonaws.com/"
            )
        return value

    @field_validator("elastic_ip")
    @classmethod
    def _elastic_ip(cls, value: str | None) -> str | None:
        # ec2_gahp reads beyond the end of a plain address (amazonCommands.cpp).
        if value is not None and ":" not in value:
            raise ValueError(f"{value!r} has no allocation id; write address:eipalloc-…")
        return value

    @field_validator("parameters")
    @classmethod
    def _parameters(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _PARAMETER.fullmatch(name):
                raise ValueError(
                    f"{name!r} is not a parameter of RunInstances; write one such as MetadataOptions.HttpTokens"
                )
            if name in _OVERWRITTEN:
                raise ValueError(f"{name}: ec2_gahp sets this parameter itself" + _OVERWRITTEN[name])
            if name.startswith("TagSpecification.1."):
                raise ValueError(
                    f"{name}: set tags of the instance by tag_<Name>; further ones begin at TagSpecification.2"
                )
        return value

    @field_validator("ebs_volumes", "block_device_mapping")
    @classmethod
    def _pairs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pair in value:
            if not all(pair.partition(":")):
                raise ValueError(f"{pair!r} names no device; write name:device, such as vol-0123:/dev/sdf")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> EC2Commands:
        if self.ebs_volumes and len(self.availability_zone) != 1:
            raise ValueError(
                "ebs_volumes needs exactly one availability_zone: a volume can be attached in its own zone only"
            )
        if self.iam_profile_arn and self.iam_profile_name:
            raise ValueError("iam_profile_arn and iam_profile_name both name the instance profile; remove one of them")
        if self.keypair and self.keypair_file:
            raise ValueError("keypair and keypair_file exclude each other; remove one of them")
        return self


_OTHER_NAMES = {
    "ec2elasticblockstoragevolumes": "ebs_volumes",
    "awsaccesskeyidfile": "access_key_id",
    "awssecretaccesskeyfile": "secret_access_key",
}
"""Names of HTCondor that differ from ``ec2_<key>``, without underscores."""
_NAMED_COMMAND = re.compile(r"ec2_?(?P<kind>tag|param(?:eter)?)_?(?P<name>.*)", re.IGNORECASE)


def typed_key(name: str) -> str | None:
    """Return the key that sets a submit command ``ec2_…`` or a job attribute ``EC2…``; None for any other name."""
    plain = name.lower().replace("_", "")
    keys = {f"ec2{key.replace('_', '')}": key for key, field in EC2Commands.model_fields.items() if not _named(field)}
    if key := keys.get(plain, _OTHER_NAMES.get(plain)):
        return key
    if found := _NAMED_COMMAND.fullmatch(name):
        key = "tag_" if found["kind"].lower() == "tag" else "parameter_"
        if found["name"].lower() in ("", "names"):
            return f"{key}<Name>"
        return key + (found["name"] if key == "tag_" else found["name"].replace("_", "."))
    return "parameter_<Name>" if plain.startswith("ec2") else None


def _ordered_gb(device: str) -> float | None:
    """Return the size that a block device orders (``device:snapshot:GB:delete``); None: it names none."""
    parts = device.split(":")
    return float(parts[2]) if len(parts) > 2 and parts[2].isdigit() and int(parts[2]) > 0 else None


def _named(field: FieldInfo) -> bool:
    return any(isinstance(part, Named) for part in field.metadata)


def command_lines(settings: EC2Commands) -> list[str]:
    """Return the lines of the optional ``ec2_*`` submit commands that are set."""
    zones = settings.availability_zone
    commands = {
        "ec2_availability_zone": "$(zone)" if len(zones) > 1 else "".join(zones),
        "ec2_block_device_mapping": ",".join(settings.block_device_mapping),
        "ec2_ebs_volumes": ",".join(settings.ebs_volumes),
        "ec2_elastic_ip": settings.elastic_ip,
        "ec2_iam_profile_arn": settings.iam_profile_arn,
        "ec2_keypair": settings.keypair,
        "ec2_keypair_file": settings.keypair_file,
        "ec2_security_groups": ", ".join(settings.security_groups),
        "ec2_security_ids": ", ".join(settings.security_ids),
        "ec2_vpc_ip": settings.vpc_ip,
        "ec2_vpc_subnet": settings.vpc_subnet,
    }
    return [f"{name} = {value}" for name, value in commands.items() if value]


def parameter_lines(settings: EC2Commands, tags: Mapping[str, str], spot: bool = False) -> list[str]:
    """Return the lines for parameters of RunInstances that have no submit command.

    Tags are set at launch, so that every instance has them at once. Spot uses the on-demand call, whose state machine
    in the gridmanager is more robust. Both need a newer API version than ec2_gahp asks for. HTCondor ignores the submit
    command ``ec2_iam_profile_name``, so the name is a parameter too.
    """
    parameters = {"Version": "2016-11-15", "TagSpecification.1.ResourceType": "instance"}
    for i, (name, value) in enumerate({**settings.tags, **tags}.items(), 1):
        parameters[f"TagSpecification.1.Tag.{i}.Key"] = name
        parameters[f"TagSpecification.1.Tag.{i}.Value"] = value
    if spot:
        parameters["InstanceMarketOptions.MarketType"] = "spot"
        parameters["InstanceMarketOptions.SpotOptions.MaxPrice"] = f"{settings.spot_price:.6f}"
    if settings.iam_profile_name:
        parameters["IamInstanceProfile.Name"] = settings.iam_profile_name
    if settings.imds_mode != "as-is":
        parameters["MetadataOptions.HttpTokens"] = settings.imds_mode
        parameters["MetadataOptions.HttpPutResponseHopLimit"] = "1"
    parameters |= settings.parameters
    values = {name.replace(".", "_"): value for name, value in parameters.items()}
    # HTCondor expands macros in attributes, not in ec2_parameter_*; the attribute wins.
    expanded = [f'MY.EC2Param_{name} = "{value}"' for name, value in values.items() if "$(" in value]
    plain = [f"ec2_parameter_{name} = {value}" for name, value in values.items()]
    return [f"ec2_parameter_names = {', '.join(parameters)}", *plain, *expanded]
