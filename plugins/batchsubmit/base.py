"""What all submit plugins for plain jobs share: the log layout, the environment, extra submit lines, removal."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

import submit_templates
from factory.actions import Remove, Submit
from factory.cleanlogs import log_name
from factory.model import PlainJob
from factory.plugin import (
    Ask,
    BatchStatus,
    BatchSubmitPlugin,
    Memory,
    Named,
    Plan,
    PluginSettings,
    ScheddAddress,
    Shape,
    Submission,
    SubmitTools,
    Switch,
)

_DONE = (3, 4)
_RUNNING = (2, 6, 7)


def split_attributes(text: str) -> list[str]:
    r"""Items of a comma list of submit lines; ``\,`` is a comma and ``\\`` a backslash, as in AutoPyFactory."""
    items = [""]
    escaped = False
    for character in text:
        if escaped:
            items[-1] += character if character in ",\\" else "\\" + character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            items.append("")
        else:
            items[-1] += character
    if escaped:
        items[-1] += "\\"
    return items


def attribute_lines(listed: str | None, named: Mapping[str, str]) -> list[str]:
    """Submit lines of ``condor_attributes`` and of ``condor_attributes.<NAME>``.

    Raises:
        ValueError: an item is no ``name = value``.
    """
    lines = []
    for item in split_attributes(listed or ""):
        if not item.strip():
            continue
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"condor_attributes: {item.strip()!r} is not 'name = value'")
        lines.append(f"{name.strip()} = {value.strip()}")
    return lines + [f"{name} = {value}" for name, value in named.items()]


class PlainJobSettings(PluginSettings):
    """Keys of every submit plugin for plain jobs."""

    executable: str | None = None
    """Program of the jobs; none: the queue's ``executable``."""
    environ: str | None = None
    """``NAME=value NAME=value``: more environment of the jobs."""
    condor_attributes: str | None = None
    """Comma list of submit lines ``name = value``; ``\\,`` is a comma."""
    condor_attribute: Annotated[dict[str, str], Named("condor_attributes.")] = Field(default_factory=dict)
    """``condor_attributes.<NAME> = value``: one submit line each."""
    peaceful: Switch = Field(default=True, json_schema_extra={"old": ["overlay.peaceful"]})
    """True: a negative ask does nothing, jobs end by themselves. False: it removes jobs."""
    killorder: Literal["newest", "oldest"] = Field(default="newest", json_schema_extra={"old": ["overlay.killorder"]})
    """Which jobs are removed first, by QDate."""


class PlainJobs(BatchSubmitPlugin):
    """Submits plain jobs. A negative ask removes idle and held jobs before running ones, if not ``peaceful``."""

    class Settings(PlainJobSettings):
        """Only the keys that all plain jobs have."""

    template: str
    """File of ``submit_templates`` that describes the jobs."""

    def plan(self, ask: Ask, batch: BatchStatus, memory: Memory, now: float) -> Plan:
        """Submit, or remove what is least missed."""
        if ask.n > 0:
            return Plan((Submit(queue=self.queue.name, n=ask.n, reason=f"{ask.n} asked for"),))
        if ask.n == 0:
            return Plan()
        if self.settings.peaceful:
            return Plan(notes=(f"{-ask.n} too many; they end by themselves (peaceful = True)",))
        return Plan(tuple(self._remove(job) for job in self.kill_order(batch)[: -ask.n]))

    def kill_order(self, batch: BatchStatus) -> list[PlainJob]:
        """Jobs that a negative ask removes, first to last: no running one while another waits or is held."""
        newest = self.settings.killorder == "newest"

        def rank(job: PlainJob) -> tuple[bool, float, int, int]:
            sign = -1 if newest else 1
            return job.status in _RUNNING, sign * job.submitted, sign * job.job.cluster, sign * job.job.proc

        return sorted((job for job in batch.jobs if job.status not in _DONE), key=rank)

    def _remove(self, job: PlainJob) -> Remove:
        reason = f"more than asked for, {self.settings.killorder} first"
        return Remove(queue=self.queue.name, job=job.job, still=f"JobStatus == {job.status}", reason=reason)

    def submission(self, n: int, shapes: tuple[Shape, ...], tools: SubmitTools) -> Submission:
        """One transaction of n jobs."""
        day = time.strftime("%Y-%m-%d", time.gmtime(tools.now))
        base = self.factory.base_log_dir or tools.logs
        directory = Path(base) / day / log_name(self.queue.name)
        url = (
            f"{self.factory.base_log_dir_url.rstrip('/')}/{day}/{directory.name}"
            if self.factory.base_log_dir_url
            else ""
        )
        macros = {
            "apf_queue": self.queue.name,
            "factory": self.factory.id,
            "incarnation": tools.incarnation,
            "log_dir": str(directory),
            "log_url": url,
            "program": self.program(),
            "extra_environment": " ".join(self._environment(url)),
        }
        lines = [f"{key} = {value}" for key, value in macros.items()]
        lines += [submit_templates.read(self.template), *self._lines(url)]
        lines += attribute_lines(self.settings.condor_attributes, self.settings.condor_attribute)
        schedd = ScheddAddress(self.factory.schedd, self.factory.pool if self.factory.schedd else None)
        items = tuple({"item": str(i)} for i in range(n))
        return Submission("\n".join(lines) + "\n", items, {}, schedd, directories=(directory,))

    def program(self) -> str:
        """The executable.

        Raises:
            ValueError: the queue names none.
        """
        program: str | None = self.settings.executable or self.queue.executable
        if not program:
            raise ValueError(f"queue {self.queue.name} has no executable; set executable to a path")
        return program

    def _environment(self, url: str) -> Iterator[str]:
        if url:
            yield f"GTAG={url}/$(Cluster).$(Process).out"
        yield f"FACTORYUSER={self.factory.owner}"
        if self.settings.environ:
            yield self.settings.environ

    def _lines(self, url: str) -> Iterator[str]:
        if self.queue.arguments:
            yield f"arguments = {self.queue.arguments}"
        if self.factory.admin_email:
            yield f"notify_user = {self.factory.admin_email}"
            yield "notification = Error"
        if url:
            for name, suffix in (("LOG", "log"), ("OUT", "out"), ("ERR", "err")):
                yield f'MY.APF_{name}URL = "{url}/$(Cluster).$(Process).{suffix}"'
        yield from self.universe()

    @abstractmethod
    def universe(self) -> Iterator[str]:
        """Submit lines that say where the jobs run."""
