"""One queue's share of a demand that several queues serve, and the purchase that follows from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from factory.fit.packing.purchase import Purchase, buy
from factory.fit.pool_limits import Admitted, apply_limits
from factory.fit.stuck_groups import STUCK_S
from factory.fit.supply import Supply
from factory.model.demand import Demand, JobGroup, Machine, Offer, Room
from factory.model.memory import Waiting
from factory.model.vm import STARTING


@dataclass(frozen=True, eq=False)
class Share:
    """The part of a demand that neither machines nor queues of higher priority cover."""

    supply: Supply
    offers: tuple[Offer, ...] = ()
    """Shapes that the queue may buy."""
    covered: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs for which queues of higher priority buy machines in this round."""
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    """Group key → memory of the group."""
    probes: tuple[str, ...] = ()
    """Groups for which queues of higher priority buy a probe in this round."""
    due_doubts: tuple[str, ...] = ()
    """Doubts of the queue for which a probe is due (factory/fit/doubts.py)."""
    closed: str | None = None
    """Reason why this queue buys nothing: a queue of higher priority is blocked. None: it may buy."""

    @property
    def demand(self) -> Demand:
        """The demand that the queues share."""
        return self.supply.demand

    @cached_property
    def stuck(self) -> dict[str, str]:
        """Group key → why its jobs do not start although they have room."""
        return {key: seen.stuck for key, seen in self.waiting.items() if seen.stuck is not None}


