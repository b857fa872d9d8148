"""Check the effect of negotiation cycle and condor_defrag on the factory's VMs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from factory.check.chains import ask_chain, kept_idle, retires_after
from factory.check.limits import queue_limit
from factory.check.queues import uses_job_groups
from factory.condor.classad.evaluate import Answer, Question
from factory.condor.classad.literals import quote
from factory.condor.tools.config_val import DaemonConfig, Matchmaking
from factory.config.queues import Queue
from factory.model.status import BatchStatus
from factory.model.vm import counted
from factory.plugin.finding import Finding, Severity
from factory.settings.factory import FactorySettings

Evaluate = Callable[[Sequence[Question]], Sequence[Answer]]

_NEGOTIATOR_INTERVAL_S = 60
_DEFRAG_REQUIREMENTS = "PartitionableSlot && Offline =!= true"
_MANY_VMS = 1024


def check_matchmaking(
    queues: Sequence[Queue], factory: FactorySettings, found: Matchmaking, evaluate: Evaluate
) -> Iterator[Finding]:
    """Compare the idle shutdown of VMs with the negotiation cycle, and check condor_defrag."""
    intervals = [daemon.number("NEGOTIATOR_INTERVAL") or _NEGOTIATOR_INTERVAL_S for daemon in found.negotiators]
    if not found.negotiators:
        yield Finding(
            "unchecked", "idle shutdown of VMs: the collector shows no negotiator, so its cycle time is unknown"
        )
    yield from check_idle(queues, max(intervals, default=_NEGOTIATOR_INTERVAL_S))
    for defrag in found.defrags:
        yield from _defrag(queues, factory, defrag, evaluate)


def check_idle(queues: Sequence[Queue], negotiation_s: int) -> Iterator[Finding]:
    """Yield warnings for queues whose idle VMs shut down before the factory retires them. Pure."""
    for queue in queues:
        machines = queue.batchsubmit.machines()
        if machines is None:
            continue
        kept = kept_idle(queue.sched, min(_MANY_VMS, queue_limit(queue, _MANY_VMS) or 0))
        if kept is None:
            continue  # the chain retires no idle VMs: their own shutdown ends them
        key = queue.batchsubmit.key("idle")
        if kept > 0 and machines.idle_s < machines.lease_max_s:
            text = (
                f"{machines.idle_s} s is too short: the chain keeps {counted(kept, 'idle VM')}, which would shut down "
                f"after that time and be bought again; set {key} = {machines.lease_max_s}, the longest lease"
            )
            yield Finding("warning", text, queue.name, key)
        after = retires_after(queue.sched, kept, machines.idle_s)
        needed = after + 3 * negotiation_s
        if machines.idle_s < needed:
            when = f"after {after} s" if after <= machines.idle_s else "later than that"
            text = (
                f"{machines.idle_s} s is too short: the chain retires idle VMs {when}, and the negotiator needs up to "
                f"{3 * negotiation_s} s to match one, so VMs would shut down first; set {key} = {needed} or more"
            )
            yield Finding("warning", text, queue.name, key)


def check_sizes(queues: Sequence[Queue]) -> Iterator[Finding]:
    """Yield warnings for chains that buy a multi-core VM for each job (rule 6). Pure."""
    for queue in queues:
        machines = queue.batchsubmit.machines()
        if machines is None or machines.cores is None or machines.cores < 2 or uses_job_groups(queue):
            continue
        asked = ask_chain(queue.sched, machines.cores, BatchStatus()).ask.n
        if asked > 1:
            text = (
                f"buys {asked} VMs for {machines.cores} jobs, but one {machines.instance_type} has {machines.cores} "
                "cores, so single-core jobs get too many VMs; add Scale after Ready and set "
                f"sched.scale.factor = {round(1 / machines.cores, 4):g}, or choose a smaller instance_type"
            )
            yield Finding("warning", text, queue.name, "schedplugin")


def _defrag(
    queues: Sequence[Queue], factory: FactorySettings, defrag: DaemonConfig, evaluate: Evaluate
) -> Iterator[Finding]:
    vm_queues = [queue for queue in queues if queue.batchsubmit.machines() is not None]
    rate = defrag.get("DEFRAG_DRAINING_MACHINES_PER_HOUR")
    if not vm_queues or rate in (None, "0", "0.0"):
        return
    requirements = defrag.get("DEFRAG_REQUIREMENTS") or _DEFRAG_REQUIREMENTS
    (answer,) = evaluate([Question(requirements, slot_ad(vm_queues[0], factory))])
    if answer is not True:
        return
    schedule = (defrag.get("DEFRAG_SCHEDULE") or "graceful").lower()
    severity: Severity = "warning" if schedule == "graceful" else "error"
    kills = "" if schedule == "graceful" else f" and kill their jobs (DEFRAG_SCHEDULE = {schedule})"
    right = f"APFVM =?= undefined && ({requirements})"
    text = f"condor_defrag would drain the factory's VMs{kills}; set DEFRAG_REQUIREMENTS = {right}"
    yield Finding(severity, text, daemon=defrag.daemon)


def slot_ad(queue: Queue, factory: FactorySettings) -> str:
    """Return the ad of an idle partitionable slot of a VM, with the attributes that policies may use."""
    machines = queue.batchsubmit.machines()
    cores = (machines.cores if machines else None) or 1
    values = {
        "MyType": quote("Machine"),
        "Name": quote("slot1@vm"),
        "Machine": quote("vm"),
        "SlotType": quote("Partitionable"),
        "PartitionableSlot": "true",
        "DynamicSlot": "false",
        "State": quote("Unclaimed"),
        "Activity": quote("Idle"),
        "Cpus": str(cores),
        "TotalCpus": str(cores),
        "TotalSlotCpus": str(cores),
        "Memory": str(2048 * cores),
        "TotalMemory": str(2048 * cores),
        "APFFactory": quote(factory.id),
        "APFQueue": quote(queue.name),
        "APFVM": quote("00000000-0000-4000-8000-000000000000"),
    }
    return "[" + "; ".join(f"{name} = {value}" for name, value in values.items()) + "]"
