"""Limits of schedd and gridmanager against what the queues may come to. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from factory.check.chains import burst, reach
from factory.condor.tools.config_val import DaemonConfig
from factory.config.queues import Queue
from factory.plugin.batchsubmit import MachineFacts
from factory.plugin.finding import Finding

PER_RESOURCE = "GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2"
_PER_RESOURCE_ANY = "GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE"
_PER_RESOURCE_DEFAULT = 20
_FULL_DEBUG = ("D_FULLDEBUG", "D_ALL", "D_ANY", "D_ALWAYS:2")


def check_limits(queues: Sequence[Queue], schedd: DaemonConfig) -> Iterator[Finding]:
    """What would keep VM jobs waiting, or submits from being taken."""
    yield from _per_resource(queues, schedd)
    yield from _per_owner(queues, schedd)
    yield from _per_submission(queues, schedd)


def check_gahp_log(schedd: DaemonConfig) -> Iterator[Finding]:
    """At full debug ec2_gahp writes each request into its log, user-data and token included (rule 11)."""
    for name in ("EC2_GAHP_DEBUG", "ALL_DEBUG"):
        value = schedd.get(name)
        words = (value or "").upper().replace(",", " ").replace("|", " ").split()
        if any(word in _FULL_DEBUG for word in words):
            text = f"{name} = {value}: ec2_gahp logs user-data, and so the tokens of VMs; set EC2_GAHP_DEBUG = D_PID"
            yield Finding("error", text, daemon=schedd.daemon)


def may_run(queue: Queue, upto: int) -> int | None:
    """Machines or jobs that a queue may come to; ``upto + 1``: more than ``upto``; None: it can't be told."""
    machines = queue.batchsubmit.machines()
    chain = reach(queue.sched, upto)
    cap = machines.maxinstances if machines else None
    if cap is None:
        return chain
    return min(cap, upto + 1) if chain is None else min(cap, chain)


def _per_resource(queues: Sequence[Queue], schedd: DaemonConfig) -> Iterator[Finding]:
    by_resource: dict[str, list[tuple[Queue, MachineFacts]]] = defaultdict(list)
    for queue in queues:
        machines = queue.batchsubmit.machines()
        if machines is not None:
            by_resource[machines.resource].append((queue, machines))
    for together in by_resource.values():
        machines = together[0][1]
        limit = resource_limit(schedd, machines.host)
        may = [may_run(queue, limit) for queue, _ in together]
        total = sum(n for n in may if n is not None)
        if total > limit:
            names = ", ".join(f"[{queue.name}]" for queue, _ in together[:3]) + (", …" if len(together) > 3 else "")
            exact = total if max(n or 0 for n in may) <= limit else f"more than {limit}"
            text = (
                f"{PER_RESOURCE} is {limit}, and {names} may come to {exact} VMs at {machines.host}: VM number "
                f"{limit + 1} waits until another has gone. Raise it, to 10000 say, and condor_reconfig, or lower "
                "sched.maxtorun.maximum or maxinstances"
            )
            yield Finding("warning", text, together[0][0].name, daemon=schedd.daemon)


def resource_limit(schedd: DaemonConfig, host: str) -> int:
    """VM jobs that the gridmanager submits to one endpoint: ``N`` or ``N, host, n, …`` (the docs of 2.1 name 1000)."""
    words = schedd.words(PER_RESOURCE) or schedd.words(_PER_RESOURCE_ANY)
    for name, number in zip(words[1::2], words[2::2], strict=False):
        if name in host and number.isdigit():
            return int(number)
    return int(words[0]) if words and words[0].isdigit() else _PER_RESOURCE_DEFAULT


def _per_owner(queues: Sequence[Queue], schedd: DaemonConfig) -> Iterator[Finding]:
    limit = schedd.number("MAX_JOBS_PER_OWNER")
    if limit is None or limit <= 0:
        return
    total = sum(may_run(queue, limit) or 0 for queue in queues)
    if total > limit:
        text = (
            f"MAX_JOBS_PER_OWNER is {limit}, and the queues together may come to more: the schedd then refuses what is "
            "submitted. Raise it, or cap the queues with MaxToRun, MaxPending or MaxPerFactory"
        )
        yield Finding("warning", text, daemon=schedd.daemon)


def _per_submission(queues: Sequence[Queue], schedd: DaemonConfig) -> Iterator[Finding]:
    limit = schedd.number("MAX_JOBS_PER_SUBMISSION")
    if limit is None or limit <= 0:
        return
    for queue in queues:
        most = burst(queue.sched)
        if most is not None and most > limit:
            text = (
                f"may ask for more jobs at once than MAX_JOBS_PER_SUBMISSION = {limit}: the schedd would refuse "
                f"them all, again and again. Add MaxPerCycle with sched.maxpercycle.maximum = {limit} or less"
            )
            yield Finding("warning", text, queue.name, "schedplugin", schedd.daemon)
