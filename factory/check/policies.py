"""Check the schedd's policies: evaluate them on sample VM job ads at several moments of a VM's life."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from factory.condor.classad.evaluate import Answer, Question
from factory.condor.tools.config_val import DaemonConfig
from factory.config.queues import Queue
from factory.model.job_status import JobStatus
from factory.plugin.finding import Finding, Severity
from factory.settings.factory import FactorySettings

Evaluate = Callable[[Sequence[Question]], Sequence[Answer]]

_OFF = {"", "false", "0", "undefined"}


@dataclass(frozen=True)
class _Moment:
    when: str
    severity: Severity
    changes: Mapping[str, str]


def check_policies(
    queues: Sequence[Queue], ads: Mapping[str, str], factory: FactorySettings, schedd: DaemonConfig, evaluate: Evaluate
) -> Iterator[Finding]:
    """Check SYSTEM_PERIODIC_HOLD and _REMOVE, with their named forms, and SUBMIT_REQUIREMENTS."""
    samples = _distinct(queues, ads)
    for kind in ("HOLD", "REMOVE"):
        yield from _periodic(kind, samples, factory, schedd, evaluate)
    yield from _requirements(samples, factory, schedd, evaluate)


def _distinct(queues: Sequence[Queue], ads: Mapping[str, str]) -> list[tuple[Queue, str, int]]:
    """Return each sample ad once, with a queue that uses it and the longest lease, in seconds, of such queues."""
    by_ad: dict[str, tuple[Queue, int]] = {}
    for queue in queues:
        machines = queue.batchsubmit.machines()
        if queue.name in ads and machines is not None:
            first, longest_s = by_ad.get(ads[queue.name], (queue, 0))
            by_ad[ads[queue.name]] = (first, max(longest_s, machines.lease_max_s))
    return [(queue, ad, longest_s) for ad, (queue, longest_s) in by_ad.items()]


def _periodic(
    kind: str,
    samples: Sequence[tuple[Queue, str, int]],
    factory: FactorySettings,
    schedd: DaemonConfig,
    evaluate: Evaluate,
) -> Iterator[Finding]:
    family = f"SYSTEM_PERIODIC_{kind}"
    names = [family, *(f"{family}_{name}" for name in schedd.words(f"{family}_NAMES"))]
    expressions = {name: value for name in names if (value := schedd.get(name)) and value.lower() not in _OFF}
    cases = [
        (name, queue, moment, Question(text, ad, changes=moment.changes))
        for name, text in expressions.items()
        for queue, ad, longest_s in samples
        for moment in _moments(factory.owner, longest_s)
    ]
    reported: set[str] = set()
    for (name, queue, moment, question), answer in zip(cases, evaluate([case[3] for case in cases]), strict=True):
        if answer is True and name not in reported:
            reported.add(name)
            ends = ", which ends its instance" if kind == "HOLD" else ""
            effect = f"would {kind.lower()} a VM job {moment.when}{ends}"
            exempt = f"exempt VM jobs: {name} = (APFVM =?= undefined) && (…)"
            text = f"{name} = {_short(question.expression)} {effect}; {exempt}"
            yield Finding(moment.severity, text, queue.name, daemon=schedd.daemon)


def _moments(owner: str, longest_s: int) -> list[_Moment]:
    def job(status: JobStatus, age_s: int) -> dict[str, str]:
        then = f"(time() - {age_s})"
        started = {"JobStartDate": then, "JobCurrentStartDate": then, "NumJobStarts": "1", "ShadowBday": then}
        own = {"JobStatus": str(status), "Owner": f'"{owner}"', "User": f'"{owner}@"', "QDate": then}
        return {**own, "EnteredCurrentStatus": then, **(started if status == JobStatus.RUNNING else {})}

    return [
        _Moment("that waits for its instance", "error", job(JobStatus.IDLE, 300)),
        _Moment("whose instance has run for an hour", "error", job(JobStatus.RUNNING, min(3600, longest_s))),
        _Moment(
            f"near the end of its lease of {longest_s} s", "warning", job(JobStatus.RUNNING, max(0, longest_s - 300))
        ),
    ]


def _requirements(
    samples: Sequence[tuple[Queue, str, int]], factory: FactorySettings, schedd: DaemonConfig, evaluate: Evaluate
) -> Iterator[Finding]:
    """Evaluate as the schedd does: in its own ad, with the job as TARGET. It refuses any result but True."""
    prefix = "SUBMIT_REQUIREMENT_"
    for name in schedd.words("SUBMIT_REQUIREMENT_NAMES"):
        text = schedd.get(prefix + name)
        if text is None:
            continue
        for queue, ad, longest_s in samples:
            changes = _moments(factory.owner, longest_s)[0].changes
            expressions = [
                text,
                schedd.get(f"{prefix}{name}_REASON") or '""',
                schedd.get(f"{prefix}{name}_IS_WARNING") or "false",
            ]
            accepted, reason, only_warns = evaluate([Question(part, schedd.ad, ad, changes) for part in expressions])
            if accepted is True or only_warns is True:
                continue
            why = f" ({reason})" if isinstance(reason, str) and reason else ""
            verdict = "is false for" if accepted is False else "is neither true nor false for"
            yield Finding(
                "error",
                f"{prefix}{name} = {_short(text)} {verdict} a VM job{why}, so the schedd refuses it; add what it needs "
                f"with {queue.batchsubmit.key('condor_attributes')}, or exempt VM jobs: {prefix}{name} = "
                "(APFVM =!= undefined) || (…)",
                queue.name,
                daemon=schedd.daemon,
            )
            break


def _short(text: str) -> str:
    words = re.sub(r"\s+", " ", text)
    return words if len(words) <= 100 else words[:99] + "…"
