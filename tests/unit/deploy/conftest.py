"""Checkouts with packages of their own cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig.checkouts import Checkout, Shell


@pytest.fixture
def shell() -> Shell:
    return Shell()


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell) -> Checkout:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Checkout(tmp_path / "one", monkeypatch, shell)


@pytest.fixture
def two(one: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell) -> Checkout:
    return Checkout(tmp_path / "a second one", monkeypatch, shell)
