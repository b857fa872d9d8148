"""Source: idle jobs of a schedd, free slots of the pool and their matches, in one poll of both daemons."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import islice
from typing import Any

from factory.condor.classad.guard import MOST_PROBLEMS, why_refused
from factory.condor.classad.match import NewMachine, match_all, match_all_new
from factory.condor.classad.references import job_references, machine_references
from factory.condor.classad.requests import JobRequest
from factory.condor.classad.template_ad import template_ad
from factory.condor.classad.unready import job_names, may_open
from factory.condor.collector.partial_slots import match_partial_slots
from factory.condor.collector.proofs import Proofs
from factory.condor.collector.slot_queries import query_slots
from factory.condor.collector.slots import SlotNeeds, Slots, mark_unready
from factory.condor.connect import open_schedd
from factory.condor.negotiator import PATIENCE_S, NegotiatorQuery, find_limits
from factory.condor.schedd.idle_jobs import ScheddQueue
from factory.condor.schedd.job_groups import IdleJobs, checked_request, with_requests
from factory.condor.schedd.selections import Selection
from factory.condor.schedd.start_limits import schedd_ad, schedd_limit
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import LEAST, Demand, JobGroup, Room, Template
from factory.model.matches import Matches
from factory.model.memory import Memory
from factory.model.model_facts import ModelFacts, ShownAttributes, learn
from factory.model.source import Source
from factory.model.status import Unknown

_NOTHING = Room(math.inf, math.inf)
"""The request to start from when there is no job: any job asks for less."""


@dataclass(frozen=True)
class _Needs:
    """The slots and attributes that a poll must read for its jobs."""

    slots: SlotNeeds = field(default_factory=SlotNeeds)
    least: Room = _NOTHING
    """The smallest request of each resource."""

    @classmethod
    def of(cls, requests: Sequence[JobRequest | JobGroup], ads: Iterable[Any]) -> _Needs:
        """Return the needs of jobs with these requests and ads. A request that is not known yet may be small."""
        rooms = [each.ask if not (each.problem or each.refers) else each.ask.within(LEAST) for each in requests]
        named = (name for room in rooms if room.custom for name, _ in room.custom)
        custom = frozenset(named).union(*(each.custom for each in requests if each.custom))
        references = frozenset(job_references(ads)).union(*{each.refers for each in requests})
        return cls(SlotNeeds(references, custom), reduce(Room.within, rooms, _NOTHING))

    def __or__(self, other: _Needs) -> _Needs:
        return _Needs(self.slots | other.slots, self.least.within(other.least))

    def query(self, pool: PoolAddress, factory_id: str) -> Slots:
        """Return the slots that these jobs could use; none if there is no job."""
        return Slots() if self.least == _NOTHING else query_slots(pool, factory_id, self.slots, self.least)


_needs: dict[str, _Needs] = {}
"""By source: the needs of the last poll; kept in the worker."""


@dataclass(frozen=True)
class DemandQuery:
    """Jobs and shapes that a queue asks about."""

    selection: Selection = None
    """The queue's jobs."""
    templates: tuple[Template, ...] = ()
    """The machines that the queue may buy."""


@dataclass(frozen=True)
class SelectionDemand:
    """Job groups of one selection, their matches with shapes, and the numbers of its other jobs."""

    groups: tuple[JobGroup, ...]
    on_shapes: Matches
    excluded: Mapping[str, int]
    others: Mapping[int, int]


@dataclass(frozen=True)
class JobDemandRows:
    """Result of one poll: machines and limits for all selections, and jobs for each."""

    pool: Demand
    by_selection: Mapping[Selection, SelectionDemand | Unknown]
    problems: tuple[str, ...] = ()
    """Jobs and slots that can't be read and are left out."""

    def demand(self, selection: Selection) -> Demand | Unknown:
        """Return the demand that the queues of a selection see."""
        own = self.by_selection.get(selection, Unknown("this selection of jobs is not polled yet"))
        if isinstance(own, Unknown):
            return own
        return replace(self.pool, groups=own.groups, on_shapes=own.on_shapes, excluded=own.excluded, others=own.others)


