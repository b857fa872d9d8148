"""Condor: jobs of a schedd, here or elsewhere, or of several, are the work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import Field, field_validator, model_validator

from factory.plugin import CommaList, Finding, ScheddAddress
from plugins.wmsstatus.scheddjobs import ScheddJobs

_HERE = "localhost"


class Condor(ScheddJobs):
    """Counts jobs of the schedds named by ``schedd`` and ``pool``, or else by ``scheddhost`` and ``collectorhost``.

    Those whose ``queueskey`` (``MATCH_APF_QUEUE``) is the queue's ``wmsqueue``, or those that fit ``constraint``;
    with neither, all. Only universes that run on startds count, and VM jobs never do. JobStatus 0 and 1 are ready,
    2, 6 and 7 running, 3 and 4 done, 5 failed. The jobs of several schedds are added up; while one of them does not
    answer, machines are bought for the jobs that are seen and none is retired.
    """

    class Settings(ScheddJobs.Settings):
        schedd: CommaList = ()
        """Names of schedds, as condor_status -schedd shows them; none: the one of ``scheddhost``."""
        pool: str | None = None
        """Collector (host or host:port) that knows them; none: COLLECTOR_HOST of this host."""
        scheddhost: str = _HERE
        """Host (and so name) of the schedd. Without effect while ``collectorhost`` is localhost, as of old."""
        scheddport: int = Field(default=9618, ge=1, le=65535)
        """Of old files: the collector itself says where the schedd listens."""
        collectorhost: str = _HERE
        """Host of the collector of another pool; localhost: the local schedd is read."""
        collectorport: int = Field(default=9618, ge=1, le=65535)
        """Port of that collector."""

        @field_validator("scheddhost", "collectorhost")
        @classmethod
        def _empty_is_here(cls, value: str) -> str:
            return value or _HERE

        @model_validator(mode="after")
        def _one_way(self) -> Self:
            if (self.schedd or self.pool) and (self.scheddhost, self.collectorhost) != (_HERE, _HERE):
                raise ValueError("schedd and pool name the schedd, or scheddhost and collectorhost do; not both")
            if len(set(self.schedd)) < len(self.schedd):
                raise ValueError("schedd names one twice, whose jobs would count twice")
            return self

    settings: Settings

    def check(self) -> Iterator[Finding]:
        """A schedd that is named and not asked."""
        yield from super().check()
        settings = self.settings
        if settings.scheddhost != _HERE and settings.collectorhost == _HERE:
            text = (
                f"has no effect while collectorhost is {_HERE}, as of old: the local schedd is read; to read "
                f"{settings.scheddhost} write {self.key('schedd')} = {settings.scheddhost}"
            )
            yield Finding("warning", text, self.queue.name, self.key("scheddhost"))

    def schedds(self) -> tuple[ScheddAddress, ...]:
        """As the settings name them."""
        settings = self.settings
        if settings.schedd or settings.pool:
            return tuple(ScheddAddress(name, settings.pool) for name in settings.schedd or (None,))
        if settings.collectorhost == _HERE:
            return (ScheddAddress(),)
        name = None if settings.scheddhost == _HERE else settings.scheddhost
        return (ScheddAddress(name, f"{settings.collectorhost}:{settings.collectorport}"),)