@dataclass(frozen=True)
class FitSettings:
    """Settings of the Fit plugin that decide which machines and jobs count."""

    minlife_s: float = 0
    """A machine that ends within this time does not count as room."""
    stuck_s: float = STUCK_S
    """A group is stuck after its jobs have left free room unused for this long."""
    unmaterialised: bool = False
    """True: buy also for jobs that the schedd has not materialised yet."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """The machines that a queue should buy, and those that its waiting jobs need."""

    purchase: Purchase
    waiting: int = 0
    """Jobs that could use a machine: within the limits of the pool and not stuck."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs without room, for which no queue of higher priority buys."""
    needed: frozenset[str] = frozenset()
    """APFVM of the machines that waiting jobs can use."""
    free: Mapping[str, Mapping[str, Room]] = field(default_factory=dict)
    """Group key → machines in the pool with room for it, and their free room."""
    ready: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs that have room on these machines."""
    coming: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs for which a machine is starting, or is bought by a queue of higher priority."""
    maybe: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs that may fit, which only a running machine can show."""
    probing: tuple[str, ...] = ()
    """Groups that the purchase probes."""
    doubts: frozenset[str] = frozenset()
    """Reasons, which only machines have shown, for which groups are not served."""
    doubted: str | None = None
    """The doubt that the purchase probes."""
    stuck: Mapping[str, str] = field(default_factory=dict)
    """Group key → why its jobs do not start although they have room."""
    admitted: Admitted = field(default_factory=Admitted)
    """Jobs that the limits of the pool let start."""
    stuck_s: float = STUCK_S


def plan_purchase(share: Share, settings: FitSettings) -> FitResult:
    """Place the waiting jobs on machines that are up or starting; buy for the rest, but not for stuck groups."""
    groups, admitted = _startable(share, settings)
    able = [group for group in groups if group.key not in share.stuck]
    machines = share.supply.machines(settings.minlife_s)
    result = replace(_place(share, able, machines), admitted=admitted, stuck_s=settings.stuck_s)
    if share.closed is not None or not share.offers:
        return result
    result = _buy(share, result, able)
    return result if result.purchase.order else _probe(share, result, groups, machines)


def _startable(share: Share, settings: FitSettings) -> tuple[list[JobGroup], Admitted]:
    """Return the groups with the number of jobs that the limits of the pool let start."""
    groups = [_with_unmaterialised(group, settings) for group in share.demand.groups if group.problem is None]
    admitted = apply_limits(groups, share.demand.limits)
    return [replace(group, count=n) for group in groups if (n := admitted.of(group)) > 0], admitted


def _place(share: Share, able: Sequence[JobGroup], machines: Sequence[Machine]) -> FitResult:
    """Place the jobs on machines; the result has nothing bought yet."""
    placed = share.supply.place(able, machines)
    left = {key: n - share.covered.get(key, 0) for key, n in placed.left.items() if n > share.covered.get(key, 0)}
    vm_of = {machine.name: machine.vm for machine in machines}
    in_pool = {machine.name: machine.free for machine in share.demand.machines}
    ready = {key: sum(n for name, n in on.items() if name in in_pool) for key, on in placed.placed.items()}
    return FitResult(
        Purchase(),
        waiting=sum(group.count for group in able),
        left=left,
        needed=frozenset(vm for name in placed.used if (vm := vm_of.get(name))),
        free={
            group.key: {name: in_pool[name] for name in placed.placed.get(group.key, ()) if name in in_pool}
            for group in share.demand.groups
        },
        ready=ready,
        coming={g.key: n for g in able if (n := g.count - left.get(g.key, 0) - ready.get(g.key, 0)) > 0},
        stuck=share.stuck,
    )


def _buy(share: Share, result: FitResult, able: Sequence[JobGroup]) -> FitResult:
    """Buy for the jobs that are left; those that only a running machine can tell of are counted apart."""
    supply = share.supply
    purchase = buy(
        able,
        result.left,
        share.offers,
        lambda g, shape: supply.on_shape(g, shape).ok,
        supply.vms_by_shape(),
        supply.ask_on_shape,
    )
    shapes = [str(offer.shape) for offer in share.offers]
    by_key = {group.key: group for group in able}
    maybe = {
        key: n
        for key, n in purchase.unserved.items()
        if any(supply.on_shape(by_key[key], shape).maybe for shape in shapes)
    }
    sure = {key: n for key, n in purchase.unserved.items() if key not in maybe}
    return replace(result, purchase=replace(purchase, unserved=sure), maybe=maybe)


def _with_unmaterialised(group: JobGroup, settings: FitSettings) -> JobGroup:
    return replace(group, count=group.count + group.unmaterialised) if settings.unmaterialised else group


def _probe(share: Share, result: FitResult, groups: Sequence[JobGroup], machines: Sequence[Machine]) -> FitResult:
    """Buy one machine to learn whether jobs run on it. Nothing else is bought in such a round.

    A probe is for jobs that may fit, if no queue surely serves them, no machine of the shape exists, and none that can
    show it is on its way. Otherwise it is for stuck jobs that have no room left. Each group gets one probe an hour; a
    stuck group gets one at once when the negotiator gives a new reason for rejecting it. Last come jobs that run
    nowhere for a reason that only machines have shown.
    """
    supply, now = share.supply, share.supply.now
    have = supply.vms_by_shape()

    def due(group: JobGroup) -> bool:
        seen = share.waiting.get(group.key)
        return group.key not in share.probes and (seen is None or now >= seen.probe_from)

    unready = supply.unready
    trials = {vm.shape for _, vm in supply.vms if vm.state in STARTING or vm.uuid in unready}

    def tried(group: JobGroup) -> bool:
        """Return True if a machine is on its way that will show whether the jobs run on it."""
        return any(supply.on_shape(group, shape).maybe for shape in trials)

    def unproven(group: JobGroup, shape: str) -> bool:
        return supply.on_shape(group, shape).maybe and not have.get(shape)

    def served(group: JobGroup, shape: str) -> bool:
        return supply.on_shape(group, shape).ok

    unsure = [g for g in groups if g.key in result.maybe and not supply.demand.surely_served(g.key)]
    maybe = [g for g in unsure if due(g) and not tried(g)]
    stuck = [g for g in groups if g.key in share.stuck and due(g)]
    room = supply.place(stuck, machines).left if stuck else {}
    stuck = [group for group in stuck if room[group.key] == group.count]
    for candidates, fits in ((maybe, unproven), (stuck, served)):
        one = buy(candidates, {group.key: 1 for group in candidates}, share.offers, fits, have, supply.ask_on_shape)
        if one.order:
            shape = str(one.offers[0].shape)
            return _with_probe(result, one, [group for group in candidates if fits(group, shape)])
    return _doubt(share, result, groups)


def _with_probe(result: FitResult, purchase: Purchase, groups: Iterable[JobGroup]) -> FitResult:
    """Return the result with the first machine of a purchase, as a probe for these groups."""
    first = replace(purchase, offers=purchase.offers[:1], order=purchase.order[:1], unserved=result.purchase.unserved)
    return replace(result, purchase=first, probing=tuple(group.key for group in groups))


def _doubt(share: Share, result: FitResult, groups: Sequence[JobGroup]) -> FitResult:
    """Buy one machine to learn whether a reason still holds that only machines have shown."""
    supply = share.supply
    have = supply.vms_by_shape()
    unserved = [
        group
        for group in groups
        if (group.key in result.purchase.unserved or group.key in result.maybe)
        and group.key not in share.probes
        and not supply.demand.surely_served(group.key)
    ]
    found: dict[str, tuple[Offer, list[JobGroup]]] = {}
    for offer in share.offers:
        shape = str(offer.shape)
        for group in unserved:
            match = supply.on_shape(group, shape)
            if match.learned or (match.maybe and have.get(shape)):  # the machines that exist do not match
                found.setdefault(f"{supply.queue} {shape}: {match.why}", (offer, []))[1].append(group)
    result = replace(result, doubts=frozenset(found))
    for name in share.due_doubts:
        if name in found:
            offer, able = found[name]
            counts = {group.key: 1 for group in able}
            one = buy(able, counts, [offer], lambda _group, _shape: True, have, supply.ask_on_shape)
            if one.order:
                return replace(_with_probe(result, one, able), doubted=name)
    return result
