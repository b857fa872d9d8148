"""Plan the sources to poll: those that the queues' plugins name, merged."""

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
    """Sources of a set of queues."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    """Sources by key; equal keys are merged."""
    keys: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Keys of the sources of each queue."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """By queue: why one of its plugins could not name its sources. The queue's chain is blocked."""


def plan_sources(queues: Iterable[Queue]) -> SourcePlan:
    """Return the sources of these queues. A failing plugin, or a source that can't be merged, blocks its queue only."""
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
                merged = merge_sources(plugin.sources(), sources)
            except FAULTS as error:
                faults.setdefault(queue.name, f"plugin {plugin.name} failed to name its sources: {fault(error)}")
            else:
                sources |= merged
                of_queue |= dict.fromkeys(merged)
    others = _evictable_sources(queues)
    sources |= others
    for queue in queues if others else ():
        if _has_machines(queue):
            keys[queue.name] |= dict.fromkeys(others)
    return SourcePlan(sources, keys, faults)


def _evictable_sources(queues: Iterable[Queue]) -> dict[str, Source]:
    """Return sources of evictable jobs in schedds other than the factory's, so that their VMs retire last (rule 5)."""
    sources: dict[str, Source] = {}
    for queue in queues:
        factory = queue.batchsubmit.factory
        try:
            jobs = None if queue.wmsstatus is None else queue.wmsstatus.jobs()
        except FAULTS:
            continue  # plan_sources reports the fault
        own = own_schedd(factory)
        for schedd in () if jobs is None else jobs[0]:
            if schedd != own:
                source = EvictableSource(schedd=schedd, deadline_s=factory.deadline, maxage_s=factory.maxage)
                sources[source.key] = source
    return sources


def _has_machines(queue: Queue) -> bool:
    try:
        return queue.batchsubmit.machines() is not None
    except FAULTS:
        return False


def merge_sources(sources: Iterable[Source], known: Mapping[str, Source] = MappingProxyType({})) -> dict[str, Source]:
    """Return these sources by key, merged with each other and with a known one of the same key.

    Raises:
        TypeError: an object is not a source, or its ``merge`` returns another key.
    """
    by_key: dict[str, Source] = {}
    for source in sources:
        key = _key(source)
        other = by_key.get(key) or known.get(key)
        merged = source if other is None or other is source else other.merge(source)
        if _key(merged) != key:
            raise TypeError(f"merge() of source {key} returned a source with another key, {_key(merged)}")
        by_key[key] = merged
    return by_key


def _key(source: object) -> str:
    if not isinstance(source, Source):
        raise TypeError(f"{type(source).__name__} is not a Source")
    if not isinstance(source.key, str) or not isinstance(source.address, str):
        raise TypeError(f"key and address of {type(source).__name__} must be strings")
    return source.key
