"""Panda against a real HTTP(S) server: what it counts, and that whatever goes wrong is unknown, never zero."""

import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.model.source import Reading, Readings
from factory.model.status import SiteStatus, Unknown, WmsStatus
from factory.observe.sources import merge_sources
from factory.process.http import HttpError
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings
from plugins.wmsstatus.panda import Panda, default_url
from plugins.wmsstatus.pandaserver import PandaJobs, PandaSites, data_of
from tests.rig.httpserver import Reply, as_json, free_port_nobody_listens_on
from tests.rig.panda import JOBS, SITES, PandaServer
from tests.rig.tls import Authority


@pytest.fixture
def server() -> Iterator[PandaServer]:
    with PandaServer() as running:
        yield running


def panda(url: str | None, wmsqueue: str | None = "BNL_CLOUD", deadline: int = 5, **settings: Any) -> Panda:
    queue = QueueSettings(
        name="Q",
        wmsqueue=wmsqueue,
        wmsstatusplugin="Panda",
        batchstatusplugin="Condor",
        schedplugin=("Ready",),
        batchsubmitplugin="CondorLocal",
    )
    return Panda(queue, Panda.Settings(url=url, **settings), FactorySettings(deadline=deadline))


def poll(plugin: Panda) -> Readings:
    """Each source fetched once, as a worker does it: pickled there and back."""
    readings = {}
    for source in plugin.sources():
        started = time.time()
        try:
            rows = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(source)).fetch()))  # noqa: S301  our own
            reading = Reading(source.key, started, time.time(), rows)
        except HttpError as error:
            reading = Reading(source.key, started, time.time(), error=str(error))
        readings[source.key] = reading
    return Readings(time.time(), readings)


def wms(plugin: Panda) -> WmsStatus | Unknown:
    return plugin.read(poll(plugin))


def reason(status: object) -> str:
    assert isinstance(status, Unknown)
    return status.reason


NOTREADY = ["pending", "defined", "assigned", "waiting", "throttled"]
READY = ["activated"]
RUNNING = ["starting", "sent", "running", "holding", "transferring"]
DONE = ["finished"]
FAILED = ["failed", "cancelled"]


def test_states_are_counted_by_the_old_table_and_others_not_at_all(server: PandaServer) -> None:
    states = [*NOTREADY, *READY, *RUNNING, *DONE, *FAILED, "merging", "closed"]
    server.set("BNL_CLOUD", **{state: 2**place for place, state in enumerate(states)})
    assert wms(panda(server.url)) == WmsStatus(
        notready=0b11111, ready=1 << 5, running=0b11111 << 6, done=1 << 11, failed=0b11 << 12
    )


@pytest.mark.parametrize(
    "jobs",
    [
        "statistics/job_stats_by_site_and_resource_type",
        "statistics/active_job_stats_by_site",
        "statistics/active_job_detailed_stats_by_site",
    ],
)
def test_each_documented_nesting_of_the_counts_adds_up(server: PandaServer, jobs: str) -> None:
    server.set("BNL_CLOUD", activated=40, running=7)
    server.set("BNL_CLOUD", resource="MCORE", activated=2)
    assert wms(panda(server.url, jobs=jobs)) == WmsStatus(ready=42, running=7)


def test_a_queue_that_a_valid_answer_does_not_name_has_no_jobs_and_an_unknown_status(server: PandaServer) -> None:
    server.set("OTHER", activated=40)
    plugin = panda(server.url)
    readings = poll(plugin)
    assert plugin.read(readings) == WmsStatus()
    assert "no status of BNL_CLOUD" in reason(plugin.read_site(readings))


def test_the_status_of_the_site_is_pandas_own_word(server: PandaServer) -> None:
    server.set("BNL_CLOUD", site="brokeroff", activated=1)
    plugin = panda(server.url)
    assert plugin.read_site(poll(plugin)) == SiteStatus("brokeroff")


