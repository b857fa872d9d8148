"""Read one file: its sections and keys, each with its line number."""

from __future__ import annotations

import configparser
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from factory.config.problems import Problem
from factory.settings.factory import account

MAX_BYTES = 2 * 1024 * 1024
"""Largest file that is read, about 3000 queues. The limits below keep the time to read any file short."""

MAX_LINES = 50_000
MAX_SECTIONS = 10_000
MAX_LINE = 64 * 1024

DEFAULT = "DEFAULT"
FACTORY = "Factory"

_HEADER = re.compile(r"\[(?P<header>[^]]+)\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A value as written, with its place; ``section`` is ``DEFAULT`` or the name of the section."""

    value: str
    file: str
    line: int
    section: str


@dataclass
class ScannedFile:
    """Contents of one file."""

    file: str
    sections: dict[str, dict[str, Entry]] = field(default_factory=dict)
    """Keys by section, including ``DEFAULT``; nothing is inherited yet."""
    lines: dict[str, int] = field(default_factory=dict)
    """Line of each section's header."""
    problems: list[Problem] = field(default_factory=list)

    def add_error(self, text: str, line: int | None = None, section: str | None = None, key: str | None = None) -> None:
        """Add an error."""
        self.problems.append(Problem(self.file, line, section, key, text))


class _Header:
    """Stand-in for configparser's SECTCRE that reports each header it matches."""

    def __init__(self, on_header: Callable[[str], None]) -> None:
        self._on_header = on_header

    def match(self, text: str) -> re.Match[str] | None:
        """Match a header that fills its line."""
        header = _HEADER.fullmatch(text)
        if header:
            self._on_header(header["header"])
        return header


class _Parser(configparser.RawConfigParser):
    """configparser that records the line of each section and key, and continues after a duplicate."""

    # As in Python 2. It is linear in the length of the line; the pattern of Python 3 is not.
    OPTCRE = re.compile(r"(?P<option>[^:=\s\[][^:=]*)(?P<vi>[:=])\s*(?P<value>.*)$")

    def __init__(self, into: ScannedFile) -> None:
        super().__init__(strict=False, default_section="\n", inline_comment_prefixes=(";",))
        self.SECTCRE = _Header(self._on_section)  # type: ignore[assignment]
        self.into = into
        self.line = 0
        self.section = ""
        self.key_lines: dict[tuple[str, str], int] = {}

    def numbered(self, lines: list[str]) -> Iterator[str]:
        """Yield the lines and keep the number of the current one."""
        for self.line, line in enumerate(lines, 1):
            yield line

    def _on_section(self, name: str) -> None:
        self.section = name
        first = self.into.lines.setdefault(name, self.line)
        if first != self.line:
            self.into.add_error(f"this section is already in line {first}; merge the two", self.line, name)

    def optionxform(self, key: str) -> str:
        """Return the key as it is written. configparser calls this once for each key it reads."""
        first = self.key_lines.setdefault((self.section, key), self.line)
        if first != self.line:
            self.into.add_error(f"is already set in line {first}; keep one of the two", self.line, self.section, key)
        return key


class UnreadableFile(Exception):
    """A file that can't be parsed as text, with the reason and the line that shows it."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


def scan(path: Path) -> ScannedFile:
    """Return the sections and keys of one file; everything unreadable is among its problems."""
    into = ScannedFile(str(path))
    try:
        text = _decode(_read(path))
    except UnreadableFile as error:
        into.add_error(str(error), error.line)
    else:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if len(lines) > MAX_LINES:
            into.add_error(f"has {len(lines)} lines; split the file, the limit is {MAX_LINES}")
        elif too_long := next((number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE), None):
            length = len(lines[too_long - 1])
            into.add_error(f"this line has {length} characters; shorten it, the limit is {MAX_LINE}", too_long)
        else:
            _parse(lines, into)
    return into


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableFile("is a directory; name a file")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFile("is not a regular file")
        if status.st_size > MAX_BYTES:
            raise UnreadableFile(f"has {status.st_size} bytes; split the file, the limit is {MAX_BYTES}")
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableFile("no such file; check the path") from None
    except PermissionError:
        raise UnreadableFile(f"is not readable by the account {account()}; change its owner or mode") from None
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"can't be read: {getattr(error, 'strerror', None) or error}") from None


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFile("is UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise UnreadableFile("is a binary file; name a text file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8", line) from None
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise UnreadableFile(f"has the control character 0x{ord(control[0]):02x}; remove it", line)
    return text


def _parse(lines: list[str], into: ScannedFile) -> None:
    first = next((i for i, line in enumerate(lines) if _has_content(line)), len(lines))
    if first < len(lines) and not lines[first].lstrip().startswith("["):
        into.add_error("text before the first [section]; put a section header above it", first + 1)
        first = next((i for i, line in enumerate(lines) if line.startswith("[")), len(lines))
        lines = [""] * first + lines[first:]
    parser = _Parser(into)
    try:
        parser.read_file(parser.numbered(lines), into.file)
    except configparser.MissingSectionHeaderError as error:
        into.add_error("this line is not a section header; write [NAME]", error.lineno)
    except configparser.ParsingError as error:
        for number, _ in error.errors:
            into.add_error("this line is neither a section header nor a key; write [NAME] or key = value", number)
    if len(into.lines) > MAX_SECTIONS:
        into.add_error(f"has {len(into.lines)} sections; split the file, the limit is {MAX_SECTIONS}")
        return
    for section in parser.sections():
        into.sections[section] = {
            key: Entry(value, into.file, parser.key_lines[section, key], section)
            for key, value in parser.items(section, raw=True)
        }


def _has_content(line: str) -> bool:
    line = line.strip()
    return bool(line) and not line.startswith(("#", ";"))
