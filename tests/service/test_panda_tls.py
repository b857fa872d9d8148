"""Panda over HTTPS: certificates, tokens, and secrets that never appear in messages."""

from pathlib import Path
from typing import Any

import pytest

from factory.model.status import Unknown, WmsStatus
from tests.rig.httpserver import Reply
from tests.rig.panda import JOBS, PandaServer, panda, poll, reason, wms
from tests.rig.tls import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_client_certificate_is_sent(authority: Authority) -> None:
    with PandaServer(authority.server(client_certificates=True)) as server:
        server.set("BNL_CLOUD", activated=5)
        plugin = panda(server.url, cafile=authority.ca, certificate=authority.issue("factory"))
        assert wms(plugin) == WmsStatus(ready=5)
        assert isinstance(wms(panda(server.url, cafile=authority.ca)), Unknown)


def test_server_certificate_of_another_ca_is_rejected(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other CA")
    with PandaServer(authority.server()) as server:
        server.set("BNL_CLOUD", activated=5)
        assert "certificate verify failed" in reason(wms(panda(server.url, cafile=other.ca)))
        assert "certificate verify failed" in reason(wms(panda(server.url)))
        assert server.requests == []


def test_server_certificate_of_another_host_is_rejected(authority: Authority) -> None:
    with PandaServer(authority.server()) as server:
        url = server.url.replace("localhost", "127.0.0.1")
        assert "certificate verify failed" in reason(wms(panda(url, cafile=authority.ca)))


def test_token_is_reread_for_each_call_and_appears_in_no_message(authority: Authority, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    with PandaServer(authority.server()) as server:
        plugin = panda(server.url, cafile=authority.ca, token=token)
        for text in ("first-secret", "second-secret"):
            token.write_text(text + "\n")
            server.faults[JOBS] = Reply(b"", 401)
            readings = poll(plugin)
            assert server.requests[-1].headers["Authorization"] == f"Bearer {text}"
            assert "secret" not in repr(readings) + repr(plugin.sources()) + reason(plugin.read(readings))


@pytest.mark.parametrize("text", ["", "two words", "bad\r\nX-Injected: yes", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_file_without_a_token_is_reported_and_not_sent(authority: Authority, tmp_path: Path, text: str) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(text, "utf-8")
    with PandaServer(authority.server()) as server:
        assert "contains no token" in reason(wms(panda(server.url, cafile=authority.ca, token=token)))
        assert server.requests == []


@pytest.mark.parametrize("what", ["certificate", "token"])
def test_secrets_readable_by_others_are_not_used(authority: Authority, what: str) -> None:
    path = authority.issue("factory")
    path.chmod(0o640)
    settings: dict[str, Any] = {what: path, "cafile": authority.ca}
    with PandaServer(authority.server()) as server:
        assert "can be read by others" in reason(wms(panda(server.url, **settings)))
        assert server.requests == []


def test_missing_or_invalid_certificate_is_reported(authority: Authority, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.touch(mode=0o600)
    for certificate, word in ((tmp_path / "none.pem", "No such file"), (wrong, "no client certificate")):
        assert word in reason(wms(panda("https://localhost:1/", certificate=certificate)))
    assert "no CA certificates" in reason(wms(panda("https://localhost:1/", cafile=tmp_path / "none.pem")))
