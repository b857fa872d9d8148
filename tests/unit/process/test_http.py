"""HTTP calls with limits: valid base URLs, and one-line errors."""

from collections.abc import Iterator

import pytest

from factory.process.http import Access, HttpError, call, checked_url
from tests.rig.httpserver import HttpServer, Reply, Request


class Echo(HttpServer):
    def answer(self, request: Request) -> Reply:
        return Reply(request.method.encode() + b" " + request.body, 201)


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as running:
        yield running


def test_method_body_and_headers_arrive_and_any_2xx_is_an_answer(server: Echo) -> None:
    assert call("PUT", server.base + "/x", timeout_s=5, body=b"hello", headers={"X-A": "b"}) == b"PUT hello"
    assert server.requests[0].headers["X-A"] == "b"


def test_error_message_leaves_out_the_body_of_the_answer(server: Echo) -> None:
    server.faults["/"] = Reply(b"x" * 10_000, 500)
    with pytest.raises(HttpError, match=r"^status 500 Internal Server Error$"):
        call("GET", server.base + "/", timeout_s=5)


def test_proxies_of_the_environment_are_not_used(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://localhost:1/")
    assert call("GET", server.base + "/", timeout_s=5) == b"GET "


def test_empty_access_is_shown_as_nothing() -> None:
    assert str(Access()) == ""


@pytest.mark.parametrize("url", ["http://h", "https://h:8443/api/v1", "http://[::1]:80/x"])
def test_base_url_loses_only_its_trailing_slash(url: str) -> None:
    assert checked_url(url) == checked_url(url + "/") == url


@pytest.mark.parametrize(
    "url", ["", "h", "//h", "http://", "file:///etc/passwd", "http://[::1", "http://h x", "http://h#f"]
)
def test_invalid_base_url_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        checked_url(url)
