"""Source: idle jobs of a schedd, free slots of the pool and their matches, in one poll of both daemons."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from factory.condor.classad.match import match_all
from factory.condor.classad.references import job_references, machine_references
from factory.condor.classad.template_ad import template_ad
from factory.condor.collector.partial_slots import match_partial_slots
from factory.condor.collector.slots import MachineModel, Slots, query_slots
from factory.condor.connect import open_schedd
from factory.condor.negotiator import PATIENCE_S, NegotiatorQuery, find_limits
from factory.condor.schedd.idle_jobs import ScheddQueue
from factory.condor.schedd.job_groups import IdleJobs, evaluate_request
from factory.condor.schedd.selections import Selection
from factory.condor.schedd.start_limits import schedd_ad, schedd_limit
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.demand import Demand, JobGroup, Room, Template
from factory.model.matches import Matches
from factory.model.source import Source
from factory.model.status import Unknown

_NOTHING = Room(math.inf, math.inf)
"""The request to start from when there is no job: any job asks for less."""


@dataclass(frozen=True)
class _Needs:
    """The slots and attributes that a poll must read for its jobs."""

    references: frozenset[str] = frozenset()
    """Machine attributes that Requirements of jobs refer to, in lower case."""
    least: Room = _NOTHING
    """The smallest request of each resource."""

    @classmethod
    def of(cls, asks: Iterable[Room], ads: Iterable[Any]) -> _Needs:
        """Return the needs of jobs with these requests and ads."""
        return cls(frozenset(job_references(ads)), reduce(Room.within, asks, _NOTHING))

    def __or__(self, other: _Needs) -> _Needs:
        return _Needs(self.references | other.references, self.least.within(other.least))

    def slots(self, pool: PoolAddress, factory_id: str) -> Slots:
        """Return the slots that these jobs could use; none if there is no job."""
        return Slots() if self.least == _NOTHING else query_slots(pool, factory_id, self.references, self.least)


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

    @property
    def key(self) -> str:
        return f"demand in {self.schedd}, {self.pool}"

    @property
    def address(self) -> str:
        return f"{self.schedd} and {self.pool}"

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
        while True:
            clusters = queue.autoclusters()
            if needs.least == _NOTHING:
                needs |= _Needs.of(_valid_requests(map(evaluate_request, clusters.values())), clusters.values())
            slots = needs.slots(self.pool, self.factory_id)
            machines = {key: _machine(template, slots) for of in offered.values() for key, template in of.items()}
            _, asked = machine_references([*slots.kinds.values(), *machines.values()], needs.references)
            late_made = bool(ad.get("JobsUnmaterialized", 0))
            selected = queue.idle_jobs(offered, clusters, asked, time.time(), late_made=late_made)
            idle = {selection: jobs for selection, jobs in selected.items() if isinstance(jobs, IdleJobs)}
            jobs = {key: job for of in idle.values() for key, job in of.ads.items()}
            groups = [group for of in idle.values() for group in of.groups]
            current = _Needs.of(_valid_requests((group.ask, group.problem) for group in groups), jobs.values())
            if needs | current == needs:
                break
            needs |= current
        negotiator = NegotiatorQuery(self.pool, jobs.values())
        _needs[self.key] = current
        free, on_kinds = match_partial_slots(slots, groups, jobs, match_all(jobs, slots.kinds))
        by_selection: dict[Selection, SelectionDemand | Unknown] = {
            selection: SelectionDemand(
                of.groups, _on_shapes(of, offered[selection], machines, slots), of.excluded, of.others
            )
            for selection, of in idle.items()
        }
        full = schedd_limit(ad, groups)
        of_negotiator = find_limits(groups, jobs, negotiator.answer(min(PATIENCE_S, self.deadline_s / 10)))
        limits = (*of_negotiator, *([full] if full else []))
        return JobDemandRows(
            Demand(machines=free, on_kinds=on_kinds, limits=limits),
            by_selection | {selection: jobs for selection, jobs in selected.items() if isinstance(jobs, Unknown)},
        )

    def _offered(self) -> dict[Selection, dict[str, Template]]:
        """Return the machines that queues may buy, by selection and key of the template."""
        offered: dict[Selection, dict[str, Template]] = {}
        for query in self.queries:
            offered.setdefault(query.selection, {}).update({template.key: template for template in query.templates})
        return {selection: dict(sorted(templates.items())) for selection, templates in offered.items()}


def _valid_requests(asks: Iterable[tuple[Room, str | None]]) -> list[Room]:
    return [ask for ask, problem in asks if problem is None]


def _machine(template: Template, slots: Slots) -> Any:
    return template_ad(template.room, dict(template.attributes), slots.examples.get(_model(template)))


def _on_shapes(idle: IdleJobs, offered: Mapping[str, Template], machines: Mapping[str, Any], slots: Slots) -> Matches:
    unseen = {key for key, template in offered.items() if _model(template) not in slots.in_pool}
    return match_all(idle.ads, {key: machines[key] for key in offered}, unseen)


def _model(template: Template) -> MachineModel:
    """Return the model that a machine of this template would show."""
    return dict(template.attributes).get("APFFactory", "").strip('"'), template.key, template.build
