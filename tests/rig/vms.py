"""VMs, and rows of jobs, startds and masters, for tests of pure functions; no HTCondor."""

from __future__ import annotations

from typing import Any

from factory.model.pool import MachineRow, MasterRow
from factory.model.vm import VM, JobId, VMState
from factory.model.vm_job import VMJobRow

NOW = 1_000_000.0
"""The time of the tests."""

SHAPE = "ami-1/m5.large/*/on-demand"


def vm(uuid: str, state: VMState = VMState.IDLE, **fields: Any) -> VM:
    """Return a VM in a state, as ``Joiner`` makes it."""
    number = int("".join(c for c in uuid if c.isdigit()) or 0)
    in_pool = state in {VMState.JOINED, VMState.BUSY, VMState.IDLE, VMState.RETIRING}
    known: dict[str, Any] = {
        "why": "test",
        "shape": SHAPE,
        "job_status": 1 if state is VMState.SUBMITTED else 2,
        "submitted": NOW - 1000 + number,
        "instance": None if state is VMState.SUBMITTED else f"i-{uuid}",
        "startd": uuid if in_pool or state is VMState.RETIRED else None,
        "slots": (f"slot1@{uuid}",) if in_pool else (),
        "claims": 1 if state is VMState.BUSY else 0,
        "idle_since": NOW - 500 if state in {VMState.IDLE, VMState.JOINED} else None,
    }
    return VM(uuid=uuid, queue="Q", job=JobId(number, 0), state=state, **(known | fields))


def job(uuid: str = "vm1", status: int = 2, **fields: Any) -> VMJobRow:
    """Return a VM job, by default with a running instance."""
    known: dict[str, Any] = {
        "queue": "Q",
        "shape": SHAPE,
        "identity": "vm@pool",
        "incarnation": "1000 host 1",
        "submitted": NOW - 1000,
        "entered_status": NOW - 900,
        "lease_end": NOW + 100_000,
        "lease_max": NOW + 200_000,
        "lease_moves": True,
        "retire_time": None,
        "unretire_time": None,
        "instance": "i-1",
        "grid_status": "running",
        "hold": None,
    }
    return VMJobRow(job=JobId(1, 0), status=status, uuid=uuid, **(known | fields))


def machine(uuid: str = "vm1", **fields: Any) -> MachineRow:
    """Return the startd of a VM, unclaimed, with a fresh ad."""
    known: dict[str, Any] = {
        "name": uuid,
        "identity": "vm@pool",
        "instance": "i-1",
        "heard": NOW - 1,
        "started": NOW - 800,
        "slots": (f"slot1@{uuid}",),
        "claims": 0,
        "retiring": 0,
        "idle_since": NOW - 100,
        "claimed_before": False,
        "drain_reason": None,
    }
    return MachineRow(vm=uuid, **(known | fields))


def master(uuid: str = "vm1", **fields: Any) -> MasterRow:
    """Return the master of a VM, with a fresh ad."""
    known: dict[str, Any] = {
        "name": uuid, "identity": "vm@pool", "heard": NOW - 1, "started": NOW - 800, "startd_runs": True,
    }  # fmt: skip
    return MasterRow(vm=uuid, **(known | fields))
