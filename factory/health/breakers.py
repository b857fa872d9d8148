"""Whether a shape is worth another try: breakers that open on failures, wait, and close after a probe. Pure.

A hold that the cloud answered with opens the breaker at once; machines that came and were no use open it when there
were three among the last five. While it is open nothing of the shape is bought. Then one machine is, the probe: what
becomes of it closes the breaker, or opens it for twice as long. All this delays purchases and causes none (rule 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from factory.health import canary
from factory.health.hold_reasons import HoldKind
from factory.model.job_status import JobStatus
from factory.model.memory import Breaker, Health
from factory.model.shape import Shape
from factory.model.vm import IN_POOL, RUNNING, STARTING, TERMINATED, VM, VMState

ALL = "*"
"""In place of a shape: the whole queue."""

FAULTY = "faulty machines"
"""What is wrong when machines did not join, or were lost."""
UNUSED = "machines without a job"
"""What is wrong when machines joined and no job came, though jobs waited."""

WAITS_S: Mapping[str, tuple[float, float]] = {
    HoldKind.THROTTLING.value: (60, 600),
    HoldKind.ENDPOINT.value: (60, 600),
    HoldKind.CAPACITY.value: (300, 3600),
    HoldKind.QUOTA.value: (600, 3600),
    HoldKind.AUTHENTICATION.value: (3600, 3600),
    HoldKind.BAD_REQUEST.value: (3600, 3600),
    HoldKind.LOCAL.value: (60, 3600),
    HoldKind.LOST.value: (300, 3600),
    HoldKind.UNKNOWN.value: (300, 3600),
    FAULTY: (300, 3600),
    UNUSED: (300, 3600),
}
"""By what is wrong: the first wait, and the longest; it doubles from one to the other."""

_WIDE = {HoldKind.THROTTLING.value, HoldKind.ENDPOINT.value, HoldKind.AUTHENTICATION.value, HoldKind.LOCAL.value}
"""These concern whatever the queue buys."""

_COUNTED = {FAULTY, UNUSED, HoldKind.LOST.value}
"""One of these may be chance."""

_RING, _STRIKES = 5, 3
_FORGET_S = 3 * 3600
"""A breaker that nobody has tried again for so long after its wait is forgotten."""


@dataclass(frozen=True, slots=True)
class LaunchFailure:
    """A launch that came to nothing. Times are epoch seconds."""

    vm: VM
    what: str
    """A key of ``WAITS_S``."""
    text: str
    """What was said of it, for people."""
    at: float


def update_breakers(
    health: Health,
    vms: Iterable[VM],
    faults: Iterable[LaunchFailure],
    now: float,
    ended: Collection[str] = (),
    missing: Collection[str] = (),
    alive: Collection[str] = (),
) -> Health:
    """The health after these faults, and what these VMs, which are all of the queue, show.

    A machine that joined was of use until a fault says otherwise. One that was booting and has gone speaks against its
    shape once an audit has seen that its instance ended (``ended``); until an audit has looked (``missing``) it may as
    well be one that HTCondor gave up. One that lived on (``alive``) is ended by us.
    """
    vms = tuple(vms)
    there = {vm.uuid for vm in vms}
    gone = {uuid: vm for uuid, vm in health.booting.items() if uuid not in there and uuid not in alive}
    off = [vm for uuid, vm in gone.items() if uuid in ended and (vm.instance is not None or uuid in missing)]
    off += [vm for vm in vms if vm.uuid in health.booting and _powered_off(vm, now)]
    left = "its instance ended by itself before it joined the pool"
    faults = [*faults, *(LaunchFailure(vm, FAULTY, left, now) for vm in off)]
    faults.sort(key=lambda fault: (fault.at, fault.vm.uuid))
    counted = {uuid: useful for uuid, useful in health.counted.items() if uuid in there}
    breakers, launches = dict(health.breakers), dict(health.launches)
    for fault in faults:
        if counted.get(fault.vm.uuid) is False:
            continue
        counted[fault.vm.uuid] = False
        shape = fault.vm.shape
        if fault.what in _COUNTED:
            launches[shape] = (*launches.get(shape, ()), False)[-_RING:]
            if launches[shape].count(False) < _STRIKES and shape not in breakers:
                continue
        key = ALL if fault.what in _WIDE else shape
        breakers[key] = _opened(breakers.get(key), fault)
    bad = {fault.vm.uuid for fault in faults}
    for vm in vms:
        if vm.uuid in bad or vm.state is VMState.HELD or vm.instance is None:
            continue
        for key in (ALL, vm.shape):
            if key in breakers and _cured(breakers[key], vm):
                del breakers[key]
                launches.pop(vm.shape, None)
        if vm.state in IN_POOL and vm.uuid not in counted:
            counted[vm.uuid] = True
            launches[vm.shape] = (*launches.get(vm.shape, ()), True)[-_RING:]
    breakers = {key: breaker for key, breaker in breakers.items() if now < breaker.until + _FORGET_S}
    proven = health.proven | canary.proven_builds(vms)
    booting = {vm.uuid: vm for vm in vms if _boots(vm, health.booting) and counted.get(vm.uuid) is None}
    booting |= {uuid: vm for uuid, vm in gone.items() if uuid in missing and uuid not in ended}
    return Health(breakers, launches, counted, booting, proven)


def _boots(vm: VM, before: Collection[str]) -> bool:
    """Whether it has yet to join; also one that HTCondor has just given up."""
    if vm.state is VMState.DONE:
        return vm.uuid in before and vm.job_status == JobStatus.COMPLETED
    return vm.state in STARTING and not vm.asked_to_retire


def _powered_off(vm: VM, now: float) -> bool:
    """Whether its instance has ended, by the cloud's word, and nobody wanted that."""
    said = (vm.grid_status or "").lower() in TERMINATED
    over = vm.lease_end is not None and vm.lease_end <= now
    return vm.state is VMState.DONE and vm.job_status == JobStatus.COMPLETED and said and not over


