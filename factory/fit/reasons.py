"""Why so many machines and not one more, for people. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from factory.fit.share import FitResult, Share
from factory.model.demand import JobGroup, Offer, Room

_MANY = 4
"""Reasons of one sort that are told; the rest are counted."""
_ONE = {"are": "is", "ask": "asks"}


def buying_words(share: Share, verdict: FitResult) -> str:
    """What waits, what is covered, what is bought."""
    waiting, left = verdict.waiting, sum(verdict.left.values())
    head = f"{waiting} {'job waits' if waiting == 1 else 'jobs wait'}, {waiting - left} of them have room or will"
    if share.closed is not None:
        return f"{head}; nothing is left for this queue: {share.closed}"
    shapes: Counter[str] = Counter()
    for offer, n in verdict.purchase.numbers:
        shapes[offer.shape.instance_type] += n
    if not shapes:
        return head
    bought = ", ".join(f"{n} × {shape}" for shape, n in sorted(shapes.items()))
    if verdict.probing:
        return f"{head}; {bought} as a probe for {len(verdict.probing)} kinds of jobs"
    served = sum(verdict.purchase.covers(len(verdict.purchase.order)).values())
    return f"{head}; {bought} for {served}"


def other_words(share: Share, verdict: FitResult) -> Iterator[str]:
    """Jobs for which nothing is bought, and why."""
    groups = {group.key: group for group in share.demand.groups}
    reasons: dict[str, int] = defaultdict(int)
    for key, jobs in verdict.purchase.unserved.items():
        reasons[why_unserved(groups[key], share)] += jobs
    yield from _counted(reasons)
    yield from _counted(
        _by_reason((groups[key], "only a running machine can tell whether they fit") for key in verdict.maybe)
    )
    yield from _counted(_by_reason((group, group.problem) for group in groups.values() if group.problem))
    yield from _counted(_beyond(verdict))
    stuck: dict[str, int] = defaultdict(int)
    for key, why in share.stuck.items():
        if key in groups and (jobs := verdict.admitted.of(groups[key])):
            stuck[f"are stuck: {why}{_said(groups[key])}"] += jobs
    yield from _counted(stuck)
    yield from _counted(share.demand.excluded)
    hidden = sum(group.unmaterialised for group in groups.values())
    if hidden:
        yield f"{hidden} jobs are not materialised yet"


def _beyond(verdict: FitResult) -> dict[str, int]:
    """Jobs that a limit of the pool keeps waiting, by limit."""
    reasons: dict[str, int] = defaultdict(int)
    for key, jobs in verdict.admitted.beyond.items():
        reasons[f"are beyond the {verdict.admitted.why[key]}"] += jobs
    return reasons


def why_unserved(group: JobGroup, share: Share) -> str:
    """Why no shape of the queue serves a group."""
    if not share.offers:
        return "the queue offers no machines"
    for name, unit, ask, rooms in _dimensions(group.ask, share.offers):
        if ask > max(rooms):
            return f"ask for {_amount(ask, unit)}{name}, largest shape has {_amount(max(rooms), unit)}"
    whys = {share.supply.on_shape(group, str(offer.shape)).why for offer in share.offers} - {""}
    return min(whys, default="ask for more than any one shape has")


def _dimensions(ask: Room, offers: Iterable[Offer]) -> Iterator[tuple[str, str, float, list[float]]]:
    rooms = [offer.room for offer in offers]
    yield " cores", "", ask.cpus, [room.cpus for room in rooms]
    yield "", "MiB", ask.memory_mb, [room.memory_mb for room in rooms]
    yield " of disk", "KiB", ask.disk_kb, [room.disk_kb for room in rooms]
    yield " GPUs", "", ask.gpus, [room.gpus for room in rooms]


def _amount(amount: float, unit: str) -> str:
    if not unit:
        return f"{amount:g}"
    megabytes = amount / 1024 if unit == "KiB" else amount
    return f"{megabytes / 1024:.4g} GB" if megabytes >= 1024 else f"{megabytes:.4g} MB"


def _said(group: JobGroup) -> str:
    return f" ({group.reject_reason})" if group.reject_reason else ""


def _by_reason(pairs: Iterable[tuple[JobGroup, str | None]]) -> dict[str, int]:
    reasons: dict[str, int] = defaultdict(int)
    for group, why in pairs:
        reasons[why or ""] += group.count
    return reasons


def _of_one(why: str) -> str:
    """What is said of jobs, said of one."""
    verb, _, rest = why.partition(" ")
    return f"{_ONE[verb]} {rest}" if verb in _ONE else why


def _counted(reasons: Mapping[str, int]) -> Iterator[str]:
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    for why, jobs in ranked[:_MANY]:
        yield f"{jobs} jobs {why}" if jobs != 1 else f"1 job {_of_one(why)}"
    if len(ranked) > _MANY:
        yield f"{sum(jobs for _, jobs in ranked[_MANY:])} jobs for other reasons"
