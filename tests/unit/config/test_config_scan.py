"""A file is read with the line of every section and key, or what is wrong with it is said in plain words."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config.files.scan import MAX_BYTES, MAX_LINE, MAX_LINES, MAX_SECTIONS, scan
from tests.rig.configs import write


def test_sections_and_keys_keep_their_spelling_and_their_lines(tmp_path: Path) -> None:
    scanned = scan(write(tmp_path, "# a comment\n[Q1]\ntag_Name = x\n\n[DEFAULT]\n  Tag: y ; said aside\n"))
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
def test_values_are_read_as_in_the_old_system(tmp_path: Path, written: str, value: str) -> None:
    scanned = scan(write(tmp_path, f"[Q]\nkey = {written}\nother = 1\n"))
    assert scanned.sections["Q"]["key"].value == value
    assert scanned.sections["Q"]["other"].value == "1"


@pytest.mark.parametrize(
    "data",
    ["[Q]\nkey = 1\n".encode("utf-8-sig"), b"[Q]\r\nkey = 1\r\n", b"[Q]\rkey = 1", b"\n\n[Q]\nkey: 1"],
    ids=["BOM", "CRLF", "CR", "blank lines"],
)
def test_how_an_editor_saves_does_not_matter(tmp_path: Path, data: bytes) -> None:
    scanned = scan(write(tmp_path, data))
    assert not scanned.problems
    assert scanned.sections["Q"]["key"].value == "1"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"[Q]\na = 1\nb = \xe9\n", "3: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("[Q]\n".encode("utf-16"), " is UTF-16; save it as UTF-8"),
        (b"\x7fELF\x00\x01", " is a binary file, not a configuration"),
        (b"[Q]\na = \x07\n", "2: has the control character 0x07; remove it"),
        (b"a = 1\nb = 2\n[Q]\nc = 3\n", "1: stands before the first [section]; put a section header above it"),
        (b"[]\n", "1: is no [section] header"),
        (b"[Q]\nhello\n", "2: is neither [section] nor key = value"),
        (b"[Q] x\n", "1: is no [section] header"),
        (b"[P]\n[Q]: x\n", "2: is neither [section] nor key = value"),
        (b"[P]\n[Q] x\n", "2: is neither [section] nor key = value"),
        (b"[Q]\n= 1\n", "2: is neither [section] nor key = value"),
        (b"[Q]\na = 1\n[Q]\nb = 1\n", "3: [Q] this section is in line 1 too: join the two"),
        (b"[DEFAULT]\na = 1\n[DEFAULT]\n", "3: [DEFAULT] this section is in line 1 too: join the two"),
        (b"[Q]\na = 1\nb = 1\na = 2\n", "4: [Q] a: is set in line 2 too: keep one of the two"),
        (b"[Q]\n" * 2 + b"x" * (MAX_LINE + 1), "3: has 65537 characters; a line may have 65536"),
        (b"#\n" * MAX_LINES, f" has {MAX_LINES + 1} lines; a configuration file may have {MAX_LINES}"),
        (
            "".join(f"[{i}]\n" for i in range(MAX_SECTIONS + 1)).encode(),
            f" has {MAX_SECTIONS + 1} sections; a configuration file may have {MAX_SECTIONS}",
        ),
        (b"#" * (MAX_BYTES + 1), " has 2 MiB; a configuration file may have 2"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(tmp_path: Path, data: bytes, told: str) -> None:
    path = write(tmp_path, data)
    assert [str(problem) for problem in scan(path).problems] == [f"{path}:{told}"]


def test_all_that_is_wrong_in_a_file_is_found_at_once(tmp_path: Path) -> None:
    scanned = scan(write(tmp_path, "stray = 1\n[Q]\nhello\na = 1\na = 2\n[Q]\nb = 1\n"))
    assert [problem.line for problem in scanned.problems] == [1, 5, 6, 3]
    assert scanned.sections["Q"]["b"].value == "1"


def test_what_is_no_readable_file_is_said_in_plain_words(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    told = {path: str(scan(path).problems[0]).removeprefix(f"{path}: ") for path in (
        tmp_path / "missing", tmp_path, tmp_path / "fifo", tmp_path / "loop", Path("a\0b"), tmp_path / ("x" * 300),
    )}  # fmt: skip
    assert list(told.values())[:3] == ["there is no such file", "is a directory, not a file", "is no regular file"]
    assert all(text.startswith("can't be read: ") for text in list(told.values())[3:])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said_to_be_one(tmp_path: Path) -> None:
    path = write(tmp_path, "[Q]\n")
    path.chmod(0)
    assert "may not be read by the account that runs apf" in str(scan(path).problems[0])


_line = st.one_of(
    st.sampled_from(
        ["[Q]", "[R]", "[DEFAULT]", "", "  ", "# c", "  more", "a = 1 ; c", "  b: 2", ";x", "c =", "\t[S]"]
    ),
    st.text(st.sampled_from("abc =:[]#; \t%"), max_size=12),
)


@given(st.lists(_line, max_size=20).map("\n".join))
def test_a_file_without_problems_means_what_configparser_says(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    scanned = scan(write(tmp_path_factory.getbasetemp(), text))
    if scanned.problems:
        return
    parser = configparser.RawConfigParser(default_section="\n", inline_comment_prefixes=(";",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    values = {name: {key: e.value for key, e in keys.items()} for name, keys in scanned.sections.items()}
    assert values == {name: dict(parser.items(name)) for name in parser.sections()}
