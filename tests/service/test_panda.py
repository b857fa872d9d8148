"""Panda against a real HTTP(S) server: counts, and failures that are unknown, never zero."""

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
from factory.model.status import SiteStatus, WmsStatus
from factory.observe.sources import merge_sources
from factory.process.http import HttpError
from plugins.wmsstatus.panda import Panda, default_url
from plugins.wmsstatus.pandaserver import PandaJobs, PandaSites, data_of
from tests.rig.httpserver import Reply, as_json, free_port_nobody_listens_on
from tests.rig.panda import JOBS, SITES, PandaServer, panda, poll, reason, wms


@pytest.fixture
def server() -> Iterator[PandaServer]:
    with PandaServer() as running:
        yield running


NOTREADY = ["pending", "defined", "assigned", "waiting", "throttled"]
READY = ["activated"]
RUNNING = ["starting", "sent", "running", "holding", "transferring"]
DONE = ["finished"]
FAILED = ["failed", "cancelled"]


def test_states_count_by_autopyfactory_s_table_and_others_are_ignored(server: PandaServer) -> None:
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
def test_counts_add_up_in_every_documented_nesting(server: PandaServer, jobs: str) -> None:
    server.set("BNL_CLOUD", activated=40, running=7)
    server.set("BNL_CLOUD", resource="MCORE", activated=2)
    assert wms(panda(server.url, jobs=jobs)) == WmsStatus(ready=42, running=7)


def test_queue_missing_in_a_valid_answer_has_no_jobs_and_unknown_status(server: PandaServer) -> None:
    server.set("OTHER", activated=40)
    plugin = panda(server.url)
    readings = poll(plugin)
    assert plugin.read(readings) == WmsStatus()
    assert "no status of BNL_CLOUD" in reason(plugin.read_site(readings))


def test_site_status_is_in_panda_s_words(server: PandaServer) -> None:
    server.set("BNL_CLOUD", site="brokeroff", activated=1)
    plugin = panda(server.url)
    assert plugin.read_site(poll(plugin)) == SiteStatus("brokeroff")


def test_500_queues_share_one_poll_of_each_kind(server: PandaServer) -> None:
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
    "garbage": (Reply(bytes(range(256))), "not JSON"),
    "a pickle": (Reply(pickle.dumps({"BNL_CLOUD": {"managed": {"activated": 9}}})), "not JSON"),
    "nothing": (Reply(), "not JSON"),
    "html": (Reply(b"<html>login</html>", headers={"Content-Type": "text/html"}), "not JSON"),
    "cut off": (
        Reply(b'{"success": true, "message": "", "data": {}}', promised=900),
        "incomplete|ended|closed|Incomplete",
    ),
    "cut short": (Reply(b'{"success": true, "mess'), "not JSON"),
    "no bound": (Reply(b" " * (1 << 20), repeat=80), "longer than"),
    "deep": (Reply(b"[" * 100_000), "not JSON"),
    "a redirect": (Reply(status=302, headers={"Location": "http://localhost:1/"}), "status 302"),
    "a list": (as_json([1]), "not PanDA's"),
    "a number": (as_json(7), "not PanDA's"),
    "the old way": (as_json({"BNL_CLOUD": {"managed": {"activated": 9}}}), "not PanDA's"),
    "failure": (as_json({"success": False, "message": "Database failure", "data": {}}), "Database failure"),
    "success as text": (as_json({"success": "True", "message": "", "data": {}}), "not PanDA's"),
    "no data": (as_json({"success": True, "message": ""}), "no data"),
    "data as list": (as_json({"success": True, "message": "", "data": []}), "no data"),
    "gzip": (Reply(b"\x1f\x8b\x08\x00garbage", headers={"Content-Encoding": "gzip"}), "not JSON"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("call", [JOBS, SITES])
def test_failing_call_leaves_only_its_own_data_unknown(server: PandaServer, name: str, call: str) -> None:
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
def test_invalid_counts_are_unknown(server: PandaServer, data: object) -> None:
    server.faults[JOBS] = as_json({"success": True, "message": "", "data": data})
    assert "job" in reason(wms(panda(server.url)))


def test_slow_server_times_out_before_the_worker_is_killed(server: PandaServer) -> None:
    server.faults[JOBS] = Reply(b"{}", after_s=3600)
    assert "no answer within" in reason(wms(panda(server.url, deadline=1)))


def test_trickling_answer_times_out(server: PandaServer) -> None:
    server.faults[JOBS] = Reply(b" " * 36_000, byte_s=0.1)
    assert "no complete answer within" in reason(wms(panda(server.url, deadline=1)))


def test_refused_connection_is_unknown() -> None:
    assert "refused" in reason(wms(panda(f"http://localhost:{free_port_nobody_listens_on()}/api/v1")))


def test_unknown_host_name_is_unknown_work() -> None:
    assert reason(wms(panda("http://no-such-host.invalid/api/v1")))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "pandaserver.cern.ch"}, "not a URL"),
        ({"url": "ftp://pandaserver.cern.ch"}, "not a URL"),
        ({"url": "http://panda:99999999"}, "not a URL"),
        ({"url": "https://me:hunter2@panda/api/v1"}, "user name or password"),
        ({"url": "https://panda/api?x=y"}, "not a base URL"),
        ({"url": "http://panda/api/v1", "token": Path("/t")}, "https only"),
        ({"url": "http://panda/api/v1", "certificate": Path("/c")}, "https only"),
        ({"url": "https://panda/api/v1", "key": Path("/k")}, "without its certificate"),
        ({"url": "https://panda/api/v1", "jobs": "https://elsewhere/"}, "not a path"),
    ],
)
def test_contradictory_settings_are_rejected(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Panda.Settings(**settings)
    assert "hunter2" not in str(caught.value.errors()[0]["msg"])  # type: ignore[attr-defined]


def test_queue_without_wmsqueue_is_rejected() -> None:
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
def test_default_url_comes_from_the_environment_of_panda_s_client(
    environment: dict[str, str], secret: bool, url: str
) -> None:
    assert default_url(environment, secret) == url


def test_queues_with_different_credentials_poll_apart() -> None:
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
def test_any_json_gives_rows_or_an_http_error(value: object) -> None:
    for source in (PandaJobs(url="http://p"), PandaSites(url="http://p")):
        for answer in (value, {"success": True, "message": "", "data": value}):
            try:
                rows = source.fold(data_of(answer))
            except HttpError:
                continue
            assert isinstance(rows, dict)


def test_check_reports_missing_and_readable_credentials(tmp_path: Path) -> None:
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
