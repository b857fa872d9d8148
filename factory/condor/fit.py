"""Source: what waits in a schedd, where there is room for it, and who matches whom, in one poll of both daemons."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from factory.condor.daemons import PoolAddress, ScheddAddress
from factory.condor.groups import autoclusters, evaluate_ask, idle_jobs
from factory.condor.left import with_what_is_left
from factory.condor.limits import Asking, limits_of
from factory.condor.machinead import template_ad
from factory.condor.match import job_references, machine_references, match_all
from factory.condor.saturation import saturation, schedd_ad
from factory.condor.slots import Model, Slots, open_slots
from factory.fit.model import Demand, Room, Template
from factory.source import Source


@dataclass(frozen=True)
class _Needs:
    """What must be known of slots."""

    references: frozenset[str] = frozenset()
    """Attributes of a machine that Requirements of jobs refer to, in lower case."""
    least: Room | None = None
    """No job asks for less; None: there is none."""

    def grown(self, ads: Iterable[Any]) -> _Needs:
        """With the jobs of these ads too."""
        ads = list(ads)
        asks = [ask for ask, problem in map(evaluate_ask, ads) if problem is None]
        asks += [] if self.least is None else [self.least]
        least = Room(min(ask.cpus for ask in asks), min(ask.memory_mb for ask in asks)) if asks else None
        return _Needs(self.references | job_references(ads), least)


_needs: dict[str, _Needs] = {}
"""By source: what the last poll found; kept in the worker."""


@dataclass(frozen=True, kw_only=True)
class FitSource(Source):
    """Idle jobs of a schedd and the machines of the pool they run in, as these jobs see them.

    Slots are read before the jobs are counted, so that skew buys too little rather than too much. Each schedd has a
    source and a worker of its own, so that one that hangs delays no other (rule 12).
    """

    pool: PoolAddress
    schedd: ScheddAddress = ScheddAddress()
    selection: str | None = None
    """ClassAd expression over the job ad; none: all jobs."""
    templates: tuple[Template, ...] = ()
    factory_id: str = ""

    @property
    def key(self) -> str:
        return f"demand for {self.selection or 'all jobs'} in {self.schedd}, {self.pool}"

    @property
    def address(self) -> str:
        return f"{self.schedd} and {self.pool}"

    def merge(self, other: FitSource) -> FitSource:
        """One poll for queues that read the same demand: the templates of both."""
        templates = {template.key: template for template in (*self.templates, *other.templates)}
        return replace(super().merge(other), templates=tuple(templates[key] for key in sorted(templates)))

    def fetch(self) -> Demand:
        """Autoclusters, then slots, then exact counts; then matchmaking.

        Slots are read with what the jobs of the last poll asked for; again, and the counts too, if some ask for
        less or refer to more. Whether jobs wait to be materialised is known as often as the schedd updates its ad.
        """
        needs = _needs.get(self.key, _Needs())
        schedd, ad = self.schedd.open(), schedd_ad(self.schedd)
        late_made = bool(ad.get("JobsUnmaterialized", 0))
        while True:
            clusters = autoclusters(schedd)
            if needs.least is None:
                needs = needs.grown(clusters.values())
            slots = (
                Slots()
                if needs.least is None
                else open_slots(self.pool, self.factory_id, needs.references, needs.least)
            )
            templates = self._templates(slots)
            _, asked = machine_references([*slots.kinds.values(), *templates.values()])
            idle = idle_jobs(
                schedd, str(self.schedd), self.selection, clusters, asked, time.time(), late_made=late_made
            )
            grown = needs.grown(idle.ads.values())
            if grown == needs:
                break
            needs = grown
        jobs = idle.ads
        asking = Asking(self.pool, jobs.values())
        _needs[self.key] = _Needs().grown(jobs.values())
        full = saturation(ad, idle.groups)
        unseen = {template.key for template in self.templates if _model(template) not in slots.shown}
        machines, on_kinds = with_what_is_left(slots, idle.groups, jobs, match_all(jobs, slots.kinds))
        return Demand(
            groups=idle.groups,
            machines=machines,
            on_kinds=on_kinds,
            on_shapes=match_all(jobs, templates, unseen),
            excluded=idle.excluded,
            others=idle.others,
            limits=limits_of(idle.groups, jobs, asking.answer()) + ((full,) if full else ()),
        )

    def _templates(self, slots: Slots) -> dict[str, Any]:
        """The machine of each template."""
        return {
            template.key: template_ad(template.room, dict(template.attributes), slots.real.get(_model(template)))
            for template in self.templates
        }


def _model(template: Template) -> Model:
    """What a machine of a template says of itself."""
    return dict(template.attributes).get("APFFactory", "").strip('"'), template.key, template.build