def test_500_queues_are_one_poll_of_each_kind(server: PandaServer) -> None:
    plugins = [panda(server.url, wmsqueue=f"Q{number}") for number in range(500)]
    for number in range(500):
        server.set(f"Q{number}", activated=number)
    sources = merge_sources(source for plugin in plugins for source in plugin.sources())
    assert len(sources) == 2
    readings = Readings(
        time.time(), {key: Reading(key, time.time(), time.time(), s.fetch()) for key, s in sources.items()}
    )
    assert [plugin.read(readings) for plugin in plugins] == [WmsStatus(ready=number) for number in range(500)]
    assert len(server.requests) == 2


BAD = {
    "an error": (Reply(b"oops", 500), "status 500"),
    "forbidden": (Reply(b"ERROR : no", 403), "status 403"),
    "garbage": (Reply(bytes(range(256))), "no JSON"),
    "a pickle": (Reply(pickle.dumps({"BNL_CLOUD": {"managed": {"activated": 9}}})), "no JSON"),
    "nothing": (Reply(), "no JSON"),
    "html": (Reply(b"<html>login</html>", headers={"Content-Type": "text/html"}), "no JSON"),
    "cut off": (
        Reply(b'{"success": true, "message": "", "data": {}}', promised=900),
        "incomplete|ended|closed|Incomplete",
    ),
    "cut short": (Reply(b'{"success": true, "mess'), "no JSON"),
    "no bound": (Reply(b" " * (1 << 20), repeat=80), "longer than"),
    "deep": (Reply(b"[" * 100_000), "no JSON"),
    "a redirect": (Reply(status=302, headers={"Location": "http://localhost:1/"}), "status 302"),
    "a list": (as_json([1]), "not PanDA's"),
    "a number": (as_json(7), "not PanDA's"),
    "the old way": (as_json({"BNL_CLOUD": {"managed": {"activated": 9}}}), "not PanDA's"),
    "failure": (as_json({"success": False, "message": "Database failure", "data": {}}), "Database failure"),
    "success as text": (as_json({"success": "True", "message": "", "data": {}}), "not PanDA's"),
    "no data": (as_json({"success": True, "message": ""}), "no data"),
    "data as list": (as_json({"success": True, "message": "", "data": []}), "no data"),
    "gzip": (Reply(b"\x1f\x8b\x08\x00garbage", headers={"Content-Encoding": "gzip"}), "no JSON"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("call", [JOBS, SITES])
def test_a_failing_call_leaves_what_it_brings_unknown_and_the_other_known(
    server: PandaServer, name: str, call: str
) -> None:
    reply, words = BAD[name]
    server.set("BNL_CLOUD", activated=3)
    server.faults[call] = reply
    plugin = panda(server.url)
    readings = poll(plugin)
    work, site = plugin.read(readings), plugin.read_site(readings)
    failed, fine, right = (work, site, SiteStatus("online")) if call == JOBS else (site, work, WmsStatus(ready=3))
    assert any(word in reason(failed) for word in words.split("|")), reason(failed)
    assert "\n" not in reason(failed)
    assert fine == right


@pytest.mark.parametrize(
    "data",
    [
        {"BNL_CLOUD": 3},
        {"BNL_CLOUD": None},
        {"BNL_CLOUD": {"SCORE": {"activated": -1}}},
        {"BNL_CLOUD": {"SCORE": {"activated": True}}},
        {"BNL_CLOUD": {"SCORE": {"activated": "5"}}},
        {"BNL_CLOUD": {"SCORE": {"activated": 1.5}}},
        {"BNL_CLOUD": {"SCORE": {"activated": None}}},
        {"BNL_CLOUD": {"a": {"b": {"c": {"d": {"activated": 1}}}}}},
    ],
)
def test_counts_that_are_none_are_unknown(server: PandaServer, data: object) -> None:
    server.faults[JOBS] = as_json({"success": True, "message": "", "data": data})
    assert "job" in reason(wms(panda(server.url)))


def test_a_slow_server_is_given_up_before_the_worker_is_killed(server: PandaServer) -> None:
    server.faults[JOBS] = Reply(b"{}", after_s=3600)
    assert "no answer within" in reason(wms(panda(server.url, deadline=1)))


def test_an_answer_that_trickles_is_given_up_too(server: PandaServer) -> None:
    server.faults[JOBS] = Reply(b" " * 36_000, byte_s=0.1)
    assert "no whole answer within" in reason(wms(panda(server.url, deadline=1)))


def test_a_server_that_is_not_there_is_unknown() -> None:
    assert "refused" in reason(wms(panda(f"http://localhost:{free_port_nobody_listens_on()}/api/v1")))


def test_a_host_that_does_not_exist_is_unknown() -> None:
    assert reason(wms(panda("http://no-such-host.invalid/api/v1")))


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    def test_a_client_certificate_is_shown(self, authority: Authority) -> None:
        with PandaServer(authority.server(client_certificates=True)) as server:
            server.set("BNL_CLOUD", activated=5)
            plugin = panda(server.url, cafile=authority.ca, certificate=authority.issue("factory"))
            assert wms(plugin) == WmsStatus(ready=5)
            assert isinstance(wms(panda(server.url, cafile=authority.ca)), Unknown)

    def test_a_server_that_the_ca_does_not_know_is_not_believed(self, authority: Authority, tmp_path: Path) -> None:
        other = Authority(tmp_path, "other CA")
        with PandaServer(authority.server()) as server:
            server.set("BNL_CLOUD", activated=5)
            assert "certificate verify failed" in reason(wms(panda(server.url, cafile=other.ca)))
            assert "certificate verify failed" in reason(wms(panda(server.url)))
            assert server.requests == []

    def test_a_server_of_another_name_is_not_believed(self, authority: Authority) -> None:
        with PandaServer(authority.server()) as server:
            url = server.url.replace("localhost", "127.0.0.1")
            assert "certificate verify failed" in reason(wms(panda(url, cafile=authority.ca)))

    def test_a_token_is_sent_is_read_anew_and_is_in_no_message(self, authority: Authority, tmp_path: Path) -> None:
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

    @pytest.mark.parametrize(
        "text", ["", "two words", "bad\r\nX-Injected: yes", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"]
    )
    def test_a_file_without_a_token_is_said_and_not_sent(self, authority: Authority, tmp_path: Path, text: str) -> None:
        token = tmp_path / "token"
        token.touch(mode=0o600)
        token.write_text(text, "utf-8")
        with PandaServer(authority.server()) as server:
            assert "no token in it" in reason(wms(panda(server.url, cafile=authority.ca, token=token)))
            assert server.requests == []

    @pytest.mark.parametrize("what", ["certificate", "token"])
    def test_secrets_that_others_can_read_are_not_used(self, authority: Authority, what: str) -> None:
        path = authority.issue("factory")
        path.chmod(0o640)
        settings: dict[str, Any] = {what: path, "cafile": authority.ca}
        with PandaServer(authority.server()) as server:
            assert "can be read by others" in reason(wms(panda(server.url, **settings)))
            assert server.requests == []

    def test_a_missing_or_wrong_certificate_is_said(self, authority: Authority, tmp_path: Path) -> None:
        wrong = tmp_path / "wrong.pem"
        wrong.touch(mode=0o600)
        for certificate, word in ((tmp_path / "none.pem", "No such file"), (wrong, "no client certificate")):
            assert word in reason(wms(panda("https://localhost:1/", certificate=certificate)))
        assert "no CA certificates" in reason(wms(panda("https://localhost:1/", cafile=tmp_path / "none.pem")))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "pandaserver.cern.ch"}, "no URL"),
        ({"url": "ftp://pandaserver.cern.ch"}, "no URL"),
        ({"url": "http://panda:99999999"}, "no URL"),
        ({"url": "https://me:hunter2@panda/api/v1"}, "no user name or password"),
        ({"url": "https://panda/api?x=y"}, "no base URL"),
        ({"url": "http://panda/api/v1", "token": Path("/t")}, "https only"),
        ({"url": "http://panda/api/v1", "certificate": Path("/c")}, "https only"),
        ({"url": "https://panda/api/v1", "key": Path("/k")}, "needs its certificate"),
        ({"url": "https://panda/api/v1", "jobs": "https://elsewhere/"}, "no path"),
    ],
)
def test_settings_that_can_not_be_meant_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Panda.Settings(**settings)
    assert "hunter2" not in str(caught.value.errors()[0]["msg"])  # type: ignore[attr-defined]


