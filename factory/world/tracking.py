"""What is remembered from poll to poll: since when each thing is so. Pure.

The memory of the process may delay an action and never causes one (rule 1): a factory that starts anew
knows less, and so does less, until it has seen for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from factory.model.memory import Attempts, Memory, Seen


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
