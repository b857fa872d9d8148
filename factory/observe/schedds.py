"""Schedds that the queues of a configuration poll."""

from __future__ import annotations

from factory.config.queues import Config
from factory.model.address import ScheddAddress
from factory.process.faults import FAULTS, fault


def polled_schedds(config: Config) -> tuple[tuple[ScheddAddress, ...], dict[str, str]]:
    """Return every schedd whose jobs a queue serves, and by queue why its plugin could not name its schedds."""
    schedds: dict[ScheddAddress, None] = {}
    faults = {}
    tended = {queue.name for queue in config.winding_down}
    for queue in (*config.queues, *(queue for queue in config.disabled_queues if queue.name in tended)):
        if queue.wmsstatus is None:
            continue
        try:
            jobs = queue.wmsstatus.jobs()
            schedds |= dict.fromkeys(jobs[0] if jobs is not None else ())
        except FAULTS as error:
            faults[queue.name] = f"plugin {queue.wmsstatus.name} failed to name its schedds: {fault(error)}"
    return tuple(schedds), faults
