"""Merge files into sections: each section's own keys, and the defaults behind them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from factory.config.files.scan import DEFAULT, Entry, ScannedFile, scan
from factory.config.problems import Problem


class Defaults(dict[str, Entry]):
    """The ``[DEFAULT]`` keys of one file, or of all files of one directory."""

    def __init__(self) -> None:
        super().__init__()
        self._by_prefix: dict[str, list[str]] = {}

    def with_prefix(self, prefix: str) -> list[str]:
        """Return the keys that are longer than this prefix and start with it. Cached: add all keys before."""
        if prefix not in self._by_prefix:
            self._by_prefix[prefix] = [key for key in self if key.startswith(prefix) and key != prefix]
        return self._by_prefix[prefix]


class Section(Mapping[str, Entry]):
    """A section after all files are read: its own keys, and behind them the defaults of its files.

    A section's own key always wins, even against a default of a file that is read later.
    """

    def __init__(self, name: str, file: str, line: int) -> None:
        self.name = name
        self.file = file
        self.line = line
        self.own: dict[str, Entry] = {}
        self.defaults: list[Defaults] = []
        """Defaults of the files that have this section, the latest file first."""

    def __getitem__(self, key: str) -> Entry:
        if key in self.own:
            return self.own[key]
        for defaults in self.defaults:
            if key in defaults:
                return defaults[key]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key in self.own or any(key in defaults for defaults in self.defaults)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key for entries in (self.own, *self.defaults) for key in entries))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def with_prefix(self, prefix: str) -> list[str]:
        """Return the keys that are longer than this prefix and start with it."""
        keys = [key for key in self.own if key.startswith(prefix) and key != prefix]
        for defaults in self.defaults:
            keys += defaults.with_prefix(prefix)
        return list(dict.fromkeys(keys))


Group = Sequence[ScannedFile]
"""Files that share their ``[DEFAULT]``: one file, or the files of one directory."""


def local_path(text: str) -> Path:
    """Return the path of a local file; ``~`` and ``file://`` are expanded.

    Raises:
        ValueError: the text is a URL of another kind.
    """
    if text.startswith("file:"):
        rest = text.removeprefix("file:").lstrip("/")
        text = rest if rest.startswith("~") else f"/{rest}"
    elif ":/" in text and text.split(":/")[0].isalpha():
        raise ValueError(f"{text!r} is not a local file; download it and give its path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def read_file(path: Path) -> Group:
    """Read one file."""
    return (scan(path),)


def read_directory(path: Path) -> Group:
    """Read the ``*.conf`` files of a directory in the order of their names."""
    try:
        files = sorted(file for file in path.iterdir() if file.name.endswith(".conf"))
    except (OSError, ValueError) as error:
        unreadable = ScannedFile(str(path))
        unreadable.add_error(f"can't be read as a directory: {getattr(error, 'strerror', None) or error}")
        return (unreadable,)
    if not files:
        empty = Problem(
            str(path), None, None, None, "has no *.conf file; add one, or name another directory", "warning"
        )
        return (ScannedFile(str(path), problems=[empty]),)
    return tuple(scan(file) for file in files)


def read_path(path: Path) -> Group:
    """Read a file, or the ``*.conf`` files of a directory."""
    return read_directory(path) if os.path.isdir(path) else read_file(path)


def merge_groups(groups: Sequence[Group]) -> tuple[dict[str, Section], list[Defaults], list[Problem]]:
    """Return the sections of all files, the ``[DEFAULT]`` of each group, and warnings about overridden keys.

    A later file overrides an earlier one.
    """
    sections: dict[str, Section] = {}
    all_defaults: list[Defaults] = []
    problems: list[Problem] = []
    for group in groups:
        defaults = Defaults()
        for file in group:
            for key, entry in file.sections.get(DEFAULT, {}).items():
                _set(defaults, key, entry, problems)
        if defaults:
            all_defaults.append(defaults)
            if not any(name != DEFAULT for file in group for name in file.lines):
                first = next(iter(defaults.values()))
                text = "has no effect: it applies only to sections of its own file; move it there"
                problems.append(Problem(first.file, None, DEFAULT, None, text, "warning"))
        for file in group:
            for name, entries in file.sections.items():
                if name == DEFAULT:
                    continue
                section = sections.setdefault(name, Section(name, file.file, file.lines[name]))
                if defaults and not any(known is defaults for known in section.defaults):
                    section.defaults.insert(0, defaults)
                for key, entry in entries.items():
                    _set(section.own, key, entry, problems)
    return sections, all_defaults, problems


def _set(into: dict[str, Entry], key: str, entry: Entry, problems: list[Problem]) -> None:
    before = into.get(key)
    if before is not None and before.value != entry.value:
        text = f"overrides {before.file}:{before.line}; keep one of the two"
        problems.append(Problem(entry.file, entry.line, entry.section, key, text, "warning"))
    into[key] = entry
