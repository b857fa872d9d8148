"""Status files with the content that a factory writes, built from decisions without a pool."""

from __future__ import annotations

from pathlib import Path

from factory.decide.chain import Blocked, Cause, Chain, StepRecord
from factory.decide.decision import Decision
from factory.model.actions import Outcome, Retire, Submit
from factory.model.ask import Ask
from factory.model.shape import Shape
from factory.model.source import Reading
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import VM, Hold, JobId, VMState
from factory.report.status import decision_report, status_report
from factory.state.directory import StateDir

_SHAPE = Shape("ami-0123456789abcdef0", "m5.large")


def vm(number: int, state: VMState, why: str, now: float) -> VM:
    """Return a VM in this state."""
    known = state not in (VMState.SUBMITTED, VMState.HELD)
    return VM(
        uuid=f"00000000-0000-4000-8000-{number:012}",
        queue="CLOUD",
        job=JobId(100 + number // 10, number % 10),
        state=state,
        why=why,
        shape=str(_SHAPE),
        instance=f"i-{number:017x}" if known else None,
        claims=2 if state is VMState.BUSY else 0,
        idle_since=now - 300 if state is VMState.IDLE else None,
        lease_end=now + 86400,
        hold=Hold(40, 12, "InsufficientInstanceCapacity") if state is VMState.HELD else None,
    )


def decisions(now: float) -> list[tuple[Decision, tuple[Outcome, ...]]]:
    """Return a queue that buys, one whose retirement fails, and one that is blocked."""
    states = [(VMState.BUSY, "2 claims")] * 3 + [(VMState.SUBMITTED, "no instance yet"), (VMState.HELD, "held 40/12")]
    batch = BatchStatus.of_vms(vm(i, state, why, now) for i, (state, why) in enumerate(states))
    submit = Submit(queue="CLOUD", n=4, shapes=(_SHAPE,) * 4, reason="4 of 4 asked for")
    buys = Decision(
        "CLOUD",
        Chain(
            (
                StepRecord("Ready", 0, 11, "12 ready, 1 pending"),
                StepRecord("MaxPerCycle", 11, 4, "at most 4 per cycle"),
                StepRecord("MaxToRun", 4, 4, "room for 16 of 20"),
            ),
            Ask(4),
        ),
        (submit,),
        (),
        WmsStatus(ready=12, running=6),
        batch,
    )
    idle = vm(20, VMState.IDLE, "no claims", now)
    retire = Retire(queue="CLOUD-spot", vm=idle, method="off", reason="not needed: idle, no claims")
    retires = Decision(
        "CLOUD-spot",
        Chain((StepRecord("RetireIdle", 0, -1, "1 of 1 unclaimed VM retires (after 900 s)"),), Ask(-1)),
        (retire,),
        ("1 of 3 retirements this round: removefraction = 0.2 of 3 VMs",),
        WmsStatus(),
        BatchStatus.of_vms([idle]),
    )
    down = "VM jobs in schedd local: no answer within 60 s"
    blocked = Decision(
        "ARCHIVE",
        Chain(blocked=Blocked(Cause.UNKNOWN, f"Ready: batch status unknown: {down}")),
        (),
        (),
        WmsStatus(ready=3),
        Unknown(down),
    )
    return [
        (buys, (Outcome(submit, jobs=(JobId(102, 0),)),)),
        (retires, (Outcome(retire, error="condor_off took longer than 20 s"),)),
        (blocked, ()),
    ]


def write_status(root: Path, factory_id: str, now: float, written: float) -> StateDir:
    """Write the status of a factory with these decisions, with the time ``written``."""
    statedir = StateDir(root, factory_id)
    statedir.open()
    reports = {d.queue: decision_report(d, outcomes, written) for d, outcomes in decisions(now)}
    readings = [
        Reading("jobs in schedd local", written - 2, written - 1.7, ()),
        Reading("machines in collector local", written - 2, written - 1.9, ()),
        Reading("VM jobs in schedd local", written - 62, written - 2, None, "no answer within 60 s"),
    ]
    incarnation = f"{written - 7000:.3f} host.example 4711"
    statedir.write_status(status_report(factory_id, incarnation, reports, readings, ["OLD"], written))
    return statedir
