"""ClassAd matchmaking of job groups with machine classes and with templates of new machines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from factory.condor.classad.clauses import clause_value, failing_clause, is_true, named_expression, split_and
from factory.condor.classad.digest import digest_of
from factory.condor.classad.requests import read_job_request, varies_on, with_request
from factory.condor.classad.syntax import Unreadable
from factory.condor.classad.unknowns import KnownAd, Unknowns, certain_names, machine_names
from factory.condor.classad.values import has
from factory.model.matches import Match, Matches
from factory.process.work_mark import work_mark

_YES = Match(True)
_KEEP = 100_000
_CLOCK = ("time(", "currenttime", "random(")
_certain_names: dict[bytes, frozenset[str]] = {}
_known: dict[bytes, dict[bytes, Match]] = {}
"""Earlier results by the digests of job and machine; the worker keeps them from poll to poll."""
_shared_matches: dict[Match, Match] = {}
"""One object for all equal matches: a clause that fails for one group fails for a thousand."""


@dataclass(frozen=True)
class NewMachine:
    """The ad that a machine which may be bought is expected to show."""

    ad: Any
    """With what machines of its model have shown."""
    declared: Any
    """Only with what the configuration says of it."""
    absent: frozenset[str] | None = None
    """Attributes, in lower case, that machines of its model do not have. None: none of them was seen yet."""


def match_all(jobs: Mapping[str, Any], machines: Mapping[str, Any]) -> Matches:
    """Return the matches of jobs with machines that are there, by group key and machine key.

    Results of ads that depend on the time hold for this poll only.
    """
    return _match_all(jobs, {name: _Candidate(ad, str(ad)) for name, ad in machines.items()})


def match_all_new(jobs: Mapping[str, Any], machines: Mapping[str, NewMachine]) -> Matches:
    """Return the matches of jobs with new machines, by group key and machine key.

    Results of ads that depend on the time hold for this poll only.
    """
    return _match_all(jobs, {name: _new_candidate(machine) for name, machine in machines.items()})


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A machine to match jobs with."""

    ad: Any
    text: str
    known: KnownAd | None = None
    """The ad of a machine that is new."""
    certain: frozenset[str] = frozenset()
    """Attributes whose values no unknown can change."""
    absent: frozenset[str] = frozenset()
    """Attributes that such a machine does not have."""
    declared: _Candidate | None = None
    """The machine without what others have shown; None: it is the same."""


def _new_candidate(machine: NewMachine) -> _Candidate:
    declared = _of_template(machine.declared, frozenset())
    if machine.absent is None:
        return declared
    return replace(_of_template(machine.ad, machine.absent), declared=declared)


def _of_template(ad: Any, absent: frozenset[str]) -> _Candidate:
    text = f"new, without {sorted(absent)}: {ad}"
    digest = digest_of(text)
    if digest not in _certain_names:
        _certain_names[digest] = certain_names(KnownAd(ad), absent) | absent
    certain = _certain_names[digest]
    return _Candidate(ad, text, KnownAd(ad, certain), certain, absent)


def _match_all(jobs: Mapping[str, Any], machines: Mapping[str, _Candidate]) -> Matches:
    candidates: dict[bytes, _Candidate] = {}
    digests: list[bytes] = []
    volatile: set[bytes] = set()
    for machine in machines.values():
        text = machine.text if machine.declared is None else f"{machine.text} {machine.declared.text}"
        digest = digest_of(text)
        digests.append(digest)
        candidates[digest] = machine
        if depends_on_time(text):
            volatile.add(digest)
    new = any(machine.known is not None for machine in candidates.values())
    rows: dict[bytes, tuple[Match, ...]] = {}
    table = {}
    for key, job in jobs.items():
        text = str(job)
        of_job = digest_of(text)
        if of_job not in rows:
            known: dict[bytes, Match] = {} if depends_on_time(text) else _known.setdefault(of_job, {})
            missing = [digest for digest in candidates if digest not in known]
            if missing:
                with work_mark().busy_with(of_job):
                    known |= _found(job, {digest: candidates[digest] for digest in missing}, new=new)
            rows[of_job] = tuple(known[digest] for digest in digests)
            for digest in volatile:
                known.pop(digest, None)
        table[key] = rows[of_job]
    if _count() > _KEEP:
        _forget(rows.keys(), digests)
    return Matches(table, machines)


def _found(job: Any, machines: Mapping[bytes, _Candidate], *, new: bool) -> dict[bytes, Match]:
    """Return the matches of one job. ``new``: some machines are new ones."""
    job_known = KnownAd(job) if new else None
    names = None if job_known is None else machine_names(job_known)
    request, results = read_job_request(job), {}
    for digest, machine in machines.items():
        found = _match(job, machine, digest, job_known, names)
        if varies_on(request, machine.ad):
            found = with_request(found, job, machine.ad)
        results[digest] = _shared(found)
    return results


def _match(job: Any, machine: _Candidate, digest: bytes, known: KnownAd | None, names: frozenset[str] | None) -> Match:
    """Match a job with a candidate. A no that only other machines have shown is marked as learned."""
    if known is None or machine.known is None:
        return match(job, machine.ad, digest)
    found = _match_new(job, machine, known, names)
    if found.ok or found.maybe or machine.declared is None:
        return found
    declared = _match_new(job, machine.declared, known, names)
    if not (declared.ok or declared.maybe):
        return found
    return replace(found, learned=True, why=f"{found.why}, as machines of this shape have shown")


