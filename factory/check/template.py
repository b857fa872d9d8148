"""Try the submit description of each queue with ``condor_submit -dry-run``, which returns the job ad."""

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
    """Sample job ads by queue, and the errors of queues without one."""

    ads: Mapping[str, str]
    """Text of each queue's ad. Queues whose descriptions have the same commands share one ad."""
    findings: tuple[Finding, ...]


def sample_jobs(queues: Sequence[Queue], factory: FactorySettings) -> Samples:
    """Build the submission of one job of each queue with a dummy token, and try one for each set of commands.

    Nothing is submitted, and all written files are removed.
    """
    kinds: dict[tuple[str, ...], list[Queue]] = defaultdict(list)
    samples: dict[str, Submission] = {}
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="apf-check-") as name:
        directory = Path(name)
        for queue in queues:
            try:
                submission = queue.batchsubmit.submission(1, (), _tools(directory, factory, queue.name))
            except Exception as error:  # noqa: BLE001  an unusable layer, or a faulty plugin
                findings.append(_wrong(queue, _describe(error)))
            else:
                samples[queue.name] = submission
                kinds[_commands(submission)].append(queue)
        ads: dict[str, str] = {}
        for same in kinds.values():
            results = list(_try(same, samples[same[0].name], directory, ads))
            findings += results
            if any(finding.severity == "unchecked" for finding in results):
                break
    return Samples(ads, tuple(findings))


def _try(same: Sequence[Queue], submission: Submission, directory: Path, ads: dict[str, str]) -> Iterator[Finding]:
    try:
        for path, content in submission.files.items():
            Path(path).write_bytes(content)
        # The log directories do not exist yet: they are created when a job is submitted.
        elsewhere = f"initialdir = {directory}\n" if submission.directories else ""
        tried: DryRun = dry_run(submission.description + elsewhere, submission.items[0], directory)
    except DryRunError as error:
        yield _wrong(same[0], f"condor_submit refuses the submit description: {error}")
    except ToolError as error:
        yield Finding("unchecked", f"submit templates: {error}")
    else:
        ads.update(dict.fromkeys((queue.name for queue in same), tried.ad))
        for line in tried.unused:
            yield Finding(
                "warning", f"condor_submit does not know this line: {line}; correct or remove it", same[0].name
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
    """Return the sorted names of the commands and macros in a description."""
    lines = (line.strip() for line in submission.description.splitlines())
    names = (line.partition("=")[0].strip().lower() for line in lines if line and not line.startswith("#"))
    return tuple(sorted(set(names)))


def _wrong(queue: Queue, text: str) -> Finding:
    return Finding("error", text, queue.name)


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    return str(error) if isinstance(error, UserDataError) else one_line(error)
