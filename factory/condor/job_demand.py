"""Source: what waits in a schedd, where there is room for it, and who matches whom, in one poll of both daemons."""

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
"""What is asked for where there is no job."""


@dataclass(frozen=True)
class _Needs:
    """What must be known of slots."""

    references: frozenset[str] = frozenset()
    """Attributes of a machine that Requirements of jobs refer to, in lower case."""
    least: Room = _NOTHING
    """No job asks for less."""

    @classmethod
    def of(cls, asks: Iterable[Room], ads: Iterable[Any]) -> _Needs:
        """Those of jobs that ask for so much, and of jobs with these ads."""
        return cls(frozenset(job_references(ads)), reduce(Room.within, asks, _NOTHING))

    def __or__(self, other: _Needs) -> _Needs:
        return _Needs(self.references | other.references, self.least.within(other.least))

    def slots(self, pool: PoolAddress, factory_id: str) -> Slots:
        """Those that matter."""
        return Slots() if self.least == _NOTHING else query_slots(pool, factory_id, self.references, self.least)


_needs: dict[str, _Needs] = {}
"""By source: what the last poll found; kept in the worker."""


@dataclass(frozen=True)
class DemandQuery:
    """What a queue wants to know."""

    selection: Selection = None
    """Its jobs."""
    templates: tuple[Template, ...] = ()
    """The machines that it may buy."""


@dataclass(frozen=True)
class SelectionDemand:
    """What one selection found."""

    groups: tuple[JobGroup, ...]
    on_shapes: Matches
    excluded: Mapping[str, int]
    others: Mapping[int, int]


@dataclass(frozen=True)
class JobDemandRows:
    """What one poll found: for all selections the same machines and limits, for each its own jobs."""

    pool: Demand
    by_selection: Mapping[Selection, SelectionDemand | Unknown]

    def demand(self, selection: Selection) -> Demand | Unknown:
        """What the queues of a selection see."""
        work = self.by_selection.get(selection, Unknown("not read by this selection of jobs yet"))
        if isinstance(work, Unknown):
            return work
        return replace(
            self.pool, groups=work.groups, on_shapes=work.on_shapes, excluded=work.excluded, others=work.others
        )


@dataclass(frozen=True, kw_only=True)
class JobDemandSource(Source):
    """Idle jobs of a schedd and the machines of the pool they run in, as these jobs see them.

    Slots are read before the jobs are counted, so that skew buys too little rather than too much. Each schedd has a
    source and a worker of its own, so that one that hangs delays no other (rule 12).
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
        """One poll for all queues that read this schedd."""
        return replace(super().merge(other), queries=self.queries | other.queries)

    def fetch(self) -> JobDemandRows:
        """Autoclusters, then slots, then exact counts; then matchmaking.

        Slots are read with what the jobs of the last poll asked for; again, and the counts too, if some ask for
        less or refer to more. Whether jobs wait to be materialised is known as often as the schedd updates its ad.
        """
        needs = _needs.get(self.key, _Needs())
        ad, queue = schedd_ad(self.schedd), ScheddQueue(open_schedd(self.schedd), str(self.schedd))
        offered = self._offered()
        while True:
            clusters = queue.autoclusters()
            if needs.least == _NOTHING:
                needs |= _Needs.of(_can_be_asked(map(evaluate_request, clusters.values())), clusters.values())
            slots = needs.slots(self.pool, self.factory_id)
            machines = {key: _machine(template, slots) for of in offered.values() for key, template in of.items()}
            _, asked = machine_references([*slots.kinds.values(), *machines.values()], needs.references)
            late_made = bool(ad.get("JobsUnmaterialized", 0))
            found = queue.idle_jobs(offered, clusters, asked, time.time(), late_made=late_made)
            idle = {selection: jobs for selection, jobs in found.items() if isinstance(jobs, IdleJobs)}
            jobs = {key: job for of in idle.values() for key, job in of.ads.items()}
            groups = [group for of in idle.values() for group in of.groups]
            theirs = _Needs.of(_can_be_asked((group.ask, group.problem) for group in groups), jobs.values())
            if needs | theirs == needs:
                break
            needs |= theirs
        asking = NegotiatorQuery(self.pool, jobs.values())
        _needs[self.key] = theirs
        free, on_kinds = match_partial_slots(slots, groups, jobs, match_all(jobs, slots.kinds))
        work: dict[Selection, SelectionDemand | Unknown] = {
            selection: SelectionDemand(
                of.groups, _on_shapes(of, offered[selection], machines, slots), of.excluded, of.others
            )
            for selection, of in idle.items()
        }
        full = schedd_limit(ad, groups)
        negotiator = asking.answer(min(PATIENCE_S, self.deadline_s / 10))
        limits = (*find_limits(groups, jobs, negotiator), *([full] if full else []))
        return JobDemandRows(
            Demand(machines=free, on_kinds=on_kinds, limits=limits),
            work | {selection: jobs for selection, jobs in found.items() if isinstance(jobs, Unknown)},
        )

    def _offered(self) -> dict[Selection, dict[str, Template]]:
        """Selections and the machines that their queues may buy, by key of the template."""
        offered: dict[Selection, dict[str, Template]] = {}
        for want in self.queries:
            offered.setdefault(want.selection, {}).update({template.key: template for template in want.templates})
        return {selection: dict(sorted(templates.items())) for selection, templates in offered.items()}


def _can_be_asked(asks: Iterable[tuple[Room, str | None]]) -> list[Room]:
    return [ask for ask, problem in asks if problem is None]


def _machine(template: Template, slots: Slots) -> Any:
    return template_ad(template.room, dict(template.attributes), slots.examples.get(_model(template)))


def _on_shapes(idle: IdleJobs, offered: Mapping[str, Template], machines: Mapping[str, Any], slots: Slots) -> Matches:
    unseen = {key for key, template in offered.items() if _model(template) not in slots.in_pool}
    return match_all(idle.ads, {key: machines[key] for key in offered}, unseen)


def _model(template: Template) -> MachineModel:
    """What a machine of a template says of itself."""
    return dict(template.attributes).get("APFFactory", "").strip('"'), template.key, template.build
