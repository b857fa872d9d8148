"""Sources: job counts and site specs of a PanDA server, over its REST API in JSON. Nothing is ever unpickled.

Format and paths are those of panda-server (``pandaserver/api/v1/statistics_api.py`` and ``metaconfig_api.py``,
release of August 2026). Every answer is ``{"success": bool, "message": str, "data": …}``. It is JSON if the request has
``Accept: application/json``, although its Content-Type is text/plain. Counts are nested by queue, then by label, share
or resource type (which one depends on the path), then by job state::

    {"BNL_CLOUD": {"SCORE": {"activated": 40, "running": 7}, "MCORE": {"activated": 2}}}

Site specs are by queue, ``{"BNL_CLOUD": {"status": "online", …}}``. AutoPyFactory used ``getJobStatisticsWithLabel`` of
the old API (``/server/panda/…``), which answers pickles only and is gone from the server.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from factory.model.source import Source
from factory.process.http import Access, HttpError, call, parse_json

_LIMIT_BYTES = 64 << 20
"""Longest answer. ATLAS has about 600 queues, and its site specs have a few megabytes."""
_DEEPEST = 4

States = Mapping[str, int]
"""Number of jobs by state, in PanDA's words."""


@dataclass(frozen=True, kw_only=True)
class PandaSource(Source):
    """One call to a PanDA server, for all its queues at once."""

    url: str
    """Full URL of the call, with its query."""
    access: Access = field(default_factory=Access)

    @property
    def key(self) -> str:
        with_ = str(self.access)
        return self.url + (f" ({with_})" if with_ else "")

    @property
    def address(self) -> str:
        # Each call has its own worker, so that a hung one does not delay the other.
        return f"{urlsplit(self.url).netloc} {type(self).__name__}"

    def fetch(self) -> Any:
        """Make the call and fold its answer.

        Raises:
            HttpError: it failed, or the answer is not PanDA's.
        """
        body = call(
            "GET", self.url, timeout_s=max(1, 0.8 * self.deadline_s), limit_bytes=_LIMIT_BYTES, access=self.access,
            headers={"Accept": "application/json"},
        )  # fmt: skip
        return self.fold(data_of(parse_json(body)))

    @abstractmethod
    def fold(self, data: Mapping[str, Any]) -> Any:
        """Return compact rows; pure."""


class PandaJobs(PandaSource):
    """Job counts of all queues: queue → state → jobs."""

    def fold(self, data: Mapping[str, Any]) -> dict[str, States]:
        """Add up the counts over labels, shares and resource types."""
        counted: dict[str, States] = {}
        for queue, nested in data.items():
            counts: Counter[str] = Counter()
            _add(counts, nested, 1)
            counted[queue] = dict(counts)
        return counted


class PandaSites(PandaSource):
    """Status of all queues: queue → status."""

    def fold(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Return the status by queue; queues without one are left out."""
        if not all(isinstance(site, dict) for site in data.values()):
            raise HttpError("the answer has no site specs")
        statuses = {name: site.get("status") for name, site in data.items()}
        return {name: status for name, status in statuses.items() if isinstance(status, str) and status}


def data_of(answer: object) -> Mapping[str, Any]:
    """Return the data of an answer.

    Raises:
        HttpError: the answer is not PanDA's, or it reports a failure.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("success"), bool):
        raise HttpError('the answer is not PanDA\'s: it has no {"success", "message", "data"}')
    if not answer["success"]:
        raise HttpError(f"PanDA reports a failure: {str(answer.get('message'))[:200]}")
    if not isinstance(answer.get("data"), dict):
        raise HttpError("the answer has no data")
    data: dict[str, Any] = answer["data"]
    return data


def _add(counts: Counter[str], nested: object, depth: int) -> None:
    if not isinstance(nested, dict) or depth > _DEEPEST:
        raise HttpError("the answer has no job counts")
    for name, value in nested.items():
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 0:
                raise HttpError(f"the answer counts {value} jobs")
            counts[name] += value
        else:
            _add(counts, value, depth + 1)
