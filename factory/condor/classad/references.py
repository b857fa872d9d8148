"""Attributes that expressions of jobs and machines refer to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from factory.condor.classad.values import has


def job_references(ads: Iterable[Any]) -> set[str]:
    """Return the machine attributes that these jobs' Requirements refer to, in lower case."""
    names: set[str] = set()
    done: set[str] = set()
    for ad in ads:
        if not has(ad, "Requirements"):
            continue
        tree = ad.lookup("Requirements")
        text = str(tree)
        if text in done:
            continue
        done.add(text)
        for name in ad.externalRefs(tree):
            scope, _, plain = name.rpartition(".")
            if plain and scope.upper() in ("TARGET", ""):
                names.add(plain.lower())
    return names


def machine_references(ads: Iterable[Any], shown: Collection[str] = ()) -> tuple[frozenset[str], frozenset[str]]:
    """Return the attributes that these machines' expressions refer to, in lower case: the machine's, the job's.

    The expressions are Start, Requirements and those of the attributes ``shown``, to which jobs refer. An
    attribute without a scope is in both sets if the machine does not have it.
    """
    own: set[str] = set()
    of_job: set[str] = set()
    for ad in ads:
        for attribute in ("Start", "Requirements", *shown):
            for name in ad.externalRefs(ad.lookup(attribute)) if has(ad, attribute) else ():
                scope, _, plain = name.lower().rpartition(".")
                if plain and scope != "target":
                    own.add(plain)
                if plain and (scope == "target" or (not scope and plain not in ad)):
                    of_job.add(plain)
        for attribute in ("Start", *shown):
            if has(ad, attribute):
                own.update(name.lower() for name in ad.internalRefs(ad.lookup(attribute)) if name)
    return frozenset(own), frozenset(of_job)


def references(expressions: Iterable[str]) -> list[str]:
    """Return the job attributes that expressions over a job ad refer to, as spelled.

    A grouped query must ask for them: its constraint is evaluated on the row of a group.
    """
    import classad2

    empty, names = classad2.ClassAd(), []
    for expression in expressions:
        for name in empty.externalRefs(classad2.ExprTree(expression)):
            scope, _, plain = name.rpartition(".")
            if plain and scope.upper() in ("", "MY"):
                names.append(plain)
    return names
