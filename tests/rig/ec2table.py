"""Every ``ec2_*`` submit command of HTCondor: the key of CondorEC2 that sets it, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One key. ``line``: submit command and value; ``attribute``: of the job ad, with its value."""

    key: str
    value: str
    line: tuple[str, str]
    attribute: tuple[str, str]
    also: tuple[tuple[str, str], ...] = ()
    """Further keys that this one needs."""


def _same(key: str, value: str, attribute: str, *also: tuple[str, str], written: str | None = None) -> Command:
    text = value if written is None else written
    return Command(key, value, (f"ec2_{key}", text), (attribute, text), also)


def _parameter(key: str, value: str, name: str, text: str) -> Command:
    """A parameter of RunInstances. In the command and the attribute its dots are underscores."""
    plain = name.replace(".", "_")
    return Command(key, value, (f"ec2_parameter_{plain}", text), (f"EC2Param_{plain}", text))


OPTIONAL = (
    _same("keypair", "mykey", "EC2KeyPair"),
    _same("keypair_file", "/keys/pair", "EC2KeyPairFile"),
    _same("security_groups", "default,web", "EC2SecurityGroups", written="default, web"),
    _same("security_ids", "sg-1, sg-2", "EC2SecurityIDs"),
    _same("vpc_subnet", "subnet-1", "EC2VpcSubnet"),
    _same("vpc_ip", "10.0.0.7", "EC2VpcIp"),
    _same("availability_zone", "us-east-1b", "EC2AvailabilityZone"),
    _same("elastic_ip", "203.0.113.7:eipalloc-1", "EC2ElasticIp"),
    _same(
        "ebs_volumes", "vol-1:/dev/sdf, vol-2:/dev/sdg", "EC2ElasticBlockStorageVolumes",
        ("availability_zone", "us-east-1b"), written="vol-1:/dev/sdf,vol-2:/dev/sdg",
    ),
    _same(
        "block_device_mapping", "ephemeral0:/dev/sdb, ephemeral1:/dev/sdc", "EC2BlockDeviceMapping",
        written="ephemeral0:/dev/sdb,ephemeral1:/dev/sdc",
    ),
    _same("iam_profile_arn", "arn:aws:iam::1:instance-profile/p", "EC2IamProfileArn"),
    _parameter("iam_profile_name", "worker", "IamInstanceProfile.Name", "worker"),
    _parameter("spot_price", "0.156", "InstanceMarketOptions.SpotOptions.MaxPrice", "0.156000"),
    _parameter("ec2_spot_price", "0.2", "InstanceMarketOptions.MarketType", "spot"),
    _parameter("tag_Name", "my worker", "TagSpecification.1.Tag.1.Value", "my worker"),
    _parameter("tag_CostCentre", "T1", "TagSpecification.1.Tag.1.Key", "CostCentre"),
    _parameter("parameter_MetadataOptions.HttpTokens", "required", "MetadataOptions.HttpTokens", "required"),
    _parameter(
        "parameter_LaunchTemplate.LaunchTemplateName", "lt", "LaunchTemplate.LaunchTemplateName", "lt"
    ),
    _parameter("parameter_BlockDeviceMapping.1.Ebs.VolumeSize", "80", "BlockDeviceMapping.1.Ebs.VolumeSize", "80"),
)  # fmt: skip
"""Keys that may be left out."""

REQUIRED = (
    Command(
        "gridresource", "https://ec2.eu-west-1.amazonaws.com/",
        ("grid_resource", "ec2 $(gridresource)"), ("GridResource", "ec2 https://ec2.eu-west-1.amazonaws.com/"),
    ),
    Command("ami_id", "ami-2", ("ec2_ami_id", "$(ami_id)"), ("EC2AmiID", "ami-2")),
    Command("instance_type", "c5.xlarge", ("ec2_instance_type", "$(instance_type)"), ("EC2InstanceType", "c5.xlarge")),
    Command("access_key_id", "/k/id", ("ec2_access_key_id", "$(access_key_id)"), ("EC2AccessKeyId", "/k/id")),
    Command(
        "access_key_id", "FROM INSTANCE", ("ec2_access_key_id", "$(access_key_id)"),
        ("EC2AccessKeyId", "FROM INSTANCE"), (("secret_access_key", "FROM INSTANCE"),),
    ),
    Command(
        "secret_access_key", "/k/secret",
        ("ec2_secret_access_key", "$(secret_access_key)"), ("EC2SecretAccessKey", "/k/secret"),
    ),
)  # fmt: skip
"""Keys that a queue must have."""

COMMANDS = REQUIRED + OPTIONAL


def keys(command: Command) -> dict[str, str]:
    """The keys of a queue's section."""
    return {f"batchsubmit.condorec2.{key}": value for key, value in ((command.key, command.value), *command.also)}