def _opened(before: Breaker | None, fault: LaunchFailure) -> Breaker:
    if before is not None and fault.vm.submitted <= before.opened:
        return before  # of the same burst: it was under way when the first one failed
    times = before.times + 1 if before is not None and before.what == fault.what else 1
    first, longest = WAITS_S[fault.what]
    wait = min(longest, first * 2.0 ** min(times - 1, 20))
    return Breaker(fault.what, fault.text, fault.at, fault.at + wait, times)


def _cured(breaker: Breaker, vm: VM) -> bool:
    """Whether this VM shows that what was wrong no longer is."""
    proof = RUNNING if breaker.what == UNUSED else IN_POOL
    return vm.submitted > breaker.opened and (breaker.what not in _COUNTED or vm.state in proof)


def purchase_limit(health: Health, shape: str, vms: Iterable[VM], now: float) -> tuple[int | None, str]:
    """How many of a shape may be bought (None: no limit), and why so few."""
    vms = tuple(vms)
    answer: tuple[int | None, str] = (None, "")
    for key in (ALL, shape):
        breaker = health.breakers.get(key)
        if breaker is None:
            continue
        why = f"{breaker.what}: {breaker.text}"
        if now < breaker.until:
            return 0, f"{why}; tried again in {breaker.until - now:.0f} s"
        if any(_is_probe(vm, key, breaker) for vm in vms):
            return 0, f"{why}; one machine is under way to see whether that has passed"
        answer = 1, f"{why}; one machine to see whether that has passed"
    return answer


def filter_shapes(
    health: Health, shapes: Iterable[Shape], vms: Iterable[VM], now: float
) -> tuple[tuple[Shape, ...], list[str]]:
    """Of these shapes, one for each machine to buy, those that may be bought; and notes on the others."""
    shapes, vms = tuple(shapes), tuple(vms)
    room = {shape: purchase_limit(health, str(shape), vms, now) for shape in dict.fromkeys(shapes)}
    probes = 1 if ALL in health.breakers else len(shapes)
    taken: Counter[Shape] = Counter()
    kept: list[Shape] = []
    for shape in shapes:
        limit, _ = room[shape]
        if limit is None or (taken[shape] < limit and len(kept) < probes):
            taken[shape] += 1
            kept.append(shape)
    notes = [
        f"{taken[shape]} of {shapes.count(shape)} {shape} bought. {why}"
        for shape, (_, why) in room.items()
        if taken[shape] < shapes.count(shape)
    ]
    return tuple(kept), notes


def blocked_shapes(health: Health, shapes: Iterable[str], vms: Iterable[VM], now: float) -> frozenset[str]:
    """Those of these shapes of which nothing may be bought."""
    vms = tuple(vms)
    return frozenset(shape for shape in shapes if purchase_limit(health, shape, vms, now)[0] == 0)


def _is_probe(vm: VM, key: str, breaker: Breaker) -> bool:
    under_way = vm.state in STARTING
    waits = breaker.what == UNUSED and vm.state is VMState.JOINED and vm.stuck is None
    return (under_way or waits) and vm.submitted > breaker.opened and key in {ALL, vm.shape}


def reset_breakers(health: Health, at: float) -> Health:
    """Without the breakers that opened before ``at``; what was counted is not counted again."""
    breakers = {key: breaker for key, breaker in health.breakers.items() if breaker.opened > at}
    launches = {
        shape: good for shape, good in health.launches.items() if shape not in health.breakers.keys() - breakers
    }
    return replace(health, breakers=breakers, launches=launches)


def apply_resets(health: Mapping[str, Health], resets: Mapping[str, float], now: float) -> dict[str, Health]:
    """The health of queues after what somebody reset, by queue and when (``*``: all).

    One that is yet to come is from before the clock was set back, and was heeded then.
    """
    resets = {queue: at for queue, at in resets.items() if at <= now}
    return {
        queue: reset_breakers(known, max(resets.get(queue, 0), resets.get(ALL, 0))) if known.breakers else known
        for queue, known in health.items()
    }
