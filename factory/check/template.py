"""What a queue would submit: its submit description, tried by ``condor_submit -dry-run``, and the job ad it makes."""

from __future__ import annotations

import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.condor.tools.dry_run import DryRun, DryRunError, dry_run, dummy_token
from factory.condor.tools.run import ToolError
from factory.config.queues import Queue
from factory.plugin.batchsubmit import JobOwner, Submission, SubmitTools, Token
from factory.plugin.finding import Finding
from factory.process.workers import one_line
from factory.settings.factory import FactorySettings
from factory.userdata.compose import UserDataError

SAMPLE_VM = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Samples:
    """Sample job ads by queue, and what was wrong with the others."""

    ads: Mapping[str, str]
    """The text of an ad. Queues whose descriptions have the same commands share the ad of the first of them."""
    findings: tuple[Finding, ...]


def sample_jobs(queues: Sequence[Queue], factory: FactorySettings) -> Samples:
    """Make the submission of one job of each queue with a dummy token, and try one of each kind.

    Two descriptions are of one kind if they have the same commands. Nothing is submitted, and what is written
    is gone afterwards.
    """
    kinds: dict[tuple[str, ...], list[Queue]] = defaultdict(list)
    samples: dict[str, Submission] = {}
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="apf-check-") as name:
        directory = Path(name)
        for queue in queues:
            try:
                submission = queue.batchsubmit.submission(1, (), _tools(directory, factory, queue.name))
            except Exception as error:  # noqa: BLE001  a layer that can't be used, or a plugin's fault
                findings.append(_wrong(queue, _said(error)))
            else:
                samples[queue.name] = submission
                kinds[_commands(submission)].append(queue)
        ads: dict[str, str] = {}
        for alike in kinds.values():
            found = list(_try(alike, samples[alike[0].name], directory, ads))
            findings += found
            if any(finding.severity == "unchecked" for finding in found):
                break
    return Samples(ads, tuple(findings))


def _try(alike: Sequence[Queue], submission: Submission, directory: Path, ads: dict[str, str]) -> Iterator[Finding]:
    try:
        for path, content in submission.files.items():
            Path(path).write_bytes(content)
        # Directories for logs are made when there is something to submit.
        elsewhere = f"initialdir = {directory}\n" if submission.directories else ""
        tried: DryRun = dry_run(submission.description + elsewhere, submission.items[0], directory)
    except DryRunError as error:
        yield _wrong(alike[0], f"condor_submit refuses what the queue would submit: {error}")
    except ToolError as error:
        yield Finding("unchecked", f"submit templates: {error}")
    else:
        ads.update(dict.fromkeys((queue.name for queue in alike), tried.ad))
        for line in tried.unused:
            yield Finding(
                "warning", f"condor_submit does not know this line of what it would submit: {line}", alike[0].name
            )


def _tools(directory: Path, factory: FactorySettings, queue: str) -> SubmitTools:
    return SubmitTools(
        now=time.time(),
        owner=JobOwner.of_factory(factory, queue, "0 check 0"),
        userdata=directory,
        pool=factory.pool or "collector.example:9618",
        logs=directory,
        uuid=lambda: SAMPLE_VM,
        token=lambda lifetime_s: Token(dummy_token(factory.owner, lifetime_s), factory.owner),
        schedd=lambda: factory.schedd or "schedd.example",
    )


def _commands(submission: Submission) -> tuple[str, ...]:
    """Names of the commands and macros in a description."""
    lines = (line.strip() for line in submission.description.splitlines())
    names = (line.partition("=")[0].strip().lower() for line in lines if line and not line.startswith("#"))
    return tuple(sorted(set(names)))


def _wrong(queue: Queue, text: str) -> Finding:
    return Finding("error", text, queue.name)


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    return str(error) if isinstance(error, UserDataError) else one_line(error)
