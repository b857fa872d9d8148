"""ClassAd matchmaking of job groups with machine classes and with templates of new machines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from factory.condor.classad.digest import digest_of
from factory.condor.classad.values import has
from factory.model.matches import Match, Matches

_YES = Match(True)
_KEEP = 100_000
_CLOCK = ("time(", "currenttime", "random(")
_known: dict[bytes, dict[bytes, Match]] = {}
"""Earlier results by the digests of job and machine; the worker keeps them from poll to poll."""
_shared_matches: dict[Match, Match] = {}
"""One object for all equal matches: a clause that fails for one group fails for a thousand."""


def match_all(jobs: Mapping[str, Any], machines: Mapping[str, Any], unseen: Collection[str] = ()) -> Matches:
    """Return the matches by group key and machine key.

    ``unseen``: templates of which no machine has run; a running one may define what they leave undefined.
    Results of ads that depend on the time hold for this poll only.
    """
    texts = {key: ("unseen " if key in unseen else "") + str(ad) for key, ad in machines.items()}
    digests = [digest_of(text) for text in texts.values()]
    volatile = {digest for digest, text in zip(digests, texts.values(), strict=True) if depends_on_time(text)}
    rows: dict[bytes, tuple[Match, ...]] = {}
    table = {}
    for key, job in jobs.items():
        text = str(job)
        of_job = digest_of(text)
        if of_job not in rows:
            known: dict[bytes, Match] = {} if depends_on_time(text) else _known.setdefault(of_job, {})
            rows[of_job] = tuple(
                known.get(digest) or known.setdefault(digest, _shared(match(job, machine, name in unseen)))
                for digest, (name, machine) in zip(digests, machines.items(), strict=True)
            )
            for digest in volatile:
                known.pop(digest, None)
        table[key] = rows[of_job]
    if _count() > _KEEP:
        _forget(rows.keys(), digests)
    return Matches(table, machines)


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
    for job in _known.keys() - jobs:
        del _known[job]
    if _count() > _KEEP:
        for known in _known.values():
            for machine in known.keys() - machines:
                del known[machine]


def match(job: Any, machine: Any, template: bool = False) -> Match:
    """Match a job ad and a machine ad in both directions; the result names the clause that fails.

    ``template``: the machine is a template that no running machine has confirmed.
    """
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
        expired = side == "machine" and depends_on_time(clause)  # a new machine may stay longer than the one seen
        maybe = template and (undefined or expired or _of_gpus(clause, target))
        why = f"Requirements of the {side}: {clause} is {'undefined' if undefined else 'false'}"
        if undefined and template and side == "job":
            why += _how_to_define(str(tree), ad, target)
        return Match(ok=False, maybe=maybe, why=why)
    return Match(False, why="job and machine do not match")


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


def split_and(expression: str) -> list[str]:
    """Split an expression at its top-level ``&&``, without the parentheses around the whole."""
    text = expression.strip()
    while text.startswith("(") and _closing(text) == len(text) - 1:
        text = text[1:-1].strip()
    parts, depth, start, quoted, i = [], 0, 0, False, 0
    while i < len(text):
        character = text[i]
        if quoted:
            if character == "\\":
                i += 1
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif depth == 0 and text.startswith("&&", i):
            parts.append(text[start:i].strip())
            i += 1
            start = i + 1
        elif depth == 0 and (text.startswith("||", i) or character == "?"):
            return [text]
        i += 1
    parts.append(text[start:].strip())
    return [inner for part in parts for inner in (split_and(part) if part != text else [part])]


def _closing(text: str) -> int:
    """Return the index of the parenthesis that closes the first one; -1: none does."""
    depth, quoted, i = 0, False, 0
    while i < len(text):
        character = text[i]
        if quoted:
            if character == "\\":
                i += 1
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return i
        i += 1
    return -1
