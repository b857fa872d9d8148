"""From files to sections: which files are read, and what a section says after all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from factory.config.files.scan import DEFAULT, Entry, Scanned, scan
from factory.config.problems import Problem


class Defaults(dict[str, Entry]):
    """The ``[DEFAULT]`` of a file, or of the files of a directory."""

    def __init__(self) -> None:
        super().__init__()
        self._under: dict[str, list[str]] = {}

    def under(self, prefix: str) -> list[str]:
        """Keys that start with a prefix and go on. To be asked once all keys are there."""
        if prefix not in self._under:
            self._under[prefix] = [key for key in self if key.startswith(prefix) and key != prefix]
        return self._under[prefix]


class Section(Mapping[str, Entry]):
    """A section after all files: its own keys, and behind them the defaults of the files it stands in.

    An own key always wins, also against a default of a file that was read later.
    """

    def __init__(self, name: str, file: str, line: int) -> None:
        self.name = name
        self.file = file
        self.line = line
        self.own: dict[str, Entry] = {}
        self.defaults: list[Defaults] = []
        """The latest first."""

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

    def under(self, prefix: str) -> list[str]:
        """Keys that start with a prefix and go on."""
        keys = [key for key in self.own if key.startswith(prefix) and key != prefix]
        for defaults in self.defaults:
            keys += defaults.under(prefix)
        return list(dict.fromkeys(keys))


Group = Sequence[Scanned]
"""Files that share their ``[DEFAULT]``: one file, or the files of one directory."""


def local_path(text: str) -> Path:
    """Path from what a person writes: ``~`` and ``file://`` are understood.

    Raises:
        ValueError: it is the address of something that is not a local file.
    """
    if text.startswith("file:"):
        rest = text.removeprefix("file:").lstrip("/")
        text = rest if rest.startswith("~") else f"/{rest}"
    elif ":/" in text and text.split(":/")[0].isalpha():
        raise ValueError(f"{text!r} is not a local file; fetch it and give its path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def read_file(path: Path) -> Group:
    """One file."""
    return (scan(path),)


def read_directory(path: Path) -> Group:
    """The ``*.conf`` of a directory in the order of their names."""
    try:
        files = sorted(file for file in path.iterdir() if file.name.endswith(".conf"))
    except (OSError, ValueError) as error:
        there = Scanned(str(path))
        there.wrong(f"no directory to read: {getattr(error, 'strerror', None) or error}")
        return (there,)
    if not files:
        nothing = Problem(str(path), None, None, None, "has no file *.conf", "warning")
        return (Scanned(str(path), problems=[nothing]),)
    return tuple(scan(file) for file in files)


def read_path(path: Path) -> Group:
    """A file, or a directory."""
    return read_directory(path) if os.path.isdir(path) else read_file(path)


def merge_groups(groups: Sequence[Group]) -> tuple[dict[str, Section], list[Defaults], list[Problem]]:
    """The sections of all files, the ``[DEFAULT]`` of each group, and what is worth a look.

    The later file wins; that it does so is a warning.
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
                text = "has no effect: a file's [DEFAULT] is for the sections of that file"
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
        text = f"takes the place of {before.file}:{before.line}"
        problems.append(Problem(entry.file, entry.line, entry.section, key, text, "warning"))
    into[key] = entry