def test_a_queue_without_wmsqueue_is_refused() -> None:
    with pytest.raises(ValueError, match="wmsqueue"):
        panda("https://panda/api/v1", wmsqueue=None)


@pytest.mark.parametrize(
    ("environment", "secret", "url"),
    [
        ({}, False, "http://pandaserver.cern.ch:25080/api/v1"),
        ({}, True, "https://pandaserver.cern.ch:25443/api/v1"),
        ({"PANDA_URL": "http://p:25080/server/panda"}, False, "http://p:25080/api/v1"),
        ({"PANDA_URL": "http://p:25080/server/panda"}, True, "https://pandaserver.cern.ch:25443/api/v1"),
        ({"PANDA_URL": "http://p/server/panda", "PANDA_URL_SSL": "https://s/server/panda/"}, False, "https://s/api/v1"),
        (
            {"PANDA_API_URL_SSL": "https://a/api/v1", "PANDA_URL_SSL": "https://s/server/panda"},
            True,
            "https://a/api/v1",
        ),
    ],
)
def test_without_a_url_the_environment_of_pandas_client_counts(
    environment: dict[str, str], secret: bool, url: str
) -> None:
    assert default_url(environment, secret) == url


def test_queues_with_different_credentials_do_not_share_a_poll() -> None:
    assert os.environ.get("PANDA_URL") is None
    one, other = panda("https://p/api/v1", token=Path("/a")), panda("https://p/api/v1", token=Path("/b"))
    assert len(merge_sources([*one.sources(), *other.sources()])) == 4
    assert len({source.address for source in (*one.sources(), *other.sources())}) == 2


