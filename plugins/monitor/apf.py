"""APF: report each round to AutoPyFactory's web monitor."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from pydantic import Field, field_validator

from factory.plugin import Duration, HttpError, MonitorPlugin, PluginSettings, call, checked_url

if TYPE_CHECKING:
    from factory.settings.factory import FactorySettings
    from factory.settings.queue import QueueSettings

_PAUSE_S = 60
"""Pause after a failed call, so that a dead monitor costs one timeout a minute."""
_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_LONGEST = 500
"""Most characters of a status."""


class APF(MonitorPlugin):
    """Register factory and queue at ``monitorURL``, then report each round and each submitted job.

    The calls are those of AutoPyFactory's monitor plugin: ``PUT factories/<factoryId>``, ``PUT labels``,
    ``PUT jobs``, and ``POST labels/<factoryId>:<queue>`` with the reasons of the round as ``status``. Each call has a
    timeout. After a failed call the others of the round are skipped; the queue itself is not affected. AutoPyFactory's
    ``GET labels`` is not used: labels are registered once in the life of the factory.
    """

    class Settings(PluginSettings):
        url: str = Field(alias="monitorURL")
        """Base URL of the monitor's API, such as http://apfmon.lancs.ac.uk/api."""
        timeout: Duration = Field(default=10, ge=1)
        """Deadline of a call."""

        @field_validator("url")
        @classmethod
        def _base(cls, value: str) -> str:
            return checked_url(value)

    settings: Settings

    def __init__(self, queue: QueueSettings, settings: Settings, factory: FactorySettings) -> None:
        super().__init__(queue, settings, factory)
        self.channel = settings.url
        self._server = _server(settings.url)
        self._label = f"{factory.id}:{queue.name}"

    def environment(self) -> Mapping[str, str]:
        """Return ``APFMON``, the URL where pilots report their start and end (``jobs/<factoryId>:<job>``)."""
        return {"APFMON": self.settings.url}

    def report(self, decision: Mapping[str, Any]) -> None:
        """Register factory, queue and new jobs, then send the status.

        Raises:
            HttpError: A call failed.
        """
        server, timeout_s, factory = self._server, self.settings.timeout, self.factory
        server.check_pause()
        about = {"version": version("apf"), "email": factory.admin_email or "", "url": factory.base_log_dir_url or ""}
        server.once(f"factories/{quote(factory.id, safe='')}", about, factory.id, timeout_s)
        label = {"name": self.queue.name, "factory": factory.id, "wmsqueue": self.queue.wmsqueue or ""}
        label |= {"batchqueue": "", "resource": "", "localqueue": ""}
        server.once("labels", [label], self._label, timeout_s)
        jobs = submitted_jobs(decision)
        if jobs:
            body = [{"cid": job, "label": self.queue.name, "factory": factory.id} for job in jobs]
            server.send("PUT", "jobs", json.dumps(body), _JSON, timeout_s)
        form = urlencode({"status": round_status(decision)})
        server.send("POST", f"labels/{quote(self._label, safe=':')}", form, _FORM, timeout_s)


class _Server:
    """A monitor that several queues share: its registrations, and the pause after a failed call."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._registered: dict[str, object] = {}
        self._pause_until = 0.0

    def check_pause(self) -> None:
        """Raise HttpError during the pause after a failed call."""
        left_s = self._pause_until - time.monotonic()
        if left_s > 0:
            raise HttpError(f"{self._url} is not called for {_PAUSE_S} s after a failed call")

    def once(self, path: str, body: object, name: str, timeout_s: float) -> None:
        """Register ``body`` under ``name``, unless that was done."""
        if self._registered.get(name) != body:
            self.send("PUT", path, json.dumps(body), _JSON, timeout_s)
            self._registered[name] = body

    def send(self, method: str, path: str, body: str, headers: Mapping[str, str], timeout_s: float) -> None:
        """Make one call."""
        url = f"{self._url}/{path}"
        try:
            call(method, url, timeout_s=timeout_s, headers=headers, body=body.encode())
        except HttpError as error:
            self._pause_until = time.monotonic() + _PAUSE_S
            self._registered.clear()  # it may have lost its data: register again when it is back
            raise HttpError(f"{method} {url}: {error}") from None


@cache
def _server(url: str) -> _Server:
    return _Server(url)


def submitted_jobs(decision: Mapping[str, Any]) -> list[str]:
    """Return the jobs that the round submitted, as ``cluster.proc``."""
    return [job for action in decision["actions"] if action["kind"] == "submit" for job in action["jobs"]]


def round_status(decision: Mapping[str, Any]) -> str:
    """Return the reasons of all steps as one text, in AutoPyFactory's form."""
    steps = [f"{step['plugin']}: {step['reason']} (ret={step['n_out']})" for step in decision["steps"]]
    text = "; ".join([*steps, *([f"blocked: {decision['blocked']['text']}"] if decision["blocked"] else [])])
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
