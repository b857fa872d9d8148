"""Snapshot of clouds, collector and schedd. Clouds come first, so that the VM job of every listed instance is seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from factory.audit.inventory import Inventory, build_inventory
from factory.audit.key_pairs import key_pair_jobs, key_pair_owner
from factory.condor.connect import schedd_name
from factory.condor.schedd import orphan_checks
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

_HISTORY_JOBS = 100
"""Jobs looked up in the history by one call."""


@dataclass(frozen=True)
class AccountCloud:
    """A cloud account, and the plugin and source that ask it."""

    plugin: CloudPlugin
    account: Account
    source: Source
    queues: frozenset[str]


@dataclass(frozen=True)
class Snapshot:
    """Everything that one audit has read."""

    inventory: Inventory = field(default_factory=lambda: Inventory(()))
    unknown: tuple[str, ...] = ()
    """Sources that did not answer, each with the reason."""
    notes: tuple[str, ...] = ()
    """Other questions that failed, with the reason. No instance is judged by them."""
    pool_answered: bool = True
    """True if schedd and collector answered."""
    pool_failed: bool = False
    """True if schedd or collector failed to answer and may answer later."""
    schedd: str = ""
    """Full name of our schedd."""
    collector_up_s: float = 0
    """Seconds since the collector started."""
    asked: float = 0
    """Epoch at which the collector was asked."""
    jobs: tuple[VMJobRow, ...] = ()
    clouds: Mapping[str, AccountCloud] = field(default_factory=dict)
    instances: Mapping[str, str] = field(default_factory=dict)
    """Key in ``clouds``, by instance id."""
    key_pairs: Mapping[str, str] = field(default_factory=dict)
    """Key in ``clouds``, by name of key pair."""
    makers: Mapping[str, KeyPairMaker | None] = field(default_factory=dict)
    """Answers of the history, by key pair of a job that has left the queue; None: it does not know the job."""
    answered: frozenset[str] = frozenset()
    """Keys in ``clouds`` of the accounts that answered."""


def clouds_by_account(config: Config) -> dict[str, AccountCloud]:
    """Return the accounts of all queues, disabled ones too, by the key of their source.

    Raises:
        PluginError: a cloud plugin is missing or broken.
    """
    clouds: dict[str, AccountCloud] = {}
    for queue in (*config.queues, *config.disabled_queues):
        account = queue.batchsubmit.account()
        if account is not None:
            plugin = _plugin(config, queue, account)
            source = plugin.instances(account)
            known = clouds.get(source.key)
            names = (known.queues if known is not None else frozenset()) | {queue.name}
            clouds[source.key] = AccountCloud(plugin, account, source, names)
    return clouds


def _plugin(config: Config, queue: Queue, account: Account) -> CloudPlugin:
    kind = installed().get("cloud", account.plugin)
    plugin = kind(queue.settings, kind.Settings(), config.factory)
    assert isinstance(plugin, CloudPlugin)
    return plugin


def take_snapshot(
    config: Config, workers: Workers, makers: Mapping[str, KeyPairMaker | None] = MappingProxyType({})
) -> Snapshot:
    """Ask the clouds, then the collector, then the schedd.

    Args:
        makers: ``Snapshot.makers`` of an earlier snapshot, so that the history is asked once for each job.

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
        failed = any(isinstance(rows, Unknown) for rows in rest.values())
        return Snapshot(unknown=unknown, pool_answered=False, pool_failed=failed, clouds=accounts)
    our_schedd = _OurSchedd(config, workers)
    try:
        schedd = our_schedd.name()
    except CallFailed as error:
        unknown = (*unknown, f"name of {our_schedd.address}: {error}")
        return Snapshot(unknown=unknown, pool_answered=False, pool_failed=True, clouds=accounts)
    jobs = tuple(job for rows in schedds for job in rows.jobs)
    instances = {each.id: each for rows in answered.values() for each in rows.instances}
    key_pairs = {key: rows.key_pairs for key, rows in answered.items() if not isinstance(rows.key_pairs, Unknown)}
    made_for = key_pair_jobs({name for each in key_pairs.values() for name in each}, schedd)
    owners, makers, unanswered = our_schedd.key_pair_owners(made_for, makers)
    known = frozenset(name for key in answered for name in accounts[key].queues)
    return Snapshot(
        inventory=build_inventory(jobs, _merge_pools(pools), instances.values(), owners, known),
        unknown=unknown + unanswered,
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
    """Questions to the schedd of the VM jobs."""

    config: Config
    workers: Workers

    @property
    def address(self) -> ScheddAddress:
        return own_schedd(self.config.factory)

    def name(self) -> str:
        return self._call(str(self.address), schedd_name, self.address)

    def key_pair_owners(
        self, jobs: Mapping[str, StampedJob], known: Mapping[str, KeyPairMaker | None]
    ) -> tuple[dict[str, KeyPairOwner], dict[str, KeyPairMaker | None], tuple[str, ...]]:
        """Return the owner of each key pair, the answers of the history, and the questions that failed."""
        if not jobs:
            return {}, {}, ()
        me = KeyPairMaker(self.config.factory.id, self.config.factory.owner)
        try:
            queued = self._call(str(self.address), orphan_checks.queued_grid_jobs, self.address)
        except CallFailed as error:
            return {}, dict(known), (f"jobs of key pairs in {self.address}: {error}",)
        makers = {name: known[name] for name in jobs if name in known}
        left = [name for name, job in jobs.items() if job not in queued and name not in makers]
        history = f"history of {self.address}"
        for start in range(0, len(left), _HISTORY_JOBS):
            batch = {name: jobs[name] for name in left[start : start + _HISTORY_JOBS]}
            try:
                answers = self._call(history, orphan_checks.key_pair_owners, self.address, tuple(batch.values()))
            except CallFailed as error:
                return (
                    key_pair_owner(jobs, queued, makers, me),
                    makers,
                    (f"jobs of key pairs in the {history}: {error}",),
                )
            makers |= {name: answers.get(job) for name, job in batch.items()}
        return key_pair_owner(jobs, queued, makers, me), makers, ()

    def _call(self, address: str, function: Callable[..., T], *args: object) -> T:
        return self.workers.call(address, self.config.factory.deadline, function, *args)


def _sources(config: Config, queues: Iterable[str]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for name in queues:
        queue = config.queue(name)
        if queue is not None:
            sources |= {source.key: source for source in queue.batchstatus.sources()}
    return sources


def _merge_pools(pools: Iterable[PoolRows]) -> PoolRows:
    pools = tuple(pools)
    return PoolRows(
        min((each.collector_up_s for each in pools), default=0),
        {vm: row for each in pools for vm, row in each.machines.items()},
        {vm: row for each in pools for vm, row in each.masters.items()},
        {vm: ids for each in pools for vm, ids in each.instances.items()},
    )
