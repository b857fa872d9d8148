"""What the queues want to be polled: the sources that their plugins name, merged; and whose plugins fail at that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from factory.condor.schedd.evictable_jobs import EvictableSource
from factory.config.queues import Queue
from factory.model.source import Source
from factory.plugin.base import own_schedd
from factory.process.faults import FAULTS, fault


@dataclass(frozen=True)
class SourcePlan:
    """Sources of all queues."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    """By key; those with equal keys have become one."""
    keys: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Of each queue."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Queues of which a plugin could not say what it reads, and why: their chains are blocked."""


def plan_sources(queues: Iterable[Queue]) -> SourcePlan:
    """What these queues want. A plugin that fails, or whose source does not fit the others, stops its queue only."""
    queues = tuple(queues)
    sources: dict[str, Source] = {}
    keys: dict[str, dict[str, None]] = {}
    faults: dict[str, str] = {}
    for queue in queues:
        of_queue = keys.setdefault(queue.name, {})
        for plugin in (queue.wmsstatus, queue.batchstatus, *queue.sched):
            if plugin is None:
                continue
            try:
                found = merge_sources(plugin.sources(), sources)
            except FAULTS as error:
                faults.setdefault(queue.name, f"plugin {plugin.name} can't say what it reads: {fault(error)}")
            else:
                sources |= found
                of_queue |= dict.fromkeys(found)
    others = _elsewhere(queues)
    sources |= others
    for queue in queues if others else ():
        if _has_machines(queue):
            keys[queue.name] |= dict.fromkeys(others)
    return SourcePlan(sources, keys, faults)


def _elsewhere(queues: Iterable[Queue]) -> dict[str, Source]:
    """Which VMs to spare for the jobs of other schedds than the factory's own; their own queues name those (rule 5)."""
    found: dict[str, Source] = {}
    for queue in queues:
        factory = queue.batchsubmit.factory
        try:
            jobs = None if queue.wmsstatus is None else queue.wmsstatus.jobs()
        except FAULTS:
            continue  # who asks it for its sources says so
        own = own_schedd(factory)
        for schedd in () if jobs is None else jobs[0]:
            if schedd != own:
                source = EvictableSource(schedd=schedd, deadline_s=factory.deadline, maxage_s=factory.maxage)
                found[source.key] = source
    return found


def _has_machines(queue: Queue) -> bool:
    try:
        return queue.batchsubmit.machines() is not None
    except FAULTS:
        return False


def merge_sources(sources: Iterable[Source], known: Mapping[str, Source] = MappingProxyType({})) -> dict[str, Source]:
    """These sources by key; those with equal keys are united, also with the one that is known.

    Raises:
        TypeError: one is no source, or becomes another when it is merged.
    """
    found: dict[str, Source] = {}
    for source in sources:
        key = _key(source)
        other = found.get(key) or known.get(key)
        united = source if other is None or other is source else other.merge(source)
        if _key(united) != key:
            raise TypeError(f"merging {key} made {_key(united)} of it")
        found[key] = united
    return found


def _key(source: object) -> str:
    if not isinstance(source, Source):
        raise TypeError(f"{type(source).__name__} is no Source")
    if not isinstance(source.key, str) or not isinstance(source.address, str):
        raise TypeError(f"key and address of {type(source).__name__} must be text")
    return source.key
