"""What a host must have before a root is built."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from _sandbox import debian
from _sandbox.places import Missing


@pytest.fixture
def subuid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of the host's, for an ordinary user."""
    monkeypatch.setattr(debian, "SUBUID", tmp_path / "subuid")
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    return tmp_path / "subuid"


@pytest.mark.parametrize("text", [None, "", "somebody:100000:65536\n"])
def test_a_user_without_sub_uids_is_told_in_one_line_what_to_run(subuid: Path, text: str | None) -> None:
    if text is not None:
        subuid.write_text(text)
    user = pwd.getpwuid(65534).pw_name
    with pytest.raises(Missing, match=f"^{user} has no sub-uids: as root, run: usermod --add-subuids .* {user}$"):
        debian.check()


def test_a_user_without_a_name_is_told_so(subuid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 3_999_999)
    with pytest.raises(Missing, match=r"^user id 3999999 has no name here"):
        debian.check()


def test_a_user_with_sub_uids_may_build(subuid: Path) -> None:
    subuid.write_text(f"{pwd.getpwuid(65534).pw_name}:100000:65536\n")
    debian.check()
