"""Carrying the host's pip settings into the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from _sandbox import pip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    return tmp_path


def test_files_become_variables_and_variables_win(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[global]\nindex-url = http://from-file.invalid\nextra-index-url =\n    http://a.invalid\n    http://b.invalid\n"
    (home / ".config" / "pip" / "pip.conf").write_text(text)
    monkeypatch.setenv("PIP_INDEX_URL", "http://from-variable.invalid")
    said = pip.environment()
    assert said["PIP_INDEX_URL"] == "http://from-variable.invalid"
    assert said["PIP_EXTRA_INDEX_URL"] == "http://a.invalid http://b.invalid"


def test_proxies_are_kept_and_settings_that_only_fit_the_host_are_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_TARGET", "/somewhere")
    said = pip.environment()
    assert said["https_proxy"] == "http://proxy.invalid:3128"
    assert not {"PIP_USER", "PIP_TARGET"} & set(said)


def test_files_of_the_system_that_settings_name_are_shown_where_no_other_system_is(tmp_path: Path) -> None:
    certificate = tmp_path / "ca.crt"
    certificate.touch()
    index = "http://x.invalid"
    values = {
        "PIP_CERT": str(certificate),
        "PIP_FIND_LINKS": f"/no/such/place file://{tmp_path}",
        "PIP_INDEX_URL": index,
    }
    inside, shown = pip.carried(values)
    assert inside == {
        "PIP_CERT": f"/run/host{certificate}",
        "PIP_FIND_LINKS": f"/no/such/place file:///run/host{tmp_path}",
        "PIP_INDEX_URL": index,
    }
    assert shown == {certificate: Path(f"/run/host{certificate}"), tmp_path: Path(f"/run/host{tmp_path}")}


def test_elsewhere_a_top_directory_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip, "SYSTEM", pip.SYSTEM - {"usr"})
    assert pip.carried({"PIP_FIND_LINKS": "/usr/bin"}) == ({"PIP_FIND_LINKS": "/usr/bin"}, {Path("/usr"): Path("/usr")})
