"""Condor: count the jobs of one or more schedds, local or remote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import Field, field_validator, model_validator

from factory.plugin import CommaList, Finding, ScheddAddress
from plugins.wmsstatus.scheddjobs import ScheddJobs

_HERE = "localhost"


class Condor(ScheddJobs):
    """Count jobs of the schedds named by ``schedd`` and ``pool``, or else by ``scheddhost`` and ``collectorhost``.

    A job counts if its ``queueskey`` (``MATCH_APF_QUEUE``) is the queue's ``wmsqueue``, or if it matches
    ``constraint``; with neither, every job counts. Only universes that run on startds count, and VM jobs never do.
    JobStatus 0 and 1 are ready, 2, 6 and 7 running, 3 and 4 done, 5 failed. The jobs of several schedds are added up.
    While a schedd does not answer, VMs are bought for the known jobs and none is retired.
    """

    class Settings(ScheddJobs.Settings):
        schedd: CommaList = ()
        """Names of schedds, as condor_status -schedd shows them; none: the one of ``scheddhost``."""
        pool: str | None = None
        """Collector of these schedds (host or host:port); none: COLLECTOR_HOST of this host."""
        scheddhost: str = _HERE
        """Host and name of the schedd. Ignored while ``collectorhost`` is localhost, as in AutoPyFactory."""
        scheddport: int = Field(default=9618, ge=1, le=65535)
        """Accepted for old files and ignored: the collector knows the port of the schedd."""
        collectorhost: str = _HERE
        """Host of the collector of another pool; localhost: the local schedd is read."""
        collectorport: int = Field(default=9618, ge=1, le=65535)
        """Port of the collector on ``collectorhost``."""

        @field_validator("scheddhost", "collectorhost")
        @classmethod
        def _empty_is_here(cls, value: str) -> str:
            return value or _HERE

        @model_validator(mode="after")
        def _one_way(self) -> Self:
            if (self.schedd or self.pool) and (self.scheddhost, self.collectorhost) != (_HERE, _HERE):
                raise ValueError("set schedd and pool, or scheddhost and collectorhost, not both")
            if len(set(self.schedd)) < len(self.schedd):
                raise ValueError("schedd names a schedd twice, and its jobs would count twice; name it once")
            return self

    settings: Settings

    def check(self) -> Iterator[Finding]:
        """Warn of a schedd that is named but not read."""
        yield from super().check()
        settings = self.settings
        if settings.scheddhost != _HERE and settings.collectorhost == _HERE:
            text = (
                f"has no effect while collectorhost is {_HERE}: the local schedd is read; to read "
                f"{settings.scheddhost}, write {self.key('schedd')} = {settings.scheddhost}"
            )
            yield Finding("warning", text, self.queue.name, self.key("scheddhost"))

    def schedds(self) -> tuple[ScheddAddress, ...]:
        """Return the schedds that the settings name."""
        settings = self.settings
        if settings.schedd or settings.pool:
            return tuple(ScheddAddress(name, settings.pool) for name in settings.schedd or (None,))
        if settings.collectorhost == _HERE:
            return (ScheddAddress(),)
        name = None if settings.scheddhost == _HERE else settings.scheddhost
        return (ScheddAddress(name, f"{settings.collectorhost}:{settings.collectorport}"),)
