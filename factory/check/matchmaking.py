"""What negotiator and condor_defrag would do with our machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from factory.check.chains import ask, kept_warm, lets_go_after
from factory.check.limits import may_run
from factory.check.queues import in_groups
from factory.condor.classad.evaluate import Answer, Question
from factory.condor.classad.literals import quote
from factory.condor.tools.config_val import DaemonConfig, Matchmaking
from factory.config.queues import Queue
from factory.model.status import BatchStatus
from factory.plugin.finding import Finding, Severity
from factory.settings.factory import FactorySettings

Evaluate = Callable[[Sequence[Question]], Sequence[Answer]]

_NEGOTIATOR_INTERVAL_S = 60
_DEFRAG_REQUIREMENTS = "PartitionableSlot && Offline =!= true"
_MANY = 1024


def check_matchmaking(
    queues: Sequence[Queue], factory: FactorySettings, found: Matchmaking, evaluate: Evaluate
) -> Iterator[Finding]:
    """Idle shutdown against the negotiation cycle, and condor_defrag."""
    intervals = [daemon.number("NEGOTIATOR_INTERVAL") or _NEGOTIATOR_INTERVAL_S for daemon in found.negotiators]
    if not found.negotiators:
        yield Finding("unchecked", "idle shutdown against the negotiation cycle: the collector shows no negotiator")
    yield from check_idle(queues, max(intervals, default=_NEGOTIATOR_INTERVAL_S))
    for defrag in found.defrags:
        yield from _defrag(queues, factory, defrag, evaluate)


def check_idle(queues: Sequence[Queue], negotiation_s: int) -> Iterator[Finding]:
    """The factory must let an idle machine go before the machine ends by itself. Pure."""
    for queue in queues:
        machines = queue.batchsubmit.machines()
        if machines is None:
            continue
        kept = kept_warm(queue.sched, min(_MANY, may_run(queue, _MANY) or 0))
        if kept is None:
            continue  # nothing retires idle machines, so that they end by themselves
        key = queue.batchsubmit.key("idle")
        if kept > 0 and machines.idle_s < machines.lease_max_s:
            text = (
                f"{machines.idle_s} s, but the chain keeps {kept} idle {_machines(kept)}, which end by then and "
                f"are bought anew; set it to the lease, {machines.lease_max_s} s"
            )
            yield Finding("warning", text, queue.name, key)
        after = lets_go_after(queue.sched, kept, machines.idle_s)
        needed = after + 3 * negotiation_s
        if machines.idle_s < needed:
            when = f"after {after} s" if after <= machines.idle_s else "later"
            text = (
                f"{machines.idle_s} s is too short: the chain lets idle machines go {when}, and the negotiator needs "
                f"up to {3 * negotiation_s} s to match one, so they would end by themselves under the factory's hands; "
                f"set it to {needed} s or more"
            )
            yield Finding("warning", text, queue.name, key)


def _machines(n: int) -> str:
    return "machine" if n == 1 else "machines"


def check_sizes(queues: Sequence[Queue]) -> Iterator[Finding]:
    """A chain that buys a machine for each job must not have machines of many cores (rule 6). Pure."""
    for queue in queues:
        machines = queue.batchsubmit.machines()
        if machines is None or machines.cores is None or machines.cores < 2 or in_groups(queue):
            continue
        asked = ask(queue.sched, machines.cores, BatchStatus()).ask.n
        if asked > 1:
            text = (
                f"asks for {asked} machines for {machines.cores} jobs, but one {machines.instance_type} has "
                f"{machines.cores} cores: jobs of one core get too many machines. Put Scale behind Ready, with "
                f"sched.scale.factor = {round(1 / machines.cores, 4):g}, or take a smaller instance_type"
            )
            yield Finding("warning", text, queue.name, "schedplugin")


def _defrag(
    queues: Sequence[Queue], factory: FactorySettings, defrag: DaemonConfig, evaluate: Evaluate
) -> Iterator[Finding]:
    ours = [queue for queue in queues if queue.batchsubmit.machines() is not None]
    rate = defrag.get("DEFRAG_DRAINING_MACHINES_PER_HOUR")
    if not ours or rate in (None, "0", "0.0"):
        return
    requirements = defrag.get("DEFRAG_REQUIREMENTS") or _DEFRAG_REQUIREMENTS
    (answer,) = evaluate([Question(requirements, slot_ad(ours[0], factory))])
    if answer is not True:
        return
    schedule = (defrag.get("DEFRAG_SCHEDULE") or "graceful").lower()
    severity: Severity = "warning" if schedule == "graceful" else "error"
    kills = "" if schedule == "graceful" else f", and kills their jobs (DEFRAG_SCHEDULE = {schedule})"
    right = f"APFVM =?= undefined && ({requirements})"
    text = f"condor_defrag would drain our VMs too{kills}; set DEFRAG_REQUIREMENTS = {right}"
    yield Finding(severity, text, daemon=defrag.daemon)


def slot_ad(queue: Queue, factory: FactorySettings) -> str:
    """The ad of a VM's partitionable slot, idle, as far as policies may ask for it."""
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
