"""Owners of the key pairs that a gridmanager makes for each VM job on clouds other than Amazon. Pure.

A key pair's name carries the job, its schedd and its QDate, but no factory: factories that share a schedd and an
account see each other's key pairs. The schedd's queue and history tell whose job each was made for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from factory.model.cloud import KeyPairMaker, KeyPairOwner, StampedJob
from factory.model.vm import JobId

_KEY_PAIR = re.compile(r"SSH_.*[# ](\d+)[. ](\d+)[# ](\d+)")
"""``SSH_<collector>_<GlobalJobId>``. Some clouds put a blank for each character that is no letter or digit."""
_UNSAFE = re.compile(r"[^A-Za-z0-9 _-]")


def key_pair_job(name: str, schedd: str) -> StampedJob | None:
    """Return job and QDate for which a gridmanager made a key pair; None if it is not one of this schedd's."""
    match = _KEY_PAIR.fullmatch(name)
    if match is None or not re.search(rf"_{_UNSAFE.sub(' ', schedd)}$", _UNSAFE.sub(" ", name[: match.start(1) - 1])):
        return None
    cluster, proc, submitted = map(int, match.groups())
    return JobId(cluster, proc), submitted


def key_pair_jobs(names: Iterable[str], schedd: str) -> dict[str, StampedJob]:
    """Return the job of each key pair of this schedd, the newest first: the history is read backwards."""
    all_jobs = {name: key_pair_job(name, schedd) for name in names}
    ours = {name: job for name, job in all_jobs.items() if job is not None}
    return dict(sorted(ours.items(), key=lambda each: (-each[1][1], each[1][0])))


def key_pair_owner(
    jobs: Mapping[str, StampedJob],
    queued: Collection[StampedJob],
    makers: Mapping[str, KeyPairMaker | None],
    me: KeyPairMaker,
) -> dict[str, KeyPairOwner]:
    """Return the owner of each key pair; one that was not looked for in the history is left out.

    Args:
        queued: Jobs in the queue.
        makers: Answers of the history, by key pair; None: the history does not know the job.
    """
    owners = {}
    for name, job in jobs.items():
        if job in queued:
            owners[name] = KeyPairOwner.NEEDED
        elif name in makers:
            maker = makers[name]
            owners[name] = (
                KeyPairOwner.UNKNOWN if maker is None else KeyPairOwner.LEFT if maker == me else KeyPairOwner.FOREIGN
            )
    return owners