@dataclass(frozen=True, kw_only=True)
class JobDemandSource(Source):
    """Idle jobs of a schedd and the slots of its pool, matched with each other.

    Slots are read before jobs are counted, so that skew buys too little rather than too much (rule 3). Each schedd has
    its own source and worker, so that a hung one delays no other (rule 12).
    """

    pool: PoolAddress
    schedd: ScheddAddress = ScheddAddress()
    queries: frozenset[DemandQuery] = frozenset({DemandQuery()})
    factory_id: str = ""
    facts: Mapping[str, ModelFacts] = field(default_factory=dict, compare=False)
    """Model → what its machines have shown until now."""

    @property
    def key(self) -> str:
        return f"demand in {self.schedd}, {self.pool}"

    @property
    def address(self) -> str:
        return f"{self.schedd} and {self.pool}"

    def knowing(self, memory: Memory) -> JobDemandSource:
        """Return the source with the facts on the models of its machines."""
        models = {template.model for query in self.queries for template in query.templates}
        return replace(self, facts={model: facts for model, facts in memory.fit.facts.items() if model in models})

    def merge(self, other: JobDemandSource) -> JobDemandSource:
        """Return one source for the queues of both."""
        return replace(super().merge(other), queries=self.queries | other.queries)

    def fetch(self) -> JobDemandRows:
        """Query autoclusters, slots and exact counts, then match.

        Slots are queried with the needs of the last poll; slots and counts again if jobs ask for less or refer to more
        attributes. Jobs that wait to be materialised are noticed when the schedd updates its ad.
        """
        needs = _needs.get(self.key, _Needs())
        ad, queue = schedd_ad(self.schedd), ScheddQueue(open_schedd(self.schedd), str(self.schedd))
        offered = self._offered()
        machines = {key: self._machine(template) for of in offered.values() for key, template in of.items()}
        ads = [machine.ad for machine in machines.values()]
        while True:
            clusters = queue.autoclusters()
            if needs.least == _NOTHING:
                sound = [ad for ad in clusters.values() if why_refused(ad) is None]
                needs |= _Needs.of([checked_request(ad)[1] for ad in sound], sound)
            slots = needs.query(self.pool, self.factory_id)
            _, asked = machine_references([*slots.kinds.values(), *ads], needs.slots.references)
            late_made = bool(ad.get("JobsUnmaterialized", 0))
            selected = queue.idle_jobs(offered, clusters, asked, time.time(), late_made=late_made)
            idle = {selection: jobs for selection, jobs in selected.items() if isinstance(jobs, IdleJobs)}
            jobs = {key: job for of in idle.values() for key, job in of.ads.items()}
            current = _Needs.of([group for of in idle.values() for group in of.groups], jobs.values())
            if needs | current == needs:
                break
            needs |= current
        negotiator = NegotiatorQuery(self.pool, jobs.values())
        _needs[self.key] = current
        on_whole = match_all(jobs, slots.kinds)
        proofs = Proofs(self.pool, self.factory_id, needs.slots, slots, on_whole, self.facts)
        by_selection: dict[Selection, SelectionDemand | Unknown] = {
            selection: jobs for selection, jobs in selected.items() if isinstance(jobs, Unknown)
        }
        groups: list[JobGroup] = []
        for selection, of in idle.items():
            models = {key: template.model for key, template in offered[selection].items()}
            matches = match_all_new(of.ads, {key: machines[key] for key in models})
            on_shapes = proofs.apply(of.ads, matches, models)
            with_asks = with_requests(of.groups, on_shapes, on_whole)
            by_selection[selection] = SelectionDemand(with_asks, on_shapes, of.excluded, of.others)
            groups += with_asks
        free, on_kinds = match_partial_slots(slots, groups, jobs, on_whole)
        unready = _unready_kinds(slots, jobs, on_whole)
        full = schedd_limit(ad, groups)
        of_negotiator = find_limits(groups, jobs, negotiator.answer(min(PATIENCE_S, self.deadline_s / 10)))
        limits = (*of_negotiator, *([full] if full else []))
        return JobDemandRows(
            Demand(
                machines=mark_unready(free, unready),
                on_kinds=on_kinds,
                limits=limits,
                shown=tuple(self._news([*slots.shown(unready), *proofs.full.shown(unready)])),
                proven=proofs.new,
            ),
            by_selection,
            tuple(dict.fromkeys([*queue.problems, *_of_jobs(groups), *slots.problems, *proofs.full.problems])),
        )

    def _offered(self) -> dict[Selection, dict[str, Template]]:
        """Return the machines that queues may buy, by selection and key of the template."""
        offered: dict[Selection, dict[str, Template]] = {}
        for query in self.queries:
            offered.setdefault(query.selection, {}).update({template.key: template for template in query.templates})
        return {selection: dict(sorted(templates.items())) for selection, templates in offered.items()}

    def _machine(self, template: Template) -> NewMachine:
        room, attributes = template.room, dict(template.attributes)
        declared, facts = template_ad(room, attributes), self.facts.get(template.model)
        if facts is None:
            return NewMachine(declared, declared)
        return NewMachine(template_ad(room, attributes, facts), declared, facts.absent)

    def _news(self, shown: Iterable[ShownAttributes]) -> Iterator[ShownAttributes]:
        """Yield what could change the facts on a model."""
        for each in shown:
            known = self.facts.get(each.model, ModelFacts())
            if learn(known, each, each.unclaimed.keys()) is not known:
                yield each


def _of_jobs(groups: Iterable[JobGroup]) -> list[str]:
    """Return the job groups with a problem in words."""
    found = (f"job {group.example} of {group.owner} is left out: {group.problem}" for group in groups if group.problem)
    return list(islice(found, MOST_PROBLEMS))


def _unready_kinds(slots: Slots, jobs: Mapping[str, Any], on_kinds: Matches) -> frozenset[str]:
    """Return the classes of VMs that match no job now, but may once they show what START waits for."""
    unmatched = [kind for kind in slots.idle_kinds if not any(on_kinds[key, kind].ok for key in jobs)]
    names = job_names(jobs.values()) if unmatched else frozenset[str]()
    return frozenset(kind for kind in unmatched if may_open(slots.kinds[kind], jobs.values(), names))