def _match_new(job: Any, machine: _Candidate, known: KnownAd, names: frozenset[str] | None) -> Match:
    """Match a job with a new machine; a job that no unknown touches needs no look at the unknowns."""
    assert machine.known is not None
    seen = machine.declared is not None
    if names is not None and names <= machine.certain and "requirements" in machine.certain:
        found = match(job, machine.ad)
        if found.ok or (seen and not depends_on_time(found.why)):
            return found
    return match_new(known, machine.known, machine.absent, seen)


def depends_on_time(text: str) -> bool:
    """True if the expression can change value with time (``time()``, ``CurrentTime``, ``random()``)."""
    text = text.lower()  # a regular expression takes ten times as long
    return any(word in text for word in _CLOCK)


def _shared(result: Match) -> Match:
    return _shared_matches.setdefault(result, result)


def _count() -> int:
    return sum(map(len, _known.values()))


def _forget(jobs: Collection[bytes], machines: Collection[bytes]) -> None:
    """Drop the results of jobs that have left the queue; if still too many, those of gone machines too."""
    _shared_matches.clear()
    _certain_names.clear()
    for job in _known.keys() - jobs:
        del _known[job]
    if _count() > _KEEP:
        for known in _known.values():
            for machine in known.keys() - machines:
                del known[machine]


def match(job: Any, machine: Any, of_machine: bytes = b"") -> Match:
    """Match a job ad and the ad of a machine that is there, in both directions; the result names the failing clause.

    ``of_machine``: digest of the machine's ad, with which the worker is busy while its Requirements are evaluated.
    """
    for side, ad, target in (("job", job, machine), ("machine", machine, job)):
        with work_mark().busy_with(of_machine) if of_machine and side == "machine" else nullcontext():
            failing = _failing(side, ad, target)
        if failing is not None:
            return failing
    return _YES


def _failing(side: str, ad: Any, target: Any) -> Match | None:
    """Return the match that the Requirements of one side prevent; None if they are true."""
    if not has(ad, "Requirements"):
        return Match(False, why=f"the {side} has no Requirements")
    tree = ad.lookup("Requirements")
    if is_true(clause_value(tree, ad, target)):
        return None
    clause, result = failing_clause(str(tree), ad, target)
    named = named_expression(clause, ad)
    if named is not None and named not in ("true", "false"):
        clause, result = failing_clause(named, ad, target)
    undefined = not isinstance(result, bool)
    return Match(ok=False, why=f"Requirements of the {side}: {clause} is {'undefined' if undefined else 'false'}")


def match_new(job: KnownAd, machine: KnownAd, absent: Collection[str] = (), seen: bool = False) -> Match:
    """Match a job ad and the template of a new machine: certain only if no unknown attribute can change the result.

    ``absent``: attributes, in lower case, that such a machine does not have. ``seen``: one of its model has been seen.
    """
    maybe = None
    for side, ad, target, new in (("job", job, machine, "target"), ("machine", machine, job, "my")):
        if "requirements" not in ad.names:
            return Match(False, why=f"the {side} has no Requirements")
        requirements = str(ad.ad.lookup("Requirements"))
        unknowns = Unknowns(ad, target, new, absent)
        try:
            result = unknowns.verdict(requirements)
            if result is True:
                continue
            clause, result = _decisive_clause(requirements, ad.ad, unknowns, result)
        except Unreadable as error:
            return Match(False, why=f"Requirements of the {side} can't be read: {error}")
        value = clause_value(clause, ad.ad, target.ad)
        outcome = "undefined" if not isinstance(value, bool) else "false"
        why = f"Requirements of the {side}: {clause} is {outcome}"
        expired = side == "machine" and depends_on_time(clause)  # a new machine may stay longer than the one seen
        if result is False and not expired and not (not seen and _of_gpus(clause, target.ad)):
            return Match(False, why=why)
        if not seen and side == "job":
            why += _how_to_define(requirements, ad.ad, target.ad)
        maybe = maybe or why
    return _YES if maybe is None else Match(ok=False, maybe=True, why=maybe)


def _decisive_clause(expression: str, ad: Any, unknowns: Unknowns, result: bool | None) -> tuple[str, bool | None]:
    """Return the first clause of an ``&&`` chain that is as the whole is: impossible, or not certain."""
    for clause in split_and(expression):
        named = named_expression(clause, ad)
        if named is not None and named not in ("true", "false") and unknowns.verdict(clause) is result:
            return _decisive_clause(named, ad, unknowns, result)
        if unknowns.verdict(clause) is result:
            return clause, result
    return expression, result


def _how_to_define(requirements: str, job: Any, machine: Any) -> str:
    """Return the settings that define the attributes which a template leaves undefined, for the reason."""
    import classad2

    unknown = [clause for clause in split_and(requirements) if not isinstance(clause_value(clause, job, machine), bool)]
    names = {name.rpartition(".")[2] for clause in unknown for name in job.externalRefs(classad2.ExprTree(clause))}
    keys = [f"sched.fit.machine.{name}" for name in sorted(names, key=str.lower) if name and not has(machine, name)]
    return f" until a machine runs; to define it now, set {', '.join(keys)}" if keys else ""


def _of_gpus(clause: str, machine: Any) -> bool:
    """True if a clause asks for properties of GPUs and only the number of the machine's GPUs is known."""
    return "availablegpus" in clause.lower() and not has(machine, "AvailableGPUs") and machine.eval("GPUs") > 0
