"""Key pairs that a gridmanager makes for each VM job, where the cloud is not Amazon: whose job each was made for. Pure.

The name has the job, its schedd and its QDate, and not the factory: factories that share schedd and account see each
other's. So the schedd is asked, whose queue and history have every job.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from factory.model import JobId

Stamped = tuple[JobId, int]
"""A job and its QDate: a schedd that lost its spool counts from 1 again."""

_KEY_PAIR = re.compile(r"SSH_.*[# ](\d+)[. ](\d+)[# ](\d+)")
"""``SSH_<collector>_<GlobalJobId>``, in some clouds with blanks for what is no letter or digit."""
_UNSAFE = re.compile(r"[^A-Za-z0-9 _-]")


class Whose(Enum):
    """What a key pair of a job of our schedd is to this factory."""

    NEEDED = "its job is in the queue, whosever it is"
    LEFT = "its job was a VM job of this factory, and has left the queue"
    FOREIGN = "its job was none of this factory's"
    UNKNOWN = "neither queue nor history shows its job"


@dataclass(frozen=True, slots=True)
class Maker:
    """Whose a job was that has left the queue, by the history; empty: it does not say."""

    factory: str
    owner: str


def key_pair_job(name: str, schedd: str) -> Stamped | None:
    """Job and QDate of the job of this schedd for which a gridmanager made a key pair; None: it is no such one."""
    found = _KEY_PAIR.fullmatch(name)
    if found is None or not re.search(rf"_{_UNSAFE.sub(' ', schedd)}$", _UNSAFE.sub(" ", name[: found.start(1) - 1])):
        return None
    cluster, proc, submitted = map(int, found.groups())
    return JobId(cluster, proc), submitted


def key_pair_jobs(names: Iterable[str], schedd: str) -> dict[str, Stamped]:
    """Of these key pairs those of jobs of this schedd, the newest first: of these the history knows soonest."""
    found = {name: key_pair_job(name, schedd) for name in names}
    ours = {name: job for name, job in found.items() if job is not None}
    return dict(sorted(ours.items(), key=lambda each: (-each[1][1], each[1][0])))


def whose(
    jobs: Mapping[str, Stamped], queued: Collection[Stamped], makers: Mapping[str, Maker | None], me: Maker
) -> dict[str, Whose]:
    """Whose each key pair is. ``queued``: jobs in the queue; ``makers``: what the history says, None: nothing.

    Of what was not looked for in the history nothing is said.
    """
    found = {}
    for name, job in jobs.items():
        if job in queued:
            found[name] = Whose.NEEDED
        elif name in makers:
            maker = makers[name]
            found[name] = Whose.UNKNOWN if maker is None else Whose.LEFT if maker == me else Whose.FOREIGN
    return found
