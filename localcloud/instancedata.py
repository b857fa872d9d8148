"""The instance-data that cloud-init offers to templates."""

import platform
from collections.abc import Mapping
from typing import Any

from localcloud.machine import Facts


def instance_data(facts: Facts) -> dict[str, Any]:
    """Return the variables of a ``## template: jinja`` document: ``v1``, ``ds`` and the aliases of ``v1``.

    Keys and shapes follow cloud-init's page "Instance metadata". Both flavours use the EC2 instance id.
    """
    openstack = facts.flavour == "openstack"
    short_name = facts.hostname.partition(".")[0]
    v1: dict[str, Any] = {
        "availability_zone": facts.zone,
        "cloud_name": "openstack" if openstack else "aws",
        "distro": "debian",
        "instance_id": facts.instance_id,
        "kernel_release": platform.release(),
        "local_hostname": short_name,
        "machine": platform.machine(),
        "platform": "openstack" if openstack else "ec2",
        "public_ssh_keys": [],
        "python_version": platform.python_version(),
        "region": None if openstack else facts.region,
        "subplatform": "metadata (http://169.254.169.254)",
    }
    meta_data = {
        "ami-id": facts.image_id,
        "ami-launch-index": str(facts.launch_index),
        "hostname": facts.hostname,
        "instance-id": facts.instance_id,
        "instance-life-cycle": "spot" if facts.spot else "on-demand",
        "instance-type": facts.instance_type,
        "local-hostname": facts.hostname,
        "local-ipv4": facts.private_ip,
        "placement": {"availability-zone": facts.zone, "region": facts.region},
        "public-hostname": facts.public_hostname,
        "public-ipv4": facts.public_ip,
        "reservation-id": facts.reservation_id,
        "services": {"domain": "amazonaws.com", "partition": "aws"},
        "tags": {"instance": dict(facts.tags)},
    }
    return {**v1, "v1": v1, "ds": {"meta_data": _with_aliases(meta_data)}}


def _with_aliases(data: Mapping[str, Any]) -> dict[str, Any]:
    """Add an alias with underscores for each key that jinja's dot notation cannot name, as cloud-init does."""
    result: dict[str, Any] = {}
    for key, value in data.items():
        result[key] = _with_aliases(value) if isinstance(value, Mapping) else value
        alias = "".join(c if c.isalnum() or c == "_" else "_" for c in key)
        result.setdefault(alias, result[key])
    return result
