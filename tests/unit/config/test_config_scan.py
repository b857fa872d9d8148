"""Tests of reading one file: line numbers, values, and errors in plain words."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config.files.scan import MAX_BYTES, MAX_LINE, MAX_LINES, MAX_SECTIONS, scan
from factory.settings.factory import account
from tests.rig.configs import write


def test_keeps_spelling_and_lines_of_sections_and_keys(tmp_path: Path) -> None:
    scanned = scan(write(tmp_path, "# a comment\n[Q1]\ntag_Name = x\n\n[DEFAULT]\n  Tag: y ; comment\n"))
    assert not scanned.problems
    assert scanned.lines == {"Q1": 2, "DEFAULT": 5}
    entries = {name: {key: (e.value, e.line) for key, e in keys.items()} for name, keys in scanned.sections.items()}
    assert entries == {"Q1": {"tag_Name": ("x", 3)}, "DEFAULT": {"Tag": ("y", 6)}}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a", "a"),
        ("a ; comment", "a"),
        ("a;b", "a;b"),
        ("a # b", "a # b"),
        ("a = b : c", "a = b : c"),
        ("a\n  b\n  c", "a\nb\nc"),
        ("a\n  # comment\n  b", "a\nb"),
        ("", ""),
        ("%(x)s %", "%(x)s %"),
    ],
)
def test_reads_values_as_autopyfactory_did(tmp_path: Path, written: str, value: str) -> None:
    scanned = scan(write(tmp_path, f"[Q]\nkey = {written}\nother = 1\n"))
    assert scanned.sections["Q"]["key"].value == value
    assert scanned.sections["Q"]["other"].value == "1"


@pytest.mark.parametrize(
    "data",
    ["[Q]\nkey = 1\n".encode("utf-8-sig"), b"[Q]\r\nkey = 1\r\n", b"[Q]\rkey = 1", b"\n\n[Q]\nkey: 1"],
    ids=["BOM", "CRLF", "CR", "blank lines"],
)
def test_accepts_bom_and_all_line_endings(tmp_path: Path, data: bytes) -> None:
    scanned = scan(write(tmp_path, data))
    assert not scanned.problems
    assert scanned.sections["Q"]["key"].value == "1"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[Q]\na = 1\nb = \xe9\n", "3: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("[Q]\n".encode("utf-16"), " is UTF-16; save it as UTF-8"),
        (b"\x7fELF\x00\x01", " is a binary file; name a text file"),
        (b"[Q]\na = \x07\n", "2: has the control character 0x07; remove it"),
        (b"a = 1\nb = 2\n[Q]\nc = 3\n", "1: text before the first [section]; put a section header above it"),
        (b"[]\n", "1: this line is not a section header; write [NAME]"),
        (b"[Q]\nhello\n", "2: this line is neither a section header nor a key; write [NAME] or key = value"),
        (b"[Q] x\n", "1: this line is not a section header; write [NAME]"),
        (b"[P]\n[Q]: x\n", "2: this line is neither a section header nor a key; write [NAME] or key = value"),
        (b"[P]\n[Q] x\n", "2: this line is neither a section header nor a key; write [NAME] or key = value"),
        (b"[Q]\n= 1\n", "2: this line is neither a section header nor a key; write [NAME] or key = value"),
        (b"[Q]\na = 1\n[Q]\nb = 1\n", "3: [Q] this section is already in line 1; merge the two"),
        (b"[DEFAULT]\na = 1\n[DEFAULT]\n", "3: [DEFAULT] this section is already in line 1; merge the two"),
        (b"[Q]\na = 1\nb = 1\na = 2\n", "4: [Q] a: is already set in line 2; keep one of the two"),
        (b"[Q]\n" * 2 + b"x" * (MAX_LINE + 1), "3: this line has 65537 characters; shorten it, the limit is 65536"),
        (b"#\n" * MAX_LINES, f" has {MAX_LINES + 1} lines; split the file, the limit is {MAX_LINES}"),
        (
            "".join(f"[{i}]\n" for i in range(MAX_SECTIONS + 1)).encode(),
            f" has {MAX_SECTIONS + 1} sections; split the file, the limit is {MAX_SECTIONS}",
        ),
        (b"#" * (MAX_BYTES + 1), f" has {MAX_BYTES + 1} bytes; split the file, the limit is {MAX_BYTES}"),
    ],
)
def test_reports_what_is_wrong_with_a_file(tmp_path: Path, data: bytes, message: str) -> None:
    path = write(tmp_path, data)
    assert [str(problem) for problem in scan(path).problems] == [f"{path}:{message}"]


def test_reports_all_errors_of_a_file_at_once(tmp_path: Path) -> None:
    scanned = scan(write(tmp_path, "stray = 1\n[Q]\nhello\na = 1\na = 2\n[Q]\nb = 1\n"))
    assert [problem.line for problem in scanned.problems] == [1, 5, 6, 3]
    assert scanned.sections["Q"]["b"].value == "1"


def test_reports_paths_that_are_not_readable_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    errors = {path: str(scan(path).problems[0]).removeprefix(f"{path}: ") for path in (
        tmp_path / "missing", tmp_path, tmp_path / "fifo", tmp_path / "loop", Path("a\0b"), tmp_path / ("x" * 300),
    )}  # fmt: skip
    assert list(errors.values())[:3] == [
        "no such file; check the path",
        "is a directory; name a file",
        "is not a regular file",
    ]
    assert all(text.startswith("can't be read: ") for text in list(errors.values())[3:])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_reports_a_file_without_read_permission(tmp_path: Path) -> None:
    path = write(tmp_path, "[Q]\n")
    path.chmod(0)
    assert f"is not readable by the account {account()}; change its owner or mode" in str(scan(path).problems[0])


_line = st.one_of(
    st.sampled_from(
        ["[Q]", "[R]", "[DEFAULT]", "", "  ", "# c", "  more", "a = 1 ; c", "  b: 2", ";x", "c =", "\t[S]"]
    ),
    st.text(st.sampled_from("abc =:[]#; \t%"), max_size=12),
)


@given(st.lists(_line, max_size=20).map("\n".join))
def test_valid_files_read_as_configparser_reads_them(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    scanned = scan(write(tmp_path_factory.getbasetemp(), text))
    if scanned.problems:
        return
    parser = configparser.RawConfigParser(default_section="\n", inline_comment_prefixes=(";",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    values = {name: {key: e.value for key, e in keys.items()} for name, keys in scanned.sections.items()}
    assert values == {name: dict(parser.items(name)) for name in parser.sections()}
