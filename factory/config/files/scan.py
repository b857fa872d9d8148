"""Reading one file: its sections and keys, each with the line where it stands."""

from __future__ import annotations

import configparser
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from factory.config.problems import Problem

MAX_BYTES = 2 * 1024 * 1024
"""A larger file is refused: 2 MiB are some three thousand queues. What a file may have keeps reading it short."""

MAX_LINES = 50_000
MAX_SECTIONS = 10_000
MAX_LINE = 64 * 1024

DEFAULT = "DEFAULT"

_HEADER = re.compile(r"\[(?P<header>[^]]+)\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A value as it is written, and where: ``section`` is ``DEFAULT`` or the section's own name."""

    value: str
    file: str
    line: int
    section: str


@dataclass
class Scanned:
    """What one file says."""

    file: str
    sections: dict[str, dict[str, Entry]] = field(default_factory=dict)
    """Keys by section, ``DEFAULT`` among them; nothing is inherited yet."""
    lines: dict[str, int] = field(default_factory=dict)
    """Line of each section's header."""
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, text: str, line: int | None = None, section: str | None = None, key: str | None = None) -> None:
        """Add an error."""
        self.problems.append(Problem(self.file, line, section, key, text))


class _Header:
    """In the place of configparser's SECTCRE: matches a header and notes it."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.note = note

    def match(self, text: str) -> re.Match[str] | None:
        """A header that fills its line."""
        found = _HEADER.fullmatch(text)
        if found:
            self.note(found["header"])
        return found


class _Parser(configparser.RawConfigParser):
    """configparser that notes the line of each section and key, and goes on after a duplicate."""

    # As in Python 2, and linear in the length of the line, which the one of Python 3 is not.
    OPTCRE = re.compile(r"(?P<option>[^:=\s\[][^:=]*)(?P<vi>[:=])\s*(?P<value>.*)$")

    def __init__(self, into: Scanned) -> None:
        super().__init__(strict=False, default_section="\n", inline_comment_prefixes=(";",))
        self.SECTCRE = _Header(self._note_section)  # type: ignore[assignment]
        self.into = into
        self.line = 0
        self.section = ""
        self.key_lines: dict[tuple[str, str], int] = {}

    def numbered(self, lines: list[str]) -> Iterator[str]:
        """The lines, one by one, so that the line that is being parsed is known."""
        for self.line, line in enumerate(lines, 1):
            yield line

    def _note_section(self, name: str) -> None:
        self.section = name
        first = self.into.lines.setdefault(name, self.line)
        if first != self.line:
            self.into.wrong(f"this section is in line {first} too: join the two", self.line, name)

    def optionxform(self, key: str) -> str:
        """Keys keep their spelling; called once for each key as it is read."""
        first = self.key_lines.setdefault((self.section, key), self.line)
        if first != self.line:
            text = f"is set in line {first} too: keep one of the two"
            self.into.wrong(text, self.line, self.section, key)
        return key


class Unreadable(Exception):
    """A file that is no text to parse, why, and in which line that shows."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


def scan(path: Path) -> Scanned:
    """The sections and keys of one file; what can't be read is among its problems."""
    into = Scanned(str(path))
    try:
        text = _decode(_read(path))
    except Unreadable as reason:
        into.wrong(str(reason), reason.line)
    else:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if len(lines) > MAX_LINES:
            into.wrong(f"has {len(lines)} lines; a configuration file may have {MAX_LINES}")
        elif long := next((number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE), None):
            into.wrong(f"has {len(lines[long - 1])} characters; a line may have {MAX_LINE}", long)
        else:
            _parse(lines, into)
    return into


def _read(path: Path) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise Unreadable("is a directory, not a file")
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable("is no regular file")
        if found.st_size > MAX_BYTES:
            size, limit = (number / 1024 / 1024 for number in (found.st_size, MAX_BYTES))
            raise Unreadable(f"has {size:.0f} MiB; a configuration file may have {limit:.0f}")
        return path.read_bytes()
    except FileNotFoundError:
        raise Unreadable("there is no such file") from None
    except PermissionError:
        raise Unreadable("may not be read by the account that runs apf") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"can't be read: {getattr(error, 'strerror', None) or error}") from None


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("is UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise Unreadable("is a binary file, not a configuration")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8", line) from None
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise Unreadable(f"has the control character 0x{ord(control[0]):02x}; remove it", line)
    return text


def _parse(lines: list[str], into: Scanned) -> None:
    first = next((i for i, line in enumerate(lines) if _says_something(line)), len(lines))
    if first < len(lines) and not lines[first].lstrip().startswith("["):
        into.wrong("stands before the first [section]; put a section header above it", first + 1)
        first = next((i for i, line in enumerate(lines) if line.startswith("[")), len(lines))
        lines = [""] * first + lines[first:]
    parser = _Parser(into)
    try:
        parser.read_file(parser.numbered(lines), into.file)
    except configparser.MissingSectionHeaderError as error:
        into.wrong("is no [section] header", error.lineno)
    except configparser.ParsingError as error:
        for number, _ in error.errors:
            into.wrong("is neither [section] nor key = value", number)
    if len(into.lines) > MAX_SECTIONS:
        into.wrong(f"has {len(into.lines)} sections; a configuration file may have {MAX_SECTIONS}")
        return
    for section in parser.sections():
        into.sections[section] = {
            key: Entry(value, into.file, parser.key_lines[section, key], section)
            for key, value in parser.items(section, raw=True)
        }


def _says_something(line: str) -> bool:
    line = line.strip()
    return bool(line) and not line.startswith(("#", ";"))


FACTORY = "Factory"
