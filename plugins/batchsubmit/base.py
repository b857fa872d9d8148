"""Base of the submit plugins for plain jobs: log layout, environment, extra submit lines, removal."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

import submit_templates
from factory.plugin import (
    FINISHED,
    ON_MACHINE,
    Ask,
    BatchStatus,
    BatchSubmitPlugin,
    Finding,
    Jobs,
    Memory,
    PlainJob,
    Plan,
    Remove,
    Shape,
    Submission,
    Submit,
    SubmitTools,
    Switch,
    counted,
    files,
    log_name,
    own_schedd,
)
from plugins.batchsubmit.submitlines import SubmitLines

_HELD = 10
"""Held jobs that never stop a queue from submitting."""


class PlainJobSettings(SubmitLines):
    """Keys of every submit plugin for plain jobs."""

    executable: str | None = None
    """Program of the jobs; none: the queue's ``executable``."""
    environ: str | None = None
    """``NAME=value NAME='two words'``: more environment variables of the jobs. Double a quote within a value."""
    peaceful: Switch = Field(default=True, json_schema_extra={"old": ["overlay.peaceful"]})
    """True: a negative ask does nothing, and jobs end by themselves. False: it removes jobs."""
    killorder: Literal["newest", "oldest"] = Field(default="newest", json_schema_extra={"old": ["overlay.killorder"]})
    """The jobs that are removed first, by QDate."""

    @field_validator("environ")
    @classmethod
    def _environ(cls, value: str | None) -> str | None:
        text = (value or "").replace('""', "").replace("''", "")
        if '"' in text or text.count("'") % 2:
            raise ValueError("has an unmatched quote; write 'two words' in quotes, and double a quote in a value")
        return value


class PlainJobs(BatchSubmitPlugin):
    """Submit plain jobs. Unless ``peaceful``, a negative ask removes idle and held jobs before running ones."""

    submits = Jobs.PLAIN

    class Settings(PlainJobSettings):
        """The keys of all plain jobs."""

    settings: PlainJobSettings
    template: str
    """File of ``submit_templates`` with the submit description."""

    def plan(self, ask: Ask, batch: BatchStatus, memory: Memory, now: float) -> Plan:
        """Submit, or remove jobs in the order of ``kill_order``."""
        if ask.n > 0 and batch.held > max(_HELD, batch.pending + batch.running):
            note = f"{batch.held} jobs are held and only {batch.pending + batch.running} are not; submitting pauses"
            return Plan(notes=(f"{note} until fewer are held; see the reasons with: condor_q -held",))
        if ask.n > 0:
            return Plan((Submit(queue=self.queue.name, n=ask.n, reason=f"{ask.n} asked for"),))
        if ask.n == 0:
            return Plan()
        if self.settings.peaceful:
            return Plan(notes=(f"{counted(-ask.n, 'job')} too many; jobs end by themselves (peaceful = True)",))
        return Plan(tuple(self._remove(job) for job in self.kill_order(batch)[: -ask.n]))

    def kill_order(self, batch: BatchStatus) -> list[PlainJob]:
        """Return the jobs in the order of removal: a running one only after all that wait or are held."""
        newest = self.settings.killorder == "newest"

        def rank(job: PlainJob) -> tuple[bool, float, int, int]:
            sign = -1 if newest else 1
            return job.status in ON_MACHINE, sign * job.submitted, sign * job.job.cluster, sign * job.job.proc

        return sorted((job for job in batch.jobs if job.status not in FINISHED), key=rank)

    def _remove(self, job: PlainJob) -> Remove:
        reason = f"more jobs than asked for; the {self.settings.killorder} are removed first"
        return Remove(queue=self.queue.name, job=job.job, still=f"JobStatus == {job.status}", reason=reason)

    def submission(self, n: int, shapes: tuple[Shape, ...], tools: SubmitTools) -> Submission:
        """Return one transaction of n jobs."""
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
            "log_dir": str(directory),
            "program": self.program(),
            "extra_environment": " ".join(self._environment(url, tools.environment)),
        }
        lines = [f"{key} = {value}" for key, value in macros.items()]
        lines += [submit_templates.read(self.template), *tools.owner.lines(), *self._lines(url), *self.settings.lines()]
        return Submission("\n".join(lines) + "\n", ({},) * n, {}, own_schedd(self.factory), directories=(directory,))

    def program(self) -> str:
        """Return the executable.

        Raises:
            ValueError: the queue names none.
        """
        program = self.settings.executable or self.queue.executable
        if not program:
            raise ValueError(f"queue {self.queue.name} has no executable; set executable to a path")
        return program

    def check(self) -> Iterator[Finding]:
        """Yield a finding if the executable can't be read: HTCondor transfers it at the submit."""
        key = self.key("executable") if self.settings.executable else "executable"
        try:
            program = self.program()
        except ValueError as error:
            yield Finding("error", str(error), self.queue.name, key)
            return
        if "$(" in program or any(line.lower().startswith("transfer_executable") for line in self.settings.lines()):
            return  # a macro of HTCondor; or a file of the machine where the job runs
        if not program.startswith("/"):
            yield Finding(
                "error", f"{program!r} is not an absolute path; write one that begins with /", self.queue.name, key
            )
            return
        yield from files.readable(Path(program), self.queue.name, key)

    def _environment(self, url: str, of_monitors: Mapping[str, str]) -> Iterator[str]:
        if url:
            yield f"GTAG={url}/$(Cluster).$(Process).out"
        yield f"FACTORYUSER={self.factory.owner}"
        yield from (f"{name}={value}" for name, value in of_monitors.items())
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
        """Yield the submit lines that say where the jobs run."""
