"""Finding the Debian mirror of a host."""

from __future__ import annotations

from pathlib import Path

import pytest
from _sandbox import apt
from _sandbox.places import Missing


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources of an apt of its own, in its older format; no lists have been fetched yet."""
    config = tmp_path / "apt.conf"
    listed = tmp_path / "sources.list"
    listed.touch()
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    config.write_text(
        f'Dir::Etc::SourceList "{listed}";\nDir::Etc::SourceParts "/dev/null";\nDir::State::Lists "{tmp_path}/lists";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    monkeypatch.delenv("SANDBOX_MIRROR", raising=False)
    return listed


debian = pytest.mark.skipif(not Path("/usr/bin/apt-get").exists(), reason="no apt here")


@debian
def test_the_mirror_is_where_the_host_gets_debian_and_not_where_it_gets_updates_or_others(sources: Path) -> None:
    sources.write_text(
        "deb [trusted=yes] http://other.invalid/debian-tools stable contrib\n"
        "deb http://other.invalid/tools bookworm main\n"
        "deb http://mirror.invalid/debian-security bookworm-security main\n"
        "deb http://mirror.invalid/debian bookworm main contrib\n"
    )
    assert apt.mirror() == "http://mirror.invalid/debian"


@debian
def test_without_a_debian_mirror_the_error_says_what_to_set(sources: Path) -> None:
    sources.write_text("deb http://mirror.invalid/ubuntu noble main\n")
    with pytest.raises(Missing, match="set SANDBOX_MIRROR"):
        apt.mirror()


def test_a_mirror_that_is_asked_for_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_MIRROR", "http://mine.invalid/debian")
    assert apt.mirror() == "http://mine.invalid/debian"


@debian
def test_proxy_and_certificates_of_the_host_are_kept_and_nothing_else(sources: Path) -> None:
    config = sources.with_name("apt.conf")
    config.write_text(config.read_text() + 'Acquire::http::Proxy "http://proxy.invalid:3128";\nAPT::Periodic "0";\n')
    assert apt.options() == ['Acquire::http::Proxy "http://proxy.invalid:3128";']
