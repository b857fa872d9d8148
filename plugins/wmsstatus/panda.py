"""Panda: count the jobs of a queue on a PanDA server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from factory.plugin import (
    Access,
    Duration,
    Finding,
    PluginSettings,
    Readings,
    SiteStatus,
    Source,
    Unknown,
    WmsStatus,
    WmsStatusPlugin,
    checked_url,
    files,
)
from plugins.wmsstatus.pandaserver import PandaJobs, PandaSites, PandaSource

if TYPE_CHECKING:
    from factory.settings.factory import FactorySettings
    from factory.settings.queue import QueueSettings

S = TypeVar("S", bound=PandaSource)

NOTREADY = ("pending", "defined", "assigned", "waiting", "throttled")
READY = ("activated",)
RUNNING = ("starting", "sent", "running", "holding", "transferring")
DONE = ("finished",)
FAILED = ("failed", "cancelled")

_SERVER = {False: "http://pandaserver.cern.ch:25080/api/v1", True: "https://pandaserver.cern.ch:25443/api/v1"}
"""Default servers of PanDA's own client, without and with credentials."""
_OLD_PATH = "/server/panda"


class Panda(WmsStatusPlugin):
    """Count the jobs of PanDA's queue ``wmsqueue``, of all labels, by AutoPyFactory's table.

    pending, defined, assigned, waiting, throttled are not ready; activated is ready; starting, sent, running, holding,
    transferring are running; finished is done; failed and cancelled are failed; other states do not count. A queue that
    a valid answer does not name has no jobs. Counts and site status are two calls; if one fails, the other counts.
    """

    class Settings(PluginSettings):
        url: str | None = None
        """Base URL of the API, such as https://pandaserver.cern.ch:25443/api/v1; none: the first that is set of
        PANDA_API_URL_SSL, PANDA_API_URL, PANDA_URL_SSL and PANDA_URL in the environment, else the server at CERN."""
        jobs: str = "statistics/job_stats_by_site_and_resource_type"
        """Path of the job counts, under ``url``."""
        sites: str = "metaconfig/get_site_specs?type=all"
        """Path of the site specs, under ``url``."""
        certificate: Path | None = None
        """Client certificate or proxy, in PEM; only over https."""
        key: Path | None = None
        """Key of the certificate; none: in the same file."""
        token: Path | None = None
        """File with a bearer token, read for each poll; only over https."""
        cafile: Path | None = None
        """CA certificates instead of the system's: a file, or a directory such as /etc/grid-security/certificates."""
        interval: Duration = Field(default=0, json_schema_extra={"old": "sleep"})
        """A reading younger than this is used again; 0: poll for every decision."""
        maxage: Duration | None = Field(default=None, ge=1)
        """A reading older than this is unknown; none: ``[Factory] maxage``."""

        @field_validator("url")
        @classmethod
        def _base(cls, value: str | None) -> str | None:
            return value if value is None else checked_url(value)

        @field_validator("jobs", "sites")
        @classmethod
        def _path(cls, value: str) -> str:
            if "://" in value or value.startswith("/") or not value.isprintable() or " " in value or "#" in value:
                raise ValueError(f"{value!r} is not a path under the URL")
            return value

        @model_validator(mode="after")
        def _credentials(self) -> Self:
            if self.key is not None and self.certificate is None:
                raise ValueError("key is set without its certificate; set certificate too")
            if (self.certificate or self.token) and self.url is not None and not self.url.startswith("https:"):
                raise ValueError("credentials are sent over https only; write an https URL")
            return self

    settings: Settings

    def __init__(self, queue: QueueSettings, settings: Settings, factory: FactorySettings) -> None:
        super().__init__(queue, settings, factory)
        if queue.wmsqueue is None:
            raise ValueError("wmsqueue is not set; set it to the name of the queue in PanDA")
        secret = settings.certificate is not None or settings.token is not None
        base = settings.url or default_url(os.environ, secret)
        self._jobs = self._source(PandaJobs, f"{base}/{settings.jobs}")
        self._sites = self._source(PandaSites, f"{base}/{settings.sites}")

    def _source(self, kind: type[S], url: str) -> S:
        settings = self.settings
        return kind(
            url=url,
            access=Access(
                cafile=settings.cafile, certificate=settings.certificate, key=settings.key, token=settings.token
            ),
            interval_s=settings.interval,
            deadline_s=self.factory.deadline,
            maxage_s=settings.maxage or self.factory.maxage,
        )

    def sources(self) -> tuple[Source, ...]:
        """Return the sources of job counts and site specs of all queues."""
        return self._jobs, self._sites

    def check(self) -> Iterator[Finding]:
        """Report credential files that are missing, and secret ones that others can read."""
        settings, queue = self.settings, self.queue.name
        for field, path in (("key", settings.key), ("token", settings.token)):
            if path is not None:
                yield from files.secret(path, queue, self.key(field))
        if settings.certificate is not None:  # without a key file it is a proxy, which contains the key
            check = files.secret if settings.key is None else files.readable
            yield from check(settings.certificate, queue, self.key("certificate"))
        if settings.cafile is not None and not settings.cafile.is_dir():
            yield from files.readable(settings.cafile, queue, self.key("cafile"))

    def read(self, readings: Readings) -> WmsStatus | Unknown:
        """Return the jobs by state."""
        rows = readings.rows(self._jobs)
        if isinstance(rows, Unknown):
            return rows
        states: Mapping[str, int] = rows.get(self.queue.wmsqueue, {})

        def count(names: tuple[str, ...]) -> int:
            return sum(states.get(name, 0) for name in names)

        return WmsStatus(
            notready=count(NOTREADY),
            ready=count(READY),
            running=count(RUNNING),
            done=count(DONE),
            failed=count(FAILED),
        )

    def read_site(self, readings: Readings) -> SiteStatus | Unknown:
        """Return the status of the queue in PanDA's words."""
        rows = readings.rows(self._sites)
        if isinstance(rows, Unknown):
            return rows
        status = rows.get(self.queue.wmsqueue)
        return Unknown(f"PanDA has no status of {self.queue.wmsqueue}") if status is None else SiteStatus(status)


def default_url(environment: Mapping[str, str], secret: bool) -> str:
    """Return the base URL from the environment of PanDA's client, else the server at CERN.

    With credentials only https URLs are used. Older variables end in ``/server/panda``, the path of the pickle API;
    it is replaced by the path of the JSON API.
    """
    for name in ("PANDA_API_URL_SSL", "PANDA_API_URL", "PANDA_URL_SSL", "PANDA_URL"):
        url = environment.get(name, "").rstrip("/")
        if url and (url.startswith("https:") or not secret):
            return checked_url(url.removesuffix(_OLD_PATH) + "/api/v1" if url.endswith(_OLD_PATH) else url)
    return _SERVER[secret]
