"""Filling a settings model from a section, and collecting what is wrong with it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from factory.config.files.interpolate import Resolver, Unresolvable
from factory.config.files.scan import DEFAULT
from factory.config.files.sections import Section
from factory.config.fill import autopyfactory as old
from factory.config.fill.messages import wrong
from factory.config.fill.schema import Key, Schema, schema
from factory.config.problems import Problem
from factory.settings.types import Settings

S = TypeVar("S", bound=Settings)


MAX_ERRORS = 1000
"""Errors after which the rest is not looked at."""


class TooMany(Exception):
    """There are more than ``MAX_ERRORS`` errors."""


class Problems:
    """Problems as they are found. One of a default comes up once, with the queues that it is about."""

    def __init__(self) -> None:
        self._queues: dict[Problem, list[str]] = {}
        self._errors = 0

    def add(self, problem: Problem, queue: str | None = None) -> None:
        """Note a problem.

        Raises:
            TooMany: there are too many errors to go on.
        """
        if problem.severity == "error" and problem not in self._queues:
            self._errors += 1
            if self._errors > MAX_ERRORS:
                raise TooMany
        queues = self._queues.setdefault(problem, [])
        if queue is not None and problem.section == DEFAULT:
            queues.append(queue)

    def all(self) -> list[Problem]:
        """Errors and warnings by file and line. A warning that is an error elsewhere is left out."""
        found = [
            replace(problem, text=problem.text + _about(queues))
            for problem, queues in self._queues.items()
            if problem.severity == "error" or replace(problem, severity="error") not in self._queues
        ]
        return sorted(found, key=lambda problem: (problem.file, problem.line or 0))


def _about(queues: list[str]) -> str:
    if not queues:
        return ""
    more = f" and {len(queues) - 1} more" if len(queues) > 1 else ""
    return f" (queue {queues[0]}{more})"


class Form:
    """A section that is being read. ``used`` has each key that something read, with its value."""

    def __init__(self, section: Section, problems: Problems, lenient: bool = False) -> None:
        self.section = section
        self.problems = problems
        self.lenient = lenient
        """Errors are warnings: the queue does not run."""
        self.resolver = Resolver(section)
        self.used: dict[str, str] = {}
        self.seen: set[str] = set()
        """Keys that something read or tried to read."""
        self.failed = False

    def error(self, text: str, key: str | None = None) -> None:
        """Note an error of a key, or of the section."""
        self.failed = True
        self._note(text, key, "warning" if self.lenient else "error")

    def warn(self, text: str, key: str | None = None) -> None:
        """Note a warning of a key, or of the section."""
        self._note(text, key, "warning")

    def tell(self, severity: str, text: str, key: str) -> None:
        """Note an error or a warning of a key."""
        (self.error if severity == "error" else self.warn)(text, key)

    def check(self, key: str) -> None:
        """Note what is wrong with the references of a key that nothing reads."""
        try:
            self.resolver.value(key)
        except Unresolvable as reason:
            self.error(str(reason), key)

    def meant(self, key: str) -> str:
        """The value of a key that nothing reads, as it is written if its references lead nowhere."""
        try:
            return self.resolver.value(key)
        except Unresolvable:
            return self.section[key].value

    def _note(self, text: str, key: str | None, severity: Any) -> None:
        section = self.section
        entry = section.get(key) if key is not None else None
        if entry is not None:
            problem = Problem(entry.file, entry.line, entry.section, key, text, severity)
        else:
            problem = Problem(section.file, section.line or None, section.name, key, text, severity)
        self.problems.add(problem, section.name)

    def value(self, key: str, keep_lines: bool = False) -> str | None:
        """Value of a key that is there, with references replaced and ``~`` expanded; None: it is broken."""
        self.seen.add(key)
        try:
            value = self.resolver.value(key)
        except Unresolvable as reason:
            self.error(str(reason), key)
            return None
        if "\n" in value and not keep_lines:
            value = " ".join(line for line in value.split("\n") if line)
        if value.startswith("~"):
            value = os.path.expanduser(value)
        self.used[key] = value
        return value

    def fill(self, model: type[S], prefix: str = "", **given: Any) -> S | None:
        """The model, filled from the keys with this prefix; None: something is wrong with one."""
        known = schema(model)
        values: dict[str, Any] = dict(given)
        spelling: dict[str, str] = {}
        broken: set[str] = set()
        for key in known.keys:
            if key.named:
                values[key.field] = self._named(key, known, prefix)
                continue
            name = self._spelling(key, prefix)
            if name is None:
                continue
            spelling[key.field] = name
            value = self.value(name, key.keep_lines)
            if value is None:
                broken.add(key.field)
            elif value not in ("None", "none") and not (value == "" and key.empty_is_unset):
                values[key.field] = value
                if text := old.danger(prefix + key.name, value, self.used.get("batchsubmitplugin")):
                    self.warn(text, name)
        try:
            filled = model.model_validate(values)
        except ValidationError as error:
            self._explain(error, known, prefix, spelling, broken)
            return None
        except Exception as error:  # noqa: BLE001  a plugin's own check may raise anything
            text = f"can't be checked: {type(error).__name__} in the settings of its plugin"
            self.error(text, prefix.rstrip(".") or None)
            return None
        return None if broken else filled

    def _spelling(self, key: Key, prefix: str) -> str | None:
        """The spelling that counts: the section before its defaults, the modern one before old ones."""
        modern = prefix + key.name
        if not key.old:
            return modern if modern in self.section else None
        spellings = (modern, *(prefix + spelling for spelling in key.old))
        there = [name for name in spellings if name in self.section]
        if not there:
            return None
        chosen = next((name for name in there if name in self.section.own), there[0])
        self.seen.update(there)
        for name in there:
            if name != chosen and name in self.section.own:
                self.warn(f"is not read, because {chosen} is set too", name)
        if chosen != modern:
            self.warn(f"is an old spelling; write {modern}", chosen)
        return chosen

    def _named(self, key: Key, known: Schema, prefix: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in [prefix + spelling for spelling in (*key.old, key.name)]:
            for name in self.section.under(start):
                if name.removeprefix(prefix) in known.plain:
                    continue
                value = self.value(name)
                if value is not None:
                    found[name.removeprefix(start)] = value
        return found

    def _explain(
        self, error: ValidationError, known: Schema, prefix: str, spelling: dict[str, str], broken: set[str]
    ) -> None:
        keys = {key.field: key for key in known.keys}
        told: set[str] = set()
        for detail in error.errors(include_url=False):
            field = str(detail["loc"][0]) if detail["loc"] else ""
            if field in broken or (field and field in told):
                continue
            told.add(field)
            key = keys.get(field)
            name = prefix.rstrip(".") if key is None else spelling.get(field, prefix + key.name)
            written = self.section[name].value if name in self.section else "?"
            self.error(wrong(detail, key, written), name or None)
