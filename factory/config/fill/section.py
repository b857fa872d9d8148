"""Fill a settings model from a section, and collect the problems."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from factory.config.files.interpolate import Resolver, UnresolvedReference
from factory.config.files.scan import DEFAULT
from factory.config.files.sections import Section
from factory.config.fill import autopyfactory as old
from factory.config.fill.messages import describe_error
from factory.config.fill.schema import Key, Schema, schema
from factory.config.problems import Problem
from factory.settings.types import Settings

S = TypeVar("S", bound=Settings)

MAX_ERRORS = 1000
"""Number of errors after which checking stops."""


class TooManyErrors(Exception):
    """The configuration has more than ``MAX_ERRORS`` errors."""


class Problems:
    """Collected problems. A problem in ``[DEFAULT]`` is kept once, with the queues it affects."""

    def __init__(self) -> None:
        self._queues: dict[Problem, list[str]] = {}
        self._errors = 0

    def add(self, problem: Problem, queue: str | None = None) -> None:
        """Add a problem.

        Raises:
            TooManyErrors: there are more than ``MAX_ERRORS`` errors.
        """
        if problem.severity == "error" and problem not in self._queues:
            self._errors += 1
            if self._errors > MAX_ERRORS:
                raise TooManyErrors
        queues = self._queues.setdefault(problem, [])
        if queue is not None and problem.section == DEFAULT:
            queues.append(queue)

    def all(self) -> list[Problem]:
        """Return errors and warnings by file and line, without warnings that are also errors."""
        problems = [
            replace(problem, text=problem.text + _about(queues))
            for problem, queues in self._queues.items()
            if problem.severity == "error" or replace(problem, severity="error") not in self._queues
        ]
        return sorted(problems, key=lambda problem: (problem.file, problem.line or 0))


def _about(queues: list[str]) -> str:
    if not queues:
        return ""
    more = f" and {len(queues) - 1} more" if len(queues) > 1 else ""
    return f" (queue {queues[0]}{more})"


class SectionReader:
    """Reads one section and collects its problems."""

    def __init__(self, section: Section, problems: Problems, lenient: bool = False) -> None:
        self.section = section
        self.problems = problems
        self.lenient = lenient
        """True reports errors as warnings, because the queue does not run."""
        self.resolver = Resolver(section)
        self.used: dict[str, str] = {}
        """Value of each key that was read."""
        self.seen: set[str] = set()
        """Keys that were read, or could not be read."""
        self.failed = False

    def error(self, text: str, key: str | None = None) -> None:
        """Add an error about a key or, without one, about the section."""
        self.failed = True
        self._add_problem(text, key, "warning" if self.lenient else "error")

    def warn(self, text: str, key: str | None = None) -> None:
        """Add a warning about a key or, without one, about the section."""
        self._add_problem(text, key, "warning")

    def add(self, severity: str, text: str, key: str) -> None:
        """Add an error or a warning about a key."""
        (self.error if severity == "error" else self.warn)(text, key)

    def check_references(self, key: str) -> None:
        """Add an error if a reference in the value can't be replaced."""
        try:
            self.resolver.value(key)
        except UnresolvedReference as error:
            self.error(str(error), key)

    def value_or_text(self, key: str) -> str:
        """Return the value of a key or, if a reference can't be replaced, the text as it is written."""
        try:
            return self.resolver.value(key)
        except UnresolvedReference:
            return self.section[key].value

    def _add_problem(self, text: str, key: str | None, severity: Any) -> None:
        section = self.section
        entry = section.get(key) if key is not None else None
        if entry is not None:
            problem = Problem(entry.file, entry.line, entry.section, key, text, severity)
        else:
            problem = Problem(section.file, section.line or None, section.name, key, text, severity)
        self.problems.add(problem, section.name)

    def value(self, key: str, keep_lines: bool = False) -> str | None:
        """Return the value of a key in the section, with references and ``~`` replaced; None if that failed."""
        self.seen.add(key)
        try:
            value = self.resolver.value(key)
        except UnresolvedReference as error:
            self.error(str(error), key)
            return None
        if "\n" in value and not keep_lines:
            value = " ".join(line for line in value.split("\n") if line)
        if value.startswith("~"):
            value = os.path.expanduser(value)
        self.used[key] = value
        return value

    def fill(self, model: type[S], prefix: str = "", **given: Any) -> S | None:
        """Return the model filled from the keys with this prefix, or None if one of them is wrong."""
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
                if text := old.risky_value(prefix + key.name, value, self.used.get("batchsubmitplugin")):
                    self.warn(text, name)
        try:
            filled = model.model_validate(values)
        except ValidationError as error:
            self._add_errors(error, known, prefix, spelling, broken)
            return None
        except Exception as error:  # noqa: BLE001  a plugin's own check may raise anything
            text = f"can't be checked: the plugin's Settings raised {type(error).__name__}; report this to its author"
            self.error(text, prefix.rstrip(".") or None)
            return None
        return None if broken else filled

    def _spelling(self, key: Key, prefix: str) -> str | None:
        """Return the spelling that counts: the section goes before defaults, the new spelling before old ones."""
        modern = prefix + key.name
        if not key.old:
            return modern if modern in self.section else None
        spellings = (modern, *(prefix + spelling for spelling in key.old))
        present = [name for name in spellings if name in self.section]
        if not present:
            return None
        chosen = next((name for name in present if name in self.section.own), present[0])
        self.seen.update(present)
        for name in present:
            if name != chosen and name in self.section.own:
                self.warn(f"is not read, because {chosen} is set too; remove it", name)
        if chosen != modern:
            self.warn(f"is an old spelling; write {modern}", chosen)
        return chosen

    def _named(self, key: Key, known: Schema, prefix: str) -> dict[str, str]:
        values: dict[str, str] = {}
        for start in [prefix + spelling for spelling in (*key.old, key.name)]:
            for name in self.section.with_prefix(start):
                if name.removeprefix(prefix) in known.plain:
                    continue
                value = self.value(name)
                if value is not None:
                    values[name.removeprefix(start)] = value
        return values

    def _add_errors(
        self, error: ValidationError, known: Schema, prefix: str, spelling: dict[str, str], broken: set[str]
    ) -> None:
        keys = {key.field: key for key in known.keys}
        reported: set[str] = set()
        for detail in error.errors(include_url=False):
            field = str(detail["loc"][0]) if detail["loc"] else ""
            if field in broken or (field and field in reported):
                continue
            reported.add(field)
            key = keys.get(field)
            name = prefix.rstrip(".") if key is None else spelling.get(field, prefix + key.name)
            written = self.section[name].value if name in self.section else "?"
            self.error(describe_error(detail, key, written), name or None)
