"""Key pairs that a gridmanager makes for each VM job, where the cloud is not Amazon: whose job each was made for. Pure.

The name has the job, its schedd and its QDate, and not the factory: factories that share schedd and account see each
other's. So the schedd is asked, whose queue and history have every job.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from factory.model.cloud import KeyPairMaker, KeyPairOwner, StampedJob
from factory.model.vm import JobId

_KEY_PAIR = re.compile(r"SSH_.*[# ](\d+)[. ](\d+)[# ](\d+)")
"""``SSH_<collector>_<GlobalJobId>``, in some clouds with blanks for what is no letter or digit."""
_UNSAFE = re.compile(r"[^A-Za-z0-9 _-]")


def key_pair_job(name: str, schedd: str) -> StampedJob | None:
    """Job and QDate of the job of this schedd for which a gridmanager made a key pair; None: it is no such one."""
    found = _KEY_PAIR.fullmatch(name)
    if found is None or not re.search(rf"_{_UNSAFE.sub(' ', schedd)}$", _UNSAFE.sub(" ", name[: found.start(1) - 1])):
        return None
    cluster, proc, submitted = map(int, found.groups())
    return JobId(cluster, proc), submitted


def key_pair_jobs(names: Iterable[str], schedd: str) -> dict[str, StampedJob]:
    """Of these key pairs those of jobs of this schedd, the newest first: of these the history knows soonest."""
    found = {name: key_pair_job(name, schedd) for name in names}
    ours = {name: job for name, job in found.items() if job is not None}
    return dict(sorted(ours.items(), key=lambda each: (-each[1][1], each[1][0])))


def key_pair_owner(
    jobs: Mapping[str, StampedJob],
    queued: Collection[StampedJob],
    makers: Mapping[str, KeyPairMaker | None],
    me: KeyPairMaker,
) -> dict[str, KeyPairOwner]:
    """Whose each key pair is. ``queued``: jobs in the queue; ``makers``: what the history says, None: nothing.

    Of what was not looked for in the history nothing is said.
    """
    found = {}
    for name, job in jobs.items():
        if job in queued:
            found[name] = KeyPairOwner.NEEDED
        elif name in makers:
            maker = makers[name]
            found[name] = (
                KeyPairOwner.UNKNOWN if maker is None else KeyPairOwner.LEFT if maker == me else KeyPairOwner.FOREIGN
            )
    return found