KEYS = st.sampled_from(["activated", "a", "status", "data", "success"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_rows_or_an_http_error(value: object) -> None:
    for source in (PandaJobs(url="http://p"), PandaSites(url="http://p")):
        for answer in (value, {"success": True, "message": "", "data": value}):
            try:
                rows = source.fold(data_of(answer))
            except HttpError:
                continue
            assert isinstance(rows, dict)


def test_credentials_that_are_missing_or_open_to_others_are_found(tmp_path: Path) -> None:
    proxy, token, cafile = tmp_path / "proxy.pem", tmp_path / "token", tmp_path / "ca.pem"
    for path in (proxy, token, cafile):
        path.write_text("x")
        path.chmod(0o600)
    good = panda("https://server", certificate=proxy, token=token, cafile=cafile)
    assert list(good.check()) == []
    proxy.chmod(0o640)
    token.unlink()
    cafile.unlink()
    found = {finding.key: finding.text for finding in good.check()}
    assert set(found) == {"wmsstatus.panda.certificate", "wmsstatus.panda.token", "wmsstatus.panda.cafile"}
    assert "chmod 0600" in found["wmsstatus.panda.certificate"]
    (missing, *_) = panda("https://server", certificate=proxy, key=proxy.with_name("key")).check()
    assert missing.key == "wmsstatus.panda.key"
    proxy.chmod(0o644)
    (key := proxy.with_name("key")).write_text("x")
    key.chmod(0o600)
    assert list(panda("https://server", certificate=proxy, key=key).check()) == [], "a certificate alone is no secret"
