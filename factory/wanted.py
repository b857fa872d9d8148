"""What the queues want to be polled: the sources that their plugins name, merged; and whose plugins fail at that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from factory.config.settings import Queue
from factory.faults import FAULTS, fault
from factory.source import Source


@dataclass(frozen=True)
class Wanted:
    """Sources of all queues."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    """By key; those with equal keys have become one."""
    keys: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Of each queue."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Queues of which a plugin could not say what it reads, and why: their chains hold."""


def wanted(queues: Iterable[Queue]) -> Wanted:
    """What these queues want. A plugin that fails, or whose source does not fit the others, stops its queue only."""
    sources: dict[str, Source] = {}
    keys: dict[str, dict[str, None]] = {}
    faults: dict[str, str] = {}
    for queue in queues:
        of_queue = keys.setdefault(queue.name, {})
        for plugin in (queue.wmsstatus, queue.batchstatus, *queue.sched):
            if plugin is None:
                continue
            try:
                found = merged(plugin.sources(), sources)
            except FAULTS as error:
                faults.setdefault(queue.name, f"plugin {plugin.name} can't say what it reads: {fault(error)}")
            else:
                sources |= found
                of_queue |= dict.fromkeys(found)
    return Wanted(sources, keys, faults)


def merged(sources: Iterable[Source], known: Mapping[str, Source] = MappingProxyType({})) -> dict[str, Source]:
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
