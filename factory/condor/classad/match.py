"""Who matches whom: job groups against classes of machines and template machines, by ClassAd matchmaking."""

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
"""Matches already made, by the signs of job and machine; kept in the worker from poll to poll."""
_same: dict[Match, Match] = {}
"""One object for equal matches: a clause that fails for one group fails for a thousand."""


def match_all(jobs: Mapping[str, Any], machines: Mapping[str, Any], unseen: Collection[str] = ()) -> Matches:
    """(group key, machine key) → match. What is undefined in ``unseen`` machines may be known once one runs.

    What an ad says that looks at the clock holds for this poll only.
    """
    texts = {key: ("unseen " if key in unseen else "") + str(ad) for key, ad in machines.items()}
    signs = [digest_of(text) for text in texts.values()]
    passing = {sign for sign, text in zip(signs, texts.values(), strict=True) if depends_on_time(text)}
    rows: dict[bytes, tuple[Match, ...]] = {}
    table = {}
    for key, job in jobs.items():
        text = str(job)
        sign = digest_of(text)
        if sign not in rows:
            known: dict[bytes, Match] = {} if depends_on_time(text) else _known.setdefault(sign, {})
            rows[sign] = tuple(
                known.get(other) or known.setdefault(other, _shared(match(job, machine, name in unseen)))
                for other, (name, machine) in zip(signs, machines.items(), strict=True)
            )
            for other in passing:
                known.pop(other, None)
        table[key] = rows[sign]
    if _count() > _KEEP:
        _forget(rows.keys(), signs)
    return Matches(table, machines)


def depends_on_time(text: str) -> bool:
    """Whether an ad or an expression may be worth something else a moment later though it says the same."""
    text = text.lower()  # a regular expression would take ten times as long
    return any(word in text for word in _CLOCK)


def _shared(found: Match) -> Match:
    return _same.setdefault(found, found)


def _count() -> int:
    return sum(map(len, _known.values()))


def _forget(jobs: Collection[bytes], machines: Collection[bytes]) -> None:
    """Drop jobs that have gone, and if these were too few, machines too."""
    _same.clear()
    for job in _known.keys() - jobs:
        del _known[job]
    if _count() > _KEEP:
        for known in _known.values():
            for machine in known.keys() - machines:
                del known[machine]


def match(job: Any, machine: Any, template: bool = False) -> Match:
    """One job ad against one machine ad, in both directions, with the clause that fails."""
    if job.symmetricMatch(machine):
        return _YES
    for side, ad, target in (("job", job, machine), ("machine", machine, job)):
        tree = ad.lookup("Requirements") if has(ad, "Requirements") else None
        if tree is None or _value(tree, ad, target) is True:
            continue
        clause, result = failing_clause(str(tree), ad, target)
        behind = _own(clause, ad)
        if behind is not None and behind not in ("true", "false"):
            clause, result = failing_clause(behind, ad, target)
        undefined = not isinstance(result, bool)
        expired = side == "machine" and depends_on_time(clause)  # a new one may go later than the one that was seen
        maybe = template and (undefined or expired or _of_gpus(clause, target))
        why = f"Requirements of the {side}: {clause} is {'undefined' if undefined else 'false'}"
        if undefined and template and side == "job":
            why += _who_can_tell(str(tree), ad, target)
        return Match(ok=False, maybe=maybe, why=why)
    return Match(False, why="the ads do not match")


def failing_clause(expression: str, ad: Any, target: Any) -> tuple[str, Any]:
    """The first part of an ``&&`` chain that is not true, and its value."""
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
    except Exception as error:  # noqa: BLE001 - the bindings raise anything over a clause that is an error
        return str(error)


def _who_can_tell(requirements: str, job: Any, machine: Any) -> str:
    """Where what is not known of a machine that nobody has started yet may be said."""
    import classad2

    unknown = [clause for clause in split_and(requirements) if not isinstance(_value(clause, job, machine), bool)]
    names = {name.rpartition(".")[2] for clause in unknown for name in job.externalRefs(classad2.ExprTree(clause))}
    keys = [f"sched.fit.machine.{name}" for name in sorted(names, key=str.lower) if name and not has(machine, name)]
    return f" until a machine runs, or {', '.join(keys)} tell" if keys else ""


def _of_gpus(clause: str, machine: Any) -> bool:
    """Whether a clause asks for properties of GPUs, of a machine of which only their number is known."""
    return "availablegpus" in clause.lower() and not has(machine, "AvailableGPUs") and machine.eval("GPUs") > 0


def _own(clause: str, ad: Any) -> str | None:
    """The expression behind a clause that is no more than a name, such as START."""
    name = clause.removeprefix("MY.")
    return str(ad.lookup(name)) if name.isidentifier() and has(ad, name) else None


def split_and(expression: str) -> list[str]:
    """Parts of an expression between ``&&`` at its top level, parentheses around the whole taken off."""
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
    """Index of the parenthesis that closes the first one."""
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
