"""A look at everything that the books need: clouds first, so that no VM job is missed that already has its instance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from factory.audit.inventory import Inventory, build_inventory
from factory.audit.key_pairs import key_pair_jobs, key_pair_owner
from factory.condor.connect import schedd_name
from factory.condor.schedd import orphan_checks as reap
from factory.config.installed_plugins import installed
from factory.config.queues import Config, Queue
from factory.model.address import ScheddAddress
from factory.model.cloud import Account, CloudRows, KeyPairMaker, KeyPairOwner, StampedJob
from factory.model.pool import PoolRows
from factory.model.status import Unknown
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.observe.observer import fetch_all
from factory.plugin import Source
from factory.plugin.base import own_schedd
from factory.plugin.cloud import CloudPlugin
from factory.process.workers import CallFailed, Workers

T = TypeVar("T")

_AT_ONCE = 100
"""Jobs that are looked for in the history by one call."""


@dataclass(frozen=True)
class AccountCloud:
    """An account, and what knows how to ask there."""

    plugin: CloudPlugin
    account: Account
    source: Source
    queues: frozenset[str]


@dataclass(frozen=True)
class Snapshot:
    """What was seen."""

    inventory: Inventory = field(default_factory=lambda: Inventory(()))
    unknown: tuple[str, ...] = ()
    """Sources that did not answer, and why."""
    notes: tuple[str, ...] = ()
    """What could not be asked besides, and why; no machine is judged by it."""
    pool: bool = True
    """Schedd and collector answered."""
    lacking: bool = False
    """One of them did not, and may do so later."""
    schedd: str = ""
    """Full name of our schedd."""
    collector_up_s: float = 0
    asked: float = 0
    """Epoch at which the collector was asked."""
    jobs: tuple[VMJobRow, ...] = ()
    clouds: Mapping[str, AccountCloud] = field(default_factory=dict)
    instances: Mapping[str, str] = field(default_factory=dict)
    """Instance → key in ``clouds``."""
    key_pairs: Mapping[str, str] = field(default_factory=dict)
    """Key pair → key in ``clouds``."""
    makers: Mapping[str, KeyPairMaker | None] = field(default_factory=dict)
    """What the history said, by key pair of a job that has left the queue; None: it does not know the job."""
    answered: frozenset[str] = frozenset()


def clouds_by_account(config: Config) -> dict[str, AccountCloud]:
    """The accounts of all queues, also of those that do not run, by the key of their source.

    Raises:
        PluginError: a cloud plugin is missing or broken.
    """
    found: dict[str, AccountCloud] = {}
    for queue in (*config.queues, *config.disabled_queues):
        account = queue.batchsubmit.account()
        if account is not None:
            made = _plugin(config, queue, account)
            source = made.instances(account)
            known = found.get(source.key)
            names = (known.queues if known is not None else frozenset()) | {queue.name}
            found[source.key] = AccountCloud(made, account, source, names)
    return found


def _plugin(config: Config, queue: Queue, account: Account) -> CloudPlugin:
    plugin = installed().get("cloud", account.plugin)
    made = plugin(queue.settings, plugin.Settings(), config.factory)
    assert isinstance(made, CloudPlugin)
    return made


def take_snapshot(
    config: Config, workers: Workers, makers: Mapping[str, KeyPairMaker | None] = MappingProxyType({})
) -> Snapshot:
    """Ask the clouds, then the collector, then the schedd. ``makers``: of an earlier look; the history stays as it is.

    Raises:
        PluginError: a cloud plugin is missing or broken.
    """
    accounts = clouds_by_account(config)
    in_clouds = fetch_all(workers, {key: cloud.source for key, cloud in accounts.items()})
    asked = time.time()
    rest = fetch_all(workers, _sources(config, {name for cloud in accounts.values() for name in cloud.queues}))
    unknown = tuple(f"{key}: {v.reason}" for key, v in (in_clouds | rest).items() if isinstance(v, Unknown))
    answered = {key: rows for key, rows in in_clouds.items() if isinstance(rows, CloudRows)}
    schedds = [rows for rows in rest.values() if isinstance(rows, VMJobRows)]
    pools = [rows for rows in rest.values() if isinstance(rows, PoolRows)]
    if not accounts:
        return Snapshot(unknown=unknown)
    if not (schedds and pools):
        lacking = any(isinstance(rows, Unknown) for rows in rest.values())
        return Snapshot(unknown=unknown, pool=False, lacking=lacking, clouds=accounts)
    ours = _OurSchedd(config, workers)
    try:
        schedd = ours.name()
    except CallFailed as error:
        unknown = (*unknown, f"name of {ours.address}: {error}")
        return Snapshot(unknown=unknown, pool=False, lacking=True, clouds=accounts)
    jobs = tuple(job for rows in schedds for job in rows.jobs)
    instances = {each.id: each for rows in answered.values() for each in rows.instances}
    key_pairs = {key: rows.key_pairs for key, rows in answered.items() if not isinstance(rows.key_pairs, Unknown)}
    made_for = key_pair_jobs({name for each in key_pairs.values() for name in each}, schedd)
    theirs, makers, not_told = ours.whose(made_for, makers)
    known = frozenset(name for key in answered for name in accounts[key].queues)
    return Snapshot(
        inventory=build_inventory(jobs, _one(pools), instances.values(), theirs, known),
        unknown=unknown + not_told,
        notes=tuple(rows.key_pairs.reason for rows in answered.values() if isinstance(rows.key_pairs, Unknown)),
        collector_up_s=min((each.collector_up_s for each in pools), default=0),
        schedd=schedd,
        asked=asked,
        jobs=jobs,
        clouds=accounts,
        instances={each.id: key for key, rows in answered.items() for each in rows.instances},
        key_pairs={name: key for key, each in key_pairs.items() for name in each},
        makers=makers,
        answered=frozenset(answered),
    )


@dataclass(frozen=True)
class _OurSchedd:
    """What only the schedd of the VM jobs knows."""

    config: Config
    workers: Workers

    @property
    def address(self) -> ScheddAddress:
        return own_schedd(self.config.factory)

    def name(self) -> str:
        return self._call(str(self.address), schedd_name, self.address)

    def whose(
        self, jobs: Mapping[str, StampedJob], known: Mapping[str, KeyPairMaker | None]
    ) -> tuple[dict[str, KeyPairOwner], dict[str, KeyPairMaker | None], tuple[str, ...]]:
        """Whose the key pairs of these jobs are, what the history said of them, and what could not be asked."""
        if not jobs:
            return {}, {}, ()
        me = KeyPairMaker(self.config.factory.id, self.config.factory.owner)
        try:
            queued = self._call(str(self.address), reap.queued_grid_jobs, self.address)
        except CallFailed as error:
            return {}, dict(known), (f"jobs of key pairs in {self.address}: {error}",)
        makers = {name: known[name] for name in jobs if name in known}
        left = [name for name, job in jobs.items() if job not in queued and name not in makers]
        history = f"history of {self.address}"
        for start in range(0, len(left), _AT_ONCE):
            some = {name: jobs[name] for name in left[start : start + _AT_ONCE]}
            try:
                found = self._call(history, reap.key_pair_owners, self.address, tuple(some.values()))
            except CallFailed as error:
                return (
                    key_pair_owner(jobs, queued, makers, me),
                    makers,
                    (f"jobs of key pairs in the {history}: {error}",),
                )
            makers |= {name: found.get(job) for name, job in some.items()}
        return key_pair_owner(jobs, queued, makers, me), makers, ()

    def _call(self, address: str, function: Callable[..., T], *args: object) -> T:
        return self.workers.call(address, self.config.factory.deadline, function, *args)


def _sources(config: Config, queues: Iterable[str]) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for name in queues:
        queue = config.queue(name)
        if queue is not None:
            found |= {source.key: source for source in queue.batchstatus.sources()}
    return found


def _one(pools: Iterable[PoolRows]) -> PoolRows:
    pools = tuple(pools)
    return PoolRows(
        min((each.collector_up_s for each in pools), default=0),
        {vm: row for each in pools for vm, row in each.machines.items()},
        {vm: row for each in pools for vm, row in each.masters.items()},
        {vm: ids for each in pools for vm, ids in each.instances.items()},
    )
