"""Moto's instances: the one module that uses moto's model of EC2.

Moto starts and ends instances instantly. This module reads moto's instances and overwrites their states with those
of the machines. Callers hold the cloud's lock, since moto's models are not thread-safe.
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
    """Yield every instance of every region in use."""
    for backend in list(ec2_backends[DEFAULT_ACCOUNT_ID].values()):
        for reservation in list(backend.reservations.values()):
            yield from reservation.instances


def facts_of(instance: Instance, flavour: Flavour) -> Facts:
    """Return the facts of an instance's launch."""
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
    """Decode user-data; moto stores it as it came, with or without base64."""
    text = str(user_data or "")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text.encode()


def set_state(instance: Instance, state: State, reason: Reason | None) -> None:
    """Set the state that the API shows. As with EC2, the reason stays empty until the instance ends."""
    instance._state = InstanceState(state.value, state.code)
    instance.state_reason = StateReason(reason.message, reason.code) if reason else StateReason()
    if reason is None:
        instance._reason = ""
    else:
        who = "" if reason is BY_ITSELF else "User initiated "
        instance._reason = f"{who}({time.strftime('%Y-%m-%d %H:%M:%S GMT', time.gmtime())})"


def free_resources(instance: Instance) -> None:
    """Free an instance's addresses and volumes in moto's model, when it ends by itself."""
    instance.ec2_backend.terminate_instances([instance.id])


def forget(instance: Instance) -> None:
    """Delete an instance from the model, so that DescribeInstances no longer shows it."""
    reservations = instance.ec2_backend.reservations
    for key, reservation in list(reservations.items()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
            if not reservation.instances:
                del reservations[key]


def find(instance_id: str) -> Instance | None:
    """Return the instance with this id, in any region."""
    return next((instance for instance in instances() if instance.id == instance_id), None)
