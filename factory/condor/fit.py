"""Source: what waits, where there is room, and who matches whom, in one poll of collector and schedds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factory.condor.daemons import PoolAddress, ScheddAddress
from factory.condor.groups import autoclusters, evaluate_ask, idle_jobs
from factory.condor.limits import Asking, limits_of
from factory.condor.machinead import template_ad
from factory.condor.match import job_references, match_all
from factory.condor.slots import Slots, open_slots
from factory.fit.model import Demand, Room, Template
from factory.source import Source

_BUSY = 0.95
"""A schedd at this part of a limit starts no more jobs worth buying for (GlideinWMS has the same law)."""


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
    """Idle jobs of some schedds and the machines of the pool they run in.

    Slots are read before the jobs are counted, so that skew buys too little rather than too much. A schedd that
    does not answer fails the whole reading: its jobs may be in the room that seems free.
    """

    pool: PoolAddress
    schedds: tuple[ScheddAddress, ...] = (ScheddAddress(),)
    selection: str | None = None
    """ClassAd expression over the job ad; none: all jobs."""
    templates: tuple[Template, ...] = ()

    @property
    def key(self) -> str:
        return f"demand for {self.selection or 'all jobs'} in {', '.join(map(str, self.schedds))}, {self.pool}"

    @property
    def address(self) -> str:
        return f"{', '.join(map(str, self.schedds))} and {self.pool}"

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
        schedds = self._schedd_ads()
        late_made = any(ad.get("JobsUnmaterialized", 0) for ad in schedds)
        while True:
            clusters = {schedd: autoclusters(schedd.open()) for schedd in self.schedds}
            if needs.least is None:
                needs = needs.grown(ad for ads in clusters.values() for ad in ads.values())
            slots = Slots() if needs.least is None else open_slots(self.pool, needs.references, needs.least)
            now = time.time()
            idle = [
                idle_jobs(schedd, self.selection, clusters[schedd], now, late_made=late_made) for schedd in self.schedds
            ]
            grown = needs.grown(ad for each in idle for ad in each.ads.values())
            if grown == needs:
                break
            needs = grown
        jobs = {key: ad for each in idle for key, ad in each.ads.items()}
        asking = Asking(self.pool, jobs.values())
        _needs[self.key] = _Needs().grown(jobs.values())
        excluded, others = Counter[str](), Counter[int]()
        for each in idle:
            excluded.update(each.excluded)
            others.update(each.others)
        real = {t.key: (dict(t.attributes).get("APFFactory", "").strip('"'), t.key) for t in self.templates}
        templates = {
            t.key: template_ad(t.room, dict(t.attributes), slots.real.get(real[t.key])) for t in self.templates
        }
        groups = tuple(group for each in idle for group in each.groups)
        return Demand(
            groups=groups,
            machines=slots.machines,
            on_kinds=match_all(jobs, slots.kinds),
            on_shapes=match_all(jobs, templates, {key for key in templates if real[key] not in slots.shown}),
            excluded=dict(excluded),
            saturated=saturated(schedds),
            others=dict(others),
            limits=limits_of(groups, jobs, asking.answer()),
        )

    def _schedd_ads(self) -> list[Mapping[str, Any]]:
        import htcondor2

        collector = self.pool.open()
        names = [schedd.name or htcondor2.param.get("SCHEDD_NAME") for schedd in self.schedds]
        projection = ["Name", "ShadowsRunning", "TotalRunningJobs", "MaxJobsRunning", "CurbMatchmaking",
                      "TransferQueueMaxUploading", "TransferQueueNumUploading", "TransferQueueNumWaitingToUpload",
                      "JobsUnmaterialized"]  # fmt: skip
        ads: list[Mapping[str, Any]] = collector.query(htcondor2.AdType.Schedd, projection=projection)
        if any(names):
            wanted = {name.split("@")[0] for name in names if name}
            ads = [ad for ad in ads if str(ad.get("Name", "")).split("@")[0] in wanted]
        return ads


def saturated(ads: Iterable[Mapping[str, Any]]) -> str | None:
    """Why a schedd could not start more jobs, from its own ad; None if every one could.

    MAX_JOBS_RUNNING counts shadows. TotalRunningJobs has the grid jobs too, and so our own VM jobs.
    """
    for ad in ads:
        name = ad.get("Name", "schedd")
        running, limit = ad.get("ShadowsRunning", ad.get("TotalRunningJobs", 0)), ad.get("MaxJobsRunning", 0)
        if limit and running >= _BUSY * limit:
            return f"{name} runs {running} of MAX_JOBS_RUNNING = {limit} jobs"
        if ad.get("CurbMatchmaking") is True:
            return f"{name} asks for no more matches (CurbMatchmaking)"
        waiting, uploads = ad.get("TransferQueueNumWaitingToUpload", 0), ad.get("TransferQueueMaxUploading", 0)
        if uploads and waiting > uploads:
            return f"{name} has {waiting} transfers waiting for {uploads} places in its queue"
    return None
