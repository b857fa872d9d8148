"""A stand-in for the PanDA server, for tests and the demo: job counts, site status, and jobs for pilots.

Paths and shapes are those of ``pandaserver/api/v1`` (statistics_api.py, metaconfig_api.py, pilot_api.py). Like the
original it sends JSON as text/plain, and reports a failure when there are no jobs to count.
"""

from __future__ import annotations

import ssl
import threading
from typing import Any

from localcloud.httpserver import HttpServer, Reply, Request, as_json

ROOT = "/api/v1"
JOBS = "/statistics/"
"""Part of the paths that count jobs, for ``faults``."""
SITES = "/metaconfig/"
"""Part of the path of the site specs, for ``faults``."""


class PandaServer(HttpServer):
    """A PanDA server. ``set`` sets its job counts; ``sites`` is the status of each queue."""

    def __init__(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        super().__init__(context, port)
        self.url = self.base + ROOT
        self.sites: dict[str, str] = {}
        self._lock = threading.Lock()
        self._jobs: dict[str, dict[str, dict[str, int]]] = {}
        self._given: dict[int, tuple[str, str]] = {}
        """Queue and resource type of each job given to a pilot."""

    def set(self, queue: str, *, resource: str = "SCORE", site: str | None = "online", **states: int) -> None:
        """Set the job counts of a resource type by state; states not named become zero."""
        with self._lock:
            self._jobs.setdefault(queue, {})[resource] = dict(states)
            if site is not None:
                self.sites[queue] = site

    def activate(self, queue: str, jobs: int, resource: str = "SCORE") -> None:
        """Add activated jobs to a queue."""
        with self._lock:
            states = self._jobs.setdefault(queue, {}).setdefault(resource, {})
            states["activated"] = states.get("activated", 0) + jobs

    def counts(self, queue: str) -> dict[str, int]:
        """Return the number of jobs of a queue, by state."""
        with self._lock:
            return _sum(list(self._jobs.get(queue, {}).values()))

    def answer(self, request: Request) -> Reply:
        """Return PanDA's reply."""
        if request.headers.get("Accept") != "application/json":
            return Reply(b"not as JSON", 500)
        path = request.path.removeprefix(ROOT)
        if request.method == "POST" and path == "/pilot/acquire_jobs":
            return self._reply(True, self._give(request.json["site_name"]))
        if request.method == "POST" and path == "/pilot/update_job":
            self._take(request.json["job_id"], request.json["job_status"])
            return self._reply(True, {})
        with self._lock:
            by_resource = {queue: {name: dict(n) for name, n in kinds.items()} for queue, kinds in self._jobs.items()}
        data: Any
        if path == "/statistics/job_stats_by_site_and_resource_type":
            data = by_resource
        elif path == "/statistics/active_job_stats_by_site":
            data = {queue: _sum(list(kinds.values())) for queue, kinds in by_resource.items()}
        elif path == "/statistics/active_job_detailed_stats_by_site":
            data = {
                queue: {resource: {"managed": counts} for resource, counts in kinds.items()}
                for queue, kinds in by_resource.items()
            }
        elif path == "/metaconfig/get_site_specs" and request.query.get("type") == "all":
            data = {name: {"sitename": name, "status": status, "cloud": "US"} for name, status in self.sites.items()}
            return self._reply(True, data)
        else:
            return Reply(b"ERROR : method is forbidden", 403)
        return self._reply(bool(data), data)

    def _give(self, queue: str) -> dict[str, Any]:
        """Give an activated job to a pilot; StatusCode 20 means that there is none."""
        with self._lock:
            for resource, states in self._jobs.get(queue, {}).items():
                if states.get("activated"):
                    job = len(self._given) + 1
                    self._given[job] = queue, resource
                    self._move(job, "activated", "running")
                    return {"StatusCode": 0, "PandaID": job}
        return {"StatusCode": 20}

    def _take(self, job: int, state: str) -> None:
        """Record the final state that a pilot reports for its job."""
        with self._lock:
            self._move(job, "running", state)

    def _move(self, job: int, before: str, after: str) -> None:
        queue, resource = self._given[job]
        states = self._jobs[queue][resource]
        states[before] -= 1
        states[after] = states.get(after, 0) + 1

    @staticmethod
    def _reply(success: bool, data: object) -> Reply:
        message = "" if success else "Database failure getting the job statistics"
        return as_json({"success": success, "message": message, "data": data}, "text/plain")


def _sum(counts: list[dict[str, int]]) -> dict[str, int]:
    states = {state for each in counts for state in each}
    return {state: sum(each.get(state, 0) for each in counts) for state in states}
