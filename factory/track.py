"""What is remembered from poll to poll: since when each thing is so. Pure.

The memory of the process may delay an action and never causes one (rule 1): a factory that starts anew
knows less, and so does less, until it has seen for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from factory.fit.memory import FitMemory
from factory.health import Health

LONGEST_PATIENCE_S = 3600
"""A machine that does not obey, or can't be reached, is told again at least so often."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one VM. Times are epoch seconds."""

    joined: float
    """Its startd was first seen."""
    gone: float | None = None
    """Its startd is missing since; None: it is there."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A VM job that left the queue though nobody sent it away."""

    queue: str
    since: float


@dataclass(frozen=True, slots=True)
class Attempts:
    """Commands to one VM."""

    what: str
    """Kind of the last one."""
    times: int
    """So many of this kind in a row."""


@dataclass(frozen=True)
class Memory:
    """What the process remembers, by ``APFVM``."""

    vms: Mapping[str, Seen] = field(default_factory=dict)
    sent: Mapping[str, float] = field(default_factory=dict)
    """When a command was last sent to a VM."""
    absent: Mapping[str, float] = field(default_factory=dict)
    """Since when neither startd nor master of a VM is in the pool, as far as was seen."""
    alone: Mapping[str, float] = field(default_factory=dict)
    """Since when only the master of a VM is in the pool, as far as was seen."""
    unseen: Mapping[str, float] = field(default_factory=dict)
    """VMs of which no startd was ever seen, and since when it was looked for."""
    attempts: Mapping[str, Attempts] = field(default_factory=dict)
    """What a VM was last told, and how often in a row."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Removals of a VM that came to nothing, in a row."""
    staying: Mapping[str, str] = field(default_factory=dict)
    """VM jobs that nobody has sent away, and their queues."""
    missing: Mapping[str, Missing] = field(default_factory=dict)
    """VM jobs that have left the queue all the same (factory/missing.py)."""
    ended: frozenset[str] = frozenset()
    """VMs of which the last audit saw that their instances have ended."""
    alive: frozenset[str] = frozenset()
    """VMs without a VM job whose instances it saw alive; what becomes of them says nothing of their shape."""
    health: Mapping[str, Health] = field(default_factory=dict)
    """What became of the machines that each queue bought."""
    fit: FitMemory = field(default_factory=FitMemory)
    """What is remembered of the jobs that wait, and of machines that came in vain."""


def track(
    memory: Memory, machines: Collection[str], vm_jobs: Collection[str], now: float, masters: Collection[str] = ()
) -> Memory:
    """The memory after a poll that showed startds and masters of these VMs, and these VM jobs.

    VMs without a job are forgotten.
    """
    vms = {}
    for uuid in vm_jobs:
        seen = memory.vms.get(uuid)
        if uuid in machines:
            vms[uuid] = Seen(joined=seen.joined if seen else now)
        elif seen is not None:
            vms[uuid] = seen if seen.gone is not None else replace(seen, gone=now)
    sent = {uuid: when for uuid, when in memory.sent.items() if uuid in vm_jobs}
    absent = {uuid: memory.absent.get(uuid, now) for uuid in vm_jobs if uuid not in machines and uuid not in masters}
    alone = {uuid: memory.alone.get(uuid, now) for uuid in vm_jobs if uuid not in machines and uuid in masters}
    unseen = {uuid: memory.unseen.get(uuid, now) for uuid in vm_jobs if uuid not in vms}
    attempts = {uuid: known for uuid, known in memory.attempts.items() if uuid in vm_jobs}
    refused = {uuid: times for uuid, times in memory.refused.items() if uuid in vm_jobs}
    return replace(
        memory, vms=vms, sent=sent, absent=absent, alone=alone, unseen=unseen, attempts=attempts, refused=refused
    )


def remember_refused(memory: Memory, done: Mapping[str, bool]) -> Memory:
    """The memory after these VMs were to be removed. ``done``: whether that was carried out, by VM."""
    refused = {uuid: times for uuid, times in memory.refused.items() if not done.get(uuid)}
    refused |= {uuid: refused.get(uuid, 0) + 1 for uuid, was in done.items() if not was}
    return replace(memory, refused=refused)


def remember_sent(memory: Memory, told: Mapping[str, str], now: float) -> Memory:
    """The memory after commands went to these VMs. ``told``: the kind of command, by VM."""
    attempts = dict(memory.attempts)
    for uuid, what in told.items():
        before = memory.attempts.get(uuid)
        attempts[uuid] = Attempts(what, before.times + 1 if before is not None and before.what == what else 1)
    return replace(memory, sent={**memory.sent, **dict.fromkeys(told, now)}, attempts=attempts)


def patience_s(memory: Memory, uuid: str, first_s: float) -> float:
    """How long to wait for the effect of the last command to a VM: ``first_s``, doubled for each one in vain."""
    known = memory.attempts.get(uuid)
    doubled = first_s * 2.0 ** min(0 if known is None else known.times - 1, 20)
    return max(first_s, min(doubled, LONGEST_PATIENCE_S))
