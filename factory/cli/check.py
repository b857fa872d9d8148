"""``apf check``: errors of the configuration and the pool, and what each queue would do now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.padding import Padding
from rich.text import Text

from factory.check.places import Places
from factory.cli.decisions import show_decision
from factory.cli.options import CONF
from factory.cli.terminal import Output
from factory.config import describe_key, load
from factory.config.problems import ConfigError, Problem
from factory.config.queues import Config
from factory.model.vm import counted
from factory.plugin.finding import Finding
from factory.report.status import action_target, decision_report
from factory.service.rehearsal import Rehearsal

_STYLE = {"error": "bold red", "warning": "yellow", "unchecked": "dim"}
_WORD = {"error": "error", "warning": "warning", "unchecked": "not checked"}


@click.command()
@CONF
@click.option("--offline", is_flag=True, help="Check files and plugins only; contact no daemon.")
@click.option("--explain", "key", metavar="KEY", help="Describe a key or a plugin; check nothing.")
def check(conf: tuple[Path, ...], offline: bool, key: str | None) -> None:
    """Check the configuration, the files it names, and the pool's limits and policies for VM jobs.

    Then show what each queue would do now: observe and decide as in a round, without acting. Nothing is written. Checks
    that need a daemon which does not answer are listed as "not checked" and are no error.

    Exit status: 0 without errors, also with warnings; 1 with errors; 2 for a wrong call.
    """
    if key is not None:
        _explain(key)
        return
    output = Output()
    try:
        config = load(conf)
    except ConfigError as error:
        for problem in error.problems:
            _show_problem(output, problem)
        severities: list[str] = [problem.severity for problem in error.problems]
        counts = {word: severities.count(word) for word in ("error", "warning")}
        output.put(Text(f"not good: {_counted(counts)}", "bold red"))
        raise SystemExit(1) from None
    from factory.check.run import run_checks as check_all

    verdict = check_all(config, offline)
    places = Places(conf)
    for problem in config.warnings:
        _show_problem(output, problem)
    for finding in verdict.findings:
        _show(output, places.locate(finding), finding.where, finding.severity, finding.text)
    if verdict.good and verdict.rehearsal is not None:
        _show_round(output, verdict.rehearsal)
    output.put(Text(_summary(config, verdict.findings, verdict.good), "bold" if verdict.good else "bold red"))
    if not verdict.good:
        raise SystemExit(1)


def _explain(key: str) -> None:
    try:
        click.echo(describe_key(key))
    except LookupError as error:
        raise click.UsageError(str(error)) from None


def _show_problem(output: Output, problem: Problem) -> None:
    place = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
    section = f"[{problem.section}]" if problem.section is not None else ""
    _show(output, place, " ".join(filter(None, (section, problem.key))), problem.severity, problem.text)


def _show(output: Output, place: str | None, where: str, severity: str, text: str) -> None:
    """Print ``place: [section] key: severity: text`` on one line; on a terminal, indent the text below."""
    word = "" if severity == "error" else f"{_WORD[severity]}: "
    if not output.terminal:
        head = ": ".join(filter(None, (place, where)))
        joint = " " if where.endswith("]") and place is not None else ": "
        output.put(f"{head}{joint}{word}{text}" if head else f"{word}{text}")
        return
    line = Text(f"{_WORD[severity]:<13}", _STYLE[severity])
    if not where and place is None:
        output.put(line.append(text, "not bold default"))
        return
    line.append(where or "", "bold").append(f"  {place}" if place else "", "dim")
    output.put(line)
    output.put(Padding(Text(text), (0, 0, 0, 13)))


def _show_round(output: Output, rehearsal: Rehearsal) -> None:
    """Print what each queue would do now."""
    for decision in rehearsal.round.decisions:
        report = decision_report(decision, (), rehearsal.round.now)
        actions = [(type(action).__name__.lower(), action_target(action), action.reason) for action in decision.actions]
        output.put()
        show_decision(output, report, actions)
    output.put()


def _summary(config: Config, findings: Sequence[Finding], good: bool) -> str:
    """Return the verdict in one line."""
    warnings = sum(1 for f in findings if f.severity == "warning") + len(config.warnings)
    counts = {
        "error": sum(1 for f in findings if f.severity == "error"),
        "warning": warnings,
        "thing": sum(1 for f in findings if f.severity == "unchecked"),
    }
    found = _counted(counts)
    queues = counted(len(config.queues), "queue")
    off = f", {len(config.disabled)} disabled" if config.disabled else ""
    return f"{'good' if good else 'not good'}: {queues}{off}" + (f"; {found}" if found else "")


def _counted(counts: Mapping[str, int]) -> str:
    """Return counts in words, such as ``1 error, 2 warnings``, without zeros."""
    tails = {"thing": " not checked"}
    return ", ".join(counted(n, noun) + tails.get(noun, "") for noun, n in counts.items() if n)
