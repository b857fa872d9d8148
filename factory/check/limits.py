"""Compare limits of schedd and gridmanager with the VMs and jobs that the queues may have. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from factory.check.chains import max_at_once, max_total
from factory.condor.tools.config_val import DaemonConfig
from factory.config.queues import Queue
from factory.model.vm import counted
from factory.plugin.batchsubmit import MachineFacts
from factory.plugin.finding import Finding

PER_RESOURCE = "GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2"
_PER_RESOURCE_ANY = "GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE"
_PER_RESOURCE_DEFAULT = 20
_FULL_DEBUG = ("D_FULLDEBUG", "D_ALL", "D_ANY", "D_ALWAYS:2")


def check_limits(queues: Sequence[Queue], schedd: DaemonConfig) -> Iterator[Finding]:
    """Yield warnings about limits that keep VM jobs waiting, or make the schedd refuse submits."""
    yield from _per_resource(queues, schedd)
    yield from _per_owner(queues, schedd)
    yield from _per_submission(queues, schedd)


def check_gahp_log(schedd: DaemonConfig) -> Iterator[Finding]:
    """Yield an error if ec2_gahp logs at full debug: it would log each request with user-data and token (rule 11)."""
    for name in ("EC2_GAHP_DEBUG", "ALL_DEBUG"):
        value = schedd.get(name)
        words = (value or "").upper().replace(",", " ").replace("|", " ").split()
        if any(word in _FULL_DEBUG for word in words):
            text = f"{name} = {value}: ec2_gahp logs user-data with the tokens of VMs; set EC2_GAHP_DEBUG = D_PID"
            yield Finding("error", text, daemon=schedd.daemon)


def queue_limit(queue: Queue, upto: int) -> int | None:
    """Return the most VMs or jobs that a queue may have, or ``upto + 1`` for any number above; None: unknown."""
    machines = queue.batchsubmit.machines()
    chain = max_total(queue.sched, upto)
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
        counts = [queue_limit(queue, limit) for queue, _ in together]
        total = sum(n for n in counts if n is not None)
        if total > limit:
            names = ", ".join(f"[{queue.name}]" for queue, _ in together[:3]) + (", …" if len(together) > 3 else "")
            vms = counted(total, "VM") if max(n or 0 for n in counts) <= limit else f"more than {counted(limit, 'VM')}"
            text = (
                f"{PER_RESOURCE} is {limit}, but {names} may have {vms} at {machines.host}, and all above {limit} wait "
                f"until others end; set {PER_RESOURCE} = 10000 on the schedd's host and run condor_reconfig, or lower "
                "sched.maxtorun.maximum or maxinstances"
            )
            yield Finding("warning", text, together[0][0].name, daemon=schedd.daemon)


def resource_limit(schedd: DaemonConfig, host: str) -> int:
    """Return the number of VM jobs that the gridmanager submits to one endpoint.

    The macro is ``N`` or ``N, host, n, …``. Default: 20 (``param_info.in``); the manual names only 1000, of the macro
    without ``_EC2``.
    """
    words = schedd.words(PER_RESOURCE) or schedd.words(_PER_RESOURCE_ANY)
    for name, number in zip(words[1::2], words[2::2], strict=False):
        if name in host and number.isdigit():
            return int(number)
    return int(words[0]) if words and words[0].isdigit() else _PER_RESOURCE_DEFAULT


def _per_owner(queues: Sequence[Queue], schedd: DaemonConfig) -> Iterator[Finding]:
    limit = schedd.number("MAX_JOBS_PER_OWNER")
    if limit is None or limit <= 0:
        return
    total = sum(queue_limit(queue, limit) or 0 for queue in queues)
    if total > limit:
        text = (
            f"MAX_JOBS_PER_OWNER is {limit}, but the queues together may have more jobs, which the schedd refuses; "
            "raise MAX_JOBS_PER_OWNER, or cap the queues with MaxToRun, MaxPending or MaxPerFactory"
        )
        yield Finding("warning", text, daemon=schedd.daemon)


def _per_submission(queues: Sequence[Queue], schedd: DaemonConfig) -> Iterator[Finding]:
    limit = schedd.number("MAX_JOBS_PER_SUBMISSION")
    if limit is None or limit <= 0:
        return
    for queue in queues:
        most = max_at_once(queue.sched)
        if most is not None and most > limit:
            text = (
                f"may submit more jobs at once than MAX_JOBS_PER_SUBMISSION = {limit}, and the schedd would refuse all "
                f"of them every time; add MaxPerCycle and set sched.maxpercycle.maximum = {limit}"
            )
            yield Finding("warning", text, queue.name, "schedplugin", schedd.daemon)
