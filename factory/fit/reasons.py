"""Reasons of the Fit plugin: jobs that wait, machines to buy, and jobs that get none. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from factory.fit.share import FitResult, Share
from factory.model.demand import JobGroup, Offer, Room
from factory.model.vm import counted

_SHOWN = 4
"""Reasons of one kind that are spelled out; the jobs of all others are counted."""
_SINGULAR = {"are": "is", "exceed": "exceeds", "fit": "fits", "match": "matches", "request": "requests"}
"""Verbs with which a reason may begin, and their form for one job."""
_CURE = {"disk": "set disk, and block_device_mapping if the image has less"}
"""Resource → advice for jobs that request more of it than any shape has; ``_LARGER`` for all other resources."""
_LARGER = "add a larger type to instance_type"


def purchase_reason(share: Share, result: FitResult) -> str:
    """Return how many jobs wait, how many of them have room, and what is bought for the others."""
    head = _waiting(result.waiting, result.waiting - sum(result.left.values()))
    if share.closed is not None:
        return f"{head}; buys nothing: {share.closed}"
    shapes: Counter[str] = Counter()
    for offer, n in result.purchase.numbers:
        shapes[offer.shape.instance_type] += n
    if not shapes:
        return head
    machines = ", ".join(f"{n} × {shape}" for shape, n in sorted(shapes.items()))
    if result.probing:
        return f"{head}; buy {machines} to probe {counted(len(result.probing), 'job group')}"
    served = sum(result.purchase.covers(len(result.purchase.order)).values())
    return f"{head}; buy {machines} for {counted(served, 'job')}"


def _waiting(jobs: int, with_room: int) -> str:
    if jobs == 0:
        return "no jobs are waiting for a machine"
    if jobs == 1:
        return f"1 job is waiting; it fits {'a' if with_room else 'no'} machine that is up or starting"
    head = f"{jobs} jobs are waiting"
    if with_room <= 1:
        return f"{head}; {'1' if with_room else 'none'} fits a machine that is up or starting"
    return f"{head}; {'all' if with_room == jobs else with_room} fit machines that are up or starting"


def unserved_reasons(share: Share, result: FitResult) -> Iterator[str]:
    """Yield the jobs for which nothing is bought, counted by reason."""
    groups = {group.key: group for group in share.demand.groups}
    reasons: dict[str, int] = defaultdict(int)
    for key, jobs in result.purchase.unserved.items():
        reasons[_mismatch(groups[key], share)] += jobs
    yield from _by_count(reasons)
    unsure = (groups[key] for key in result.maybe)
    yield from _by_count(_by_reason((group, "may fit, which only a running machine can show") for group in unsure))
    broken = ((group, f"are left out: {group.problem}") for group in groups.values() if group.problem)
    yield from _by_count(_by_reason(broken))
    yield from _by_count(_over_limits(result))
    stuck: dict[str, int] = defaultdict(int)
    for key, why in share.stuck.items():
        if key in groups and (jobs := result.admitted.of(groups[key])):
            stuck[f"are stuck: {why}{_reject_reason(groups[key])}"] += jobs
    yield from _by_count(stuck)
    yield from _by_count({f"are left out: {why}": jobs for why, jobs in share.demand.excluded.items()})
    yield from _by_count(_growing_limits(groups, share))
    unmaterialised = sum(group.unmaterialised for group in groups.values())
    if unmaterialised:
        yield from _by_count({"are not materialised yet": unmaterialised})


def _growing_limits(groups: Mapping[str, JobGroup], share: Share) -> dict[str, int]:
    """Return the number of jobs under each limit that is used up and grows with the pool."""
    return {
        f"are under the {limit.name}, which grows with the pool": jobs
        for limit in share.demand.limits
        if limit.grows and (jobs := sum(groups[key].count for key in limit.weights if key in groups))
    }


def _over_limits(result: FitResult) -> dict[str, int]:
    """Return the number of jobs that each limit of the pool keeps from starting."""
    reasons: dict[str, int] = defaultdict(int)
    for key, jobs in result.admitted.beyond.items():
        reasons[f"exceed the {result.admitted.why[key]}"] += jobs
    return reasons


def _mismatch(group: JobGroup, share: Share) -> str:
    """Return the reason why no shape of the queue serves a group."""
    if not share.offers:
        return "fit no shape: the queue offers none"
    for name, ask, rooms in _dimensions(group.ask, share.offers):
        if ask > max(rooms):
            of = "" if name in ("core", "GPU") else f" of {name}"
            largest, cure = _amount(max(rooms), name), _CURE.get(name, _LARGER)
            return f"request {_amount(ask, name)}{of}, but the largest shape has {largest}; {cure}"
    whys = {share.supply.on_shape(group, str(offer.shape)).why for offer in share.offers} - {""}
    return f"match no shape: {min(whys)}" if whys else "request more than any one shape has"


def _dimensions(ask: Room, offers: Iterable[Offer]) -> Iterator[tuple[str, float, list[float]]]:
    rooms = [offer.room for offer in offers]
    yield "core", ask.cpus, [room.cpus for room in rooms]
    yield "memory", ask.memory_mb * 1024, [room.memory_mb * 1024 for room in rooms]
    yield "disk", ask.disk_kb, [room.disk_kb for room in rooms]
    yield "GPU", ask.gpus, [room.gpus for room in rooms]


def _amount(amount: float, name: str) -> str:
    """Return an amount with its unit; memory and disk are in KiB."""
    if name in ("core", "GPU"):
        return f"{amount:g} {name}{'' if amount == 1 else 's'}"
    megabytes = amount / 1024
    return f"{megabytes / 1024:.4g} GB" if megabytes >= 1024 else f"{megabytes:.4g} MB"


def _reject_reason(group: JobGroup) -> str:
    return f" ({group.reject_reason})" if group.reject_reason else ""


def _by_reason(pairs: Iterable[tuple[JobGroup, str]]) -> dict[str, int]:
    reasons: dict[str, int] = defaultdict(int)
    for group, why in pairs:
        reasons[why] += group.count
    return reasons


def _singular(why: str) -> str:
    """Return a reason with its verb in the form for one job."""
    verb, _, rest = why.partition(" ")
    return f"{_SINGULAR[verb]} {rest}" if verb in _SINGULAR else why


def _by_count(reasons: Mapping[str, int]) -> Iterator[str]:
    """Yield the reasons that hold for the most jobs, and the number of jobs that have other reasons."""
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    for why, jobs in ranked[:_SHOWN]:
        yield f"{counted(jobs, 'job')} {_singular(why) if jobs == 1 else why}"
    if len(ranked) > _SHOWN:
        yield f"{counted(sum(jobs for _, jobs in ranked[_SHOWN:]), 'job')} for other reasons"
