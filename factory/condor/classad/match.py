"""ClassAd matchmaking of job groups with machine classes and with templates of new machines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from factory.condor.classad.digest import digest_of
from factory.condor.classad.requests import JobRequest, read_job_request, request_on
from factory.condor.classad.syntax import Operation, Unreadable, parse_expression
from factory.condor.classad.unknowns import KnownAd, Unknowns, certain_names, machine_names
from factory.condor.classad.values import has
from factory.model.matches import Match, Matches

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
            job_known = KnownAd(job) if missing and new else None
            request = read_job_request(job) if missing else None
            names = None if job_known is None else machine_names(job_known)
            for digest in missing:
                found = _match(job, candidates[digest], job_known, names)
                if request is not None and _varies(request, candidates[digest].ad):
                    found = _with_request(found, job, candidates[digest].ad)
                known[digest] = _shared(found)
            rows[of_job] = tuple(known[digest] for digest in digests)
            for digest in volatile:
                known.pop(digest, None)
        table[key] = rows[of_job]
    if _count() > _KEEP:
        _forget(rows.keys(), digests)
    return Matches(table, machines)


def _varies(request: JobRequest, machine: Any) -> bool:
    """True if the request of a job may differ on this machine from what it is on none."""
    return bool(request.refers) and (request.problem is not None or any(has(machine, name) for name in request.refers))


def _with_request(found: Match, job: Any, machine: Any) -> Match:
    ask = request_on(job, machine)
    if ask is None:
        return replace(found, ok=False, maybe=False, why="the request of the job can't be evaluated there")
    return replace(found, ask=ask)


def _match(job: Any, machine: _Candidate, known: KnownAd | None, names: frozenset[str] | None) -> Match:
    """Match a job with a candidate. A no that only other machines have shown is marked as learned."""
    if known is None or machine.known is None:
        return match(job, machine.ad)
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


def match(job: Any, machine: Any) -> Match:
    """Match a job ad and the ad of a machine that is there, in both directions; the result names the failing clause."""
    if job.symmetricMatch(machine):
        return _YES
    for side, ad, target in (("job", job, machine), ("machine", machine, job)):
        tree = ad.lookup("Requirements") if has(ad, "Requirements") else None
        if tree is None or _value(tree, ad, target) is True:
            continue
        clause, result = failing_clause(str(tree), ad, target)
        named = _named_expression(clause, ad)
        if named is not None and named not in ("true", "false"):
            clause, result = failing_clause(named, ad, target)
        undefined = not isinstance(result, bool)
        return Match(ok=False, why=f"Requirements of the {side}: {clause} is {'undefined' if undefined else 'false'}")
    return Match(False, why="job and machine do not match")


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
        value = _value(clause, ad.ad, target.ad)
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
        named = _named_expression(clause, ad)
        if named is not None and named not in ("true", "false") and unknowns.verdict(clause) is result:
            return _decisive_clause(named, ad, unknowns, result)
        if unknowns.verdict(clause) is result:
            return clause, result
    return expression, result


def failing_clause(expression: str, ad: Any, target: Any) -> tuple[str, Any]:
    """Return the first clause of an ``&&`` chain that is false, else the first that is not true, and its value."""
    undefined: tuple[str, Any] | None = None
    for clause in split_and(expression):
        value = _value(clause, ad, target)
        if value is False:
            return clause, value
        if value is not True and undefined is None:
            undefined = clause, value
    return undefined or (expression, None)


def _value(clause: Any, ad: Any, target: Any) -> Any:
    import classad2

    try:
        return (classad2.ExprTree(clause) if isinstance(clause, str) else clause).eval(ad, target)
    except Exception as error:  # noqa: BLE001 - the bindings raise many kinds for a clause that is an error
        return str(error)


def _how_to_define(requirements: str, job: Any, machine: Any) -> str:
    """Return the settings that define the attributes which a template leaves undefined, for the reason."""
    import classad2

    unknown = [clause for clause in split_and(requirements) if not isinstance(_value(clause, job, machine), bool)]
    names = {name.rpartition(".")[2] for clause in unknown for name in job.externalRefs(classad2.ExprTree(clause))}
    keys = [f"sched.fit.machine.{name}" for name in sorted(names, key=str.lower) if name and not has(machine, name)]
    return f" until a machine runs; to define it now, set {', '.join(keys)}" if keys else ""


def _of_gpus(clause: str, machine: Any) -> bool:
    """True if a clause asks for properties of GPUs and only the number of the machine's GPUs is known."""
    return "availablegpus" in clause.lower() and not has(machine, "AvailableGPUs") and machine.eval("GPUs") > 0


def _named_expression(clause: str, ad: Any) -> str | None:
    """Return the expression of the attribute if the clause is only its name, such as START."""
    name = clause.removeprefix("MY.")
    return str(ad.lookup(name)) if name.isidentifier() and has(ad, name) else None


@lru_cache(10_000)
def split_and(expression: str) -> tuple[str, ...]:
    """Split an expression at its top-level ``&&``, without the parentheses around the parts."""
    try:
        tree = parse_expression(expression)
    except Unreadable:
        return (expression,)
    parts, left = [], [tree]
    while left:
        part = left.pop()
        if isinstance(part, Operation) and part.operator == "&&":
            left += reversed(part.parts)
        else:
            parts.append(part.text)
    return tuple(parts)
