"""Find jobs that a VM of a model matches, although the template of the model leaves that open.

What a running machine matches, a new one like it matches too. So such jobs get as many machines as they need, and not
one probe after the other. A machine that is full is looked at as well, as if it were empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from factory.condor.classad.digest import digest_of
from factory.condor.classad.match import match_all
from factory.condor.classad.unknowns import NEW_NAMES, KnownAd, machine_names
from factory.condor.collector.slot_queries import query_vms
from factory.condor.collector.slots import SlotNeeds, Slots
from factory.model.address import PoolAddress
from factory.model.matches import Match, Matches
from factory.model.model_facts import ModelFacts


class Proofs:
    """Search for such jobs in one poll.

    Args:
        pool: The collector with the VMs.
        factory_id: Whose VMs count.
        needs: What the jobs need to know of slots.
        slots: The slots of the poll. VMs without room are not among them.
        on_kinds: Matches of all jobs with their classes, as if the machines were empty.
        facts: Model → what is known already.
    """

    def __init__(
        self,
        pool: PoolAddress,
        factory_id: str,
        needs: SlotNeeds,
        slots: Slots,
        on_kinds: Matches,
        facts: Mapping[str, ModelFacts],
    ) -> None:
        self.full = Slots()
        """VMs that were queried in addition."""
        self.new: dict[str, frozenset[str]] = {}
        """Model → digests of the ads of jobs for which this was not known before."""
        self._query = (pool, factory_id, needs)
        self._slots = slots
        self._on_kinds = on_kinds
        self._proven = {model: frozenset(each.proven) for model, each in facts.items()}
        self._queried: set[str] = set()
        self._jobs: dict[str, tuple[str, bool]] = {}

    def apply(self, jobs: Mapping[str, Any], on_shapes: Matches, models: Mapping[str, str]) -> Matches:
        """Return the matches with a yes for each job and template of whose model a VM is the proof.

        ``models``: key of the template → its model.
        """
        rows = dict(on_shapes.rows())
        columns = [models[machine] for machine in on_shapes.machines()]
        undecided = {id(row): _undecided(row) for row in {id(row): row for row in rows.values()}.values()}
        left = {key: undecided[id(row)] for key, row in rows.items() if undecided[id(row)]}
        left = self._decide(rows, left, columns, jobs, self._slots, self._on_kinds)
        missing = {columns[i] for of_group in left.values() for i in of_group} - self._queried
        if missing:
            self._queried |= missing
            self.full = self.full.with_more(query_vms(*self._query, missing))
        if left and self.full.kinds:
            on_full = match_all({key: jobs[key] for key in left}, self.full.kinds)
            self._decide(rows, left, columns, jobs, self.full, on_full)
        return Matches(rows, on_shapes.machines())

    def _decide(
        self,
        rows: dict[str, tuple[Match, ...]],
        undecided: Mapping[str, tuple[int, ...]],
        columns: Sequence[str],
        jobs: Mapping[str, Any],
        slots: Slots,
        on_kinds: Matches,
    ) -> dict[str, tuple[int, ...]]:
        """Write a yes into the rows where these slots prove it; return the columns that stay undecided."""
        left = {}
        for key, of_group in undecided.items():
            proven = tuple(i for i in of_group if self._is_proven(jobs, key, columns[i], slots, on_kinds))
            rows[key] = _with_yes(rows[key], proven)
            if len(proven) < len(of_group):
                left[key] = tuple(i for i in of_group if i not in proven)
        return left

    def _is_proven(self, jobs: Mapping[str, Any], key: str, model: str, slots: Slots, on_kinds: Matches) -> bool:
        """Return True if a VM of the model matches the job, now or earlier.

        Most VMs must match a job that names machines: one that it is pinned to says nothing of a new one.
        """
        kinds = slots.models.get(model, {})
        proven = self._proven.get(model, frozenset())
        if not kinds and not proven:
            return False
        digest, names_machines = self._jobs.get(key) or self._jobs.setdefault(key, _read(jobs[key]))
        if digest in proven:
            return True
        matching = sum(on_kinds[key, kind].ok for kind in kinds)
        if names_machines or not matching:
            return 2 * matching > len(kinds)
        self.new[model] = self.new.get(model, frozenset()) | {digest}
        return True


def _read(job: Any) -> tuple[str, bool]:
    """Return the digest of a job's ad; and True if its Requirements may name machines."""
    names = machine_names(KnownAd(job))
    return digest_of(str(job)).hex(), names is None or bool(names & NEW_NAMES)


def _undecided(row: Iterable[Match]) -> tuple[int, ...]:
    return tuple(i for i, match in enumerate(row) if not match.ok and (match.maybe or match.learned))


@lru_cache(20_000)
def _with_yes(row: tuple[Match, ...], columns: tuple[int, ...]) -> tuple[Match, ...]:
    """Return the row with a yes in these columns. It is cached, so that equal rows stay one object."""
    return tuple(match.proven() if i in columns else match for i, match in enumerate(row)) if columns else row
