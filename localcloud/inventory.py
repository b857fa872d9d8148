"""Moto's instances: the one module that reaches into moto's model of EC2.

Moto starts and ends instances at once. The inventory shows what moto has, and puts our own states on it.
All calls are made with the cloud's lock held, since moto's models know no threads.
"""

import base64
import binascii
import time
from collections.abc import Iterator
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import Instance, InstanceState, StateReason

from localcloud.machine import BY_ITSELF, Facts, Flavour, Reason, State


def instances() -> Iterator[Instance]:
    """Every instance of every region that has been used."""
    for backend in list(ec2_backends[DEFAULT_ACCOUNT_ID].values()):
        for reservation in list(backend.reservations.values()):
            yield from reservation.instances


def facts_of(instance: Instance, flavour: Flavour) -> Facts:
    """What a machine is launched with."""
    backend = instance.ec2_backend
    reservation_id = next(key for key, value in backend.reservations.items() if instance in value.instances)
    return Facts(
        instance_id=instance.id,
        reservation_id=reservation_id,
        launch_index=instance.ami_launch_index,
        image_id=instance.image_id,
        instance_type=instance.instance_type,
        region=backend.region_name,
        zone=instance.availability_zone or "",
        flavour=flavour,
        spot=instance.lifecycle == "spot",
        client_token=instance.client_token or "",
        hostname=instance.private_dns_name,
        private_ip=instance.private_ip or "",
        public_hostname=instance.public_dns_name or "",
        public_ip=instance.public_ip or "",
        tags=tuple((tag["key"], tag["value"]) for tag in instance.get_tags()),
        stops_itself=flavour is Flavour.OPENSTACK or instance.instance_initiated_shutdown_behavior != "terminate",
        disk_gb=sum(volume.size for _, volume in _volumes(instance)),
        user_data=_decoded(instance.user_data),
    )


def _volumes(instance: Instance) -> list[tuple[str, Any]]:
    backend = instance.ec2_backend
    return [(name, backend.get_volume(block.volume_id)) for name, block in instance.get_block_device_mapping]


def _decoded(user_data: Any) -> bytes:
    """User-data as the machine gets it; moto keeps what a launch configuration holds as it came."""
    text = str(user_data or "")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text.encode()


def show(instance: Instance, state: State, reason: Reason | None) -> None:
    """Let the API show a state. The reason stays empty until the instance ends, which is what EC2 does."""
    instance._state = InstanceState(state.value, state.code)
    instance.state_reason = StateReason(reason.message, reason.code) if reason else StateReason()
    if reason is None:
        instance._reason = ""
    else:
        who = "" if reason is BY_ITSELF else "User initiated "
        instance._reason = f"{who}({time.strftime('%Y-%m-%d %H:%M:%S GMT', time.gmtime())})"


def release(instance: Instance) -> None:
    """Free what an instance holds in moto's model (addresses, volumes) when it ends by itself."""
    instance.ec2_backend.terminate_instances([instance.id])


def forget(instance: Instance) -> None:
    """Take an instance out of the model; DescribeInstances no longer shows it."""
    reservations = instance.ec2_backend.reservations
    for key, reservation in list(reservations.items()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
            if not reservation.instances:
                del reservations[key]


def find(instance_id: str) -> Instance | None:
    """The instance with this id, in whatever region."""
    return next((instance for instance in instances() if instance.id == instance_id), None)
