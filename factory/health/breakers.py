"""Circuit breakers that stop purchases of a shape after failed launches. Pure.

    breaker   event                                                          breaker then
    closed    the cloud refused a launch: its VM job is held                 open
    closed    3 of the last 5 VMs of the shape were faulty or never claimed  open
    open      the wait is over                                               one VM may be bought, the probe
    probing   the probe failed                                               open, for twice as long
    probing   its instance exists; after faulty VMs: its startd joined;      closed
              after unclaimed VMs: a job claimed it
    any       no probe was bought within 3 h after the wait                  closed

A breaker delays purchases and never causes one (rule 1).
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
"""Stands in place of a shape for the whole queue."""

FAULTY = "faulty VMs"
"""Fault of VMs that did not join, or were lost."""
UNUSED = "unclaimed VMs"
"""Fault of VMs that joined and were never claimed, although jobs waited."""

WAITS_S: Mapping[str, tuple[float, float]] = {
    HoldKind.THROTTLING.value: (60, 600),
    HoldKind.ENDPOINT.value: (60, 600),
    HoldKind.CAPACITY.value: (300, 3600),
    HoldKind.QUOTA.value: (600, 3600),
    HoldKind.AUTHENTICATION.value: (3600, 3600),
    HoldKind.BAD_REQUEST.value: (3600, 3600),
    HoldKind.PARAMETER.value: (3600, 3600),
    HoldKind.LOCAL.value: (60, 3600),
    HoldKind.LOST.value: (300, 3600),
    HoldKind.UNKNOWN.value: (300, 3600),
    FAULTY: (300, 3600),
    UNUSED: (300, 3600),
}
"""Fault → first and longest wait in seconds; the wait doubles from one to the other."""

_QUEUE_WIDE = {
    kind.value
    for kind in (
        HoldKind.THROTTLING,
        HoldKind.ENDPOINT,
        HoldKind.AUTHENTICATION,
        HoldKind.PARAMETER,
        HoldKind.LOCAL,
    )
}
"""Faults that affect all shapes of the queue."""

_MAY_BE_CHANCE = {FAULTY, UNUSED, HoldKind.LOST.value}
"""Faults that open a breaker only when ``_MAX_BAD`` of the last ``_LAST`` VMs had one."""

_POWERED_OFF = "instance ended by itself before it joined the pool"
_LAST, _MAX_BAD = 5, 3
_FORGET_S = 3 * 3600
"""A breaker is forgotten if no probe was bought for this long after its wait."""


@dataclass(frozen=True, slots=True)
class LaunchFailure:
    """A launch that gave no useful VM."""

    vm: VM
    what: str
    """The fault, a key of ``WAITS_S``."""
    text: str
    """Details for people."""
    at: float
    """Epoch of the failure."""


def update_breakers(
    health: Health,
    vms: Iterable[VM],
    faults: Iterable[LaunchFailure],
    now: float,
    ended: Collection[str] = (),
    missing: Collection[str] = (),
    alive: Collection[str] = (),
) -> Health:
    """Return the health after these failures and the success that these VMs show.

    A VM that joined counts as useful until a failure says otherwise. A booting VM that has left the queue counts as
    faulty once an audit sees that its instance ended.

    Args:
        health: The health before.
        vms: All VMs of the queue.
        faults: Failures of these VMs; each VM counts once.
        now: Epoch of this round.
        ended: VMs whose instances have ended, by the last audit.
        missing: VMs whose jobs left the queue unexpectedly and that no audit has checked: HTCondor may have lost them.
        alive: VMs whose instances outlived their jobs, by the last audit; these are ended by us and are no failures.
    """
    vms = tuple(vms)
    uuids = {vm.uuid for vm in vms}
    gone = {uuid: vm for uuid, vm in health.booting.items() if uuid not in uuids and uuid not in alive}
    powered_off = [vm for uuid, vm in gone.items() if uuid in ended and (vm.instance is not None or uuid in missing)]
    powered_off += _powered_off(vms, health.booting, now)
    outcomes = _Outcomes(health, uuids)
    outcomes.add(vms, [*faults, *(LaunchFailure(vm, FAULTY, _POWERED_OFF, now) for vm in powered_off)])
    booting = {uuid: vm for uuid, vm in gone.items() if uuid in missing and uuid not in ended}
    booting |= _booting(vms, health.booting, outcomes.counted)
    proven = health.proven | canary.proven_builds(vms)
    return Health(outcomes.open_breakers(now), outcomes.launches, outcomes.counted, booting, proven)


class _Outcomes:
    """Breakers and counted launches of a queue, while the outcomes of one round are added."""

    def __init__(self, health: Health, vms: Collection[str]) -> None:
        self.breakers = dict(health.breakers)
        self.launches = dict(health.launches)
        self.counted = {uuid: useful for uuid, useful in health.counted.items() if uuid in vms}

    def add(self, vms: Iterable[VM], faults: Iterable[LaunchFailure]) -> None:
        """Add failures in order of time, then the success of all other VMs."""
        for fault in sorted(faults, key=lambda fault: (fault.at, fault.vm.uuid)):
            self._add_failure(fault)
        failed = {fault.vm.uuid for fault in faults}
        for vm in vms:
            if vm.uuid not in failed and vm.state is not VMState.HELD and vm.instance is not None:
                self._add_success(vm)

    def open_breakers(self, now: float) -> dict[str, Breaker]:
        """Return the breakers without those that are forgotten."""
        return {key: breaker for key, breaker in self.breakers.items() if now < breaker.until + _FORGET_S}

    def _add_failure(self, fault: LaunchFailure) -> None:
        if self.counted.get(fault.vm.uuid) is False:
            return
        self.counted[fault.vm.uuid] = False
        shape = fault.vm.shape
        if fault.what in _MAY_BE_CHANCE:
            self.launches[shape] = (*self.launches.get(shape, ()), False)[-_LAST:]
            if self.launches[shape].count(False) < _MAX_BAD and shape not in self.breakers:
                return
        key = ALL if fault.what in _QUEUE_WIDE else shape
        self.breakers[key] = _opened(self.breakers.get(key), fault)

    def _add_success(self, vm: VM) -> None:
        for key in (ALL, vm.shape):
            if key in self.breakers and _closes(self.breakers[key], vm):
                del self.breakers[key]
                self.launches.pop(vm.shape, None)
        if vm.state in IN_POOL and vm.uuid not in self.counted:
            self.counted[vm.uuid] = True
            self.launches[vm.shape] = (*self.launches.get(vm.shape, ()), True)[-_LAST:]


def _booting(vms: Iterable[VM], before: Collection[str], counted: Collection[str]) -> dict[str, VM]:
    """Return VMs that have yet to join, and those booting ``before`` whose jobs HTCondor has just completed."""
    return {
        vm.uuid: vm
        for vm in vms
        if vm.uuid not in counted
        and ((vm.state in STARTING and not vm.asked_to_retire) or (vm.uuid in before and _completed(vm)))
    }


def _powered_off(vms: Iterable[VM], before: Collection[str], now: float) -> list[VM]:
    """Return VMs booting ``before`` whose instances ended although no one ended them and no lease has expired."""
    completed = [vm for vm in vms if vm.uuid in before and _completed(vm)]
    ended = [vm for vm in completed if (vm.grid_status or "").lower() in TERMINATED]
    return [vm for vm in ended if vm.lease_end is None or vm.lease_end > now]


def _completed(vm: VM) -> bool:
    return vm.state is VMState.DONE and vm.job_status == JobStatus.COMPLETED


def _opened(before: Breaker | None, fault: LaunchFailure) -> Breaker:
    if before is not None and fault.vm.submitted <= before.opened:
        return before  # of the same burst: it was submitted before the first one failed
    times = before.times + 1 if before is not None and before.what == fault.what else 1
    first, longest = WAITS_S[fault.what]
    wait = min(longest, first * 2.0 ** min(times - 1, 20))
    return Breaker(fault.what, fault.text, fault.at, fault.at + wait, times)


def _closes(breaker: Breaker, vm: VM) -> bool:
    """True if this VM shows that the fault is over."""
    proof = RUNNING if breaker.what == UNUSED else IN_POOL
    return vm.submitted > breaker.opened and (breaker.what not in _MAY_BE_CHANCE or vm.state in proof)


def purchase_limit(health: Health, shape: str, vms: Iterable[VM], now: float) -> tuple[int | None, str]:
    """Return the number of VMs of a shape that may be bought (None: no limit), and the reason for the limit."""
    vms = tuple(vms)
    answer: tuple[int | None, str] = (None, "")
    for key in (ALL, shape):
        breaker = health.breakers.get(key)
        if breaker is None:
            continue
        why = f"{breaker.what}: {breaker.text}"
        if now < breaker.until:
            return 0, f"{why}; next try in {breaker.until - now:.0f} s"
        if any(_is_probe(vm, key, breaker) for vm in vms):
            return 0, f"{why}; waiting for the result of one VM as a probe"
        answer = 1, f"{why}; one VM as a probe"
    return answer


def filter_shapes(
    health: Health, shapes: Iterable[Shape], vms: Iterable[VM], now: float
) -> tuple[tuple[Shape, ...], list[str]]:
    """Return those of the shapes, one for each VM to buy, that breakers let through; and notes on the others."""
    shapes, vms = tuple(shapes), tuple(vms)
    limits = {shape: purchase_limit(health, str(shape), vms, now) for shape in dict.fromkeys(shapes)}
    probes = 1 if ALL in health.breakers else len(shapes)
    taken: Counter[Shape] = Counter()
    kept: list[Shape] = []
    for shape in shapes:
        limit, _ = limits[shape]
        if limit is None or (taken[shape] < limit and len(kept) < probes):
            taken[shape] += 1
            kept.append(shape)
    notes = [
        f"{taken[shape]} of {shapes.count(shape)} bought of {shape}: {why}"
        for shape, (_, why) in limits.items()
        if taken[shape] < shapes.count(shape)
    ]
    return tuple(kept), notes


def blocked_shapes(health: Health, shapes: Iterable[str], vms: Iterable[VM], now: float) -> frozenset[str]:
    """Return the shapes that breakers do not let through at all."""
    vms = tuple(vms)
    return frozenset(shape for shape in shapes if purchase_limit(health, shape, vms, now)[0] == 0)


def _is_probe(vm: VM, key: str, breaker: Breaker) -> bool:
    """True if this VM was bought after the breaker opened and its result is not known yet."""
    starting = vm.state in STARTING
    unclaimed = breaker.what == UNUSED and vm.state is VMState.JOINED and vm.stuck is None
    return (starting or unclaimed) and vm.submitted > breaker.opened and key in {ALL, vm.shape}


def reset_breakers(health: Health, at: float) -> Health:
    """Return the health without breakers that opened before ``at``; VMs that were counted are not counted again."""
    breakers = {key: breaker for key, breaker in health.breakers.items() if breaker.opened > at}
    launches = {
        shape: outcomes for shape, outcomes in health.launches.items() if shape not in health.breakers.keys() - breakers
    }
    return replace(health, breakers=breakers, launches=launches)


def apply_resets(health: Mapping[str, Health], resets: Mapping[str, float], now: float) -> dict[str, Health]:
    """Return the health of queues after resets by a person.

    ``resets`` holds the epoch of the last reset by queue (``*``: all queues). A reset in the future was made before the
    clock was set back, and was applied then.
    """
    resets = {queue: at for queue, at in resets.items() if at <= now}
    return {
        queue: reset_breakers(known, max(resets.get(queue, 0), resets.get(ALL, 0))) if known.breakers else known
        for queue, known in health.items()
    }
