"""``apf explain``: why a job is idle and what the factory does about it; what a queue does and why."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import click

from factory.cli.chain import find_queue, load_or_exit
from factory.cli.options import CONF
from factory.condor.schedd.job_facts import job_facts
from factory.config.queues import Config, Queue
from factory.decide.decision import Round
from factory.model.address import ScheddAddress
from factory.model.job import JobFacts
from factory.model.vm import JobId
from factory.process.workers import CallFailed, Workers
from factory.report.explain import explain_job, explain_queue, state_of
from factory.service.recorder import saved_memory
from factory.service.rehearsal import RunningFactory, rehearse
from factory.state.directory import StateDir
from factory.state.pauses import PausesError, read_pauses
from factory.state.saved_memory import SavedMemory, load_memory

_JOB = re.compile(r"(\d+)\.(\d+)")


@click.group()
def explain() -> None:
    """Explain why a job is idle, or what a queue buys and retires, and why. Observe and decide, but change nothing.

    If the factory runs on this host, its memory counts too: stuck jobs, shapes that failed, VMs that disappeared,
    instances without a VM job, and paused queues.
    """


@explain.command("job")
@CONF
@click.argument("job", metavar="CLUSTER.PROC")
def explain_one_job(conf: tuple[Path, ...], job: str) -> None:
    """Explain why this job is idle, and what the factory does about it.

    Exit status: 0 if the job was found; 1 if no schedd that a queue reads has it; 2 for a wrong call or configuration.
    """
    match = _JOB.fullmatch(job)
    if match is None:
        raise click.UsageError(f"{job!r} is not a job id; write CLUSTER.PROC, such as 12.0")
    config, workers = load_or_exit(conf), Workers()
    try:
        silent: list[ScheddAddress] = []
        found = list(_find(config, workers, JobId(int(match[1]), int(match[2])), silent))
        if not found:
            absent = f"no schedd that a queue reads has it; if it has left the queue: condor_history {job}"
            click.echo(f"job {job}: {'not found, and not every schedd answered' if silent else absent}", err=True)
            raise SystemExit(1)
        idle = any(state_of(facts) is None for _, facts in found)
        done = rehearse(config, workers, _running_factory(config)).round if idle else None
    finally:
        workers.stop()
    for schedd, facts in found:
        click.echo("\n".join(_lines(config, done, schedd, facts)))


def _running_factory(config: Config) -> RunningFactory:
    """Return the memory and the pauses of the running factory; print a note if they can't be read."""
    factory, names = config.factory, [queue.name for queue in config.all_queues]
    statedir = StateDir(factory.statedir, factory.id)
    try:
        if not statedir.running():
            return RunningFactory(SavedMemory(saved_memory(statedir, config, time.time())))
        report = json.loads(statedir.status.read_text(encoding="utf-8"))
        paused = read_pauses(statedir.paused).reasons(names)
        return RunningFactory(load_memory(report["known"]), paused, str(report["incarnation"]))
    except FileNotFoundError:
        return RunningFactory()  # no round has ended yet
    except PermissionError as error:
        why = f"{error.filename}: permission denied; run this as {factory.owner} or root"
    except (OSError, ValueError, KeyError, PausesError) as error:
        why = f"{statedir.path}: {error}"
    click.echo(f"memory and pauses of the running factory are unknown: {why}", err=True)
    return RunningFactory()


def _find(
    config: Config, workers: Workers, job: JobId, silent: list[ScheddAddress]
) -> Iterator[tuple[ScheddAddress, JobFacts]]:
    """Yield the job from each schedd that has one with this id; collect schedds that don't answer in ``silent``."""
    wanted: dict[ScheddAddress, set[str]] = {}
    for queue in config.queues:
        schedds, selection = _work(queue)
        for schedd in schedds:
            wanted.setdefault(schedd, set()).add(selection)
    for schedd, selections in wanted.items():
        try:
            facts = workers.call(str(schedd), config.factory.deadline, job_facts, schedd, job, sorted(selections))
        except CallFailed as error:
            click.echo(f"{schedd}: {error}", err=True)
            silent.append(schedd)
            continue
        if facts is not None:
            yield schedd, facts


def _work(queue: Queue) -> tuple[tuple[ScheddAddress, ...], str]:
    work = queue.wmsstatus.jobs() if queue.wmsstatus else None
    return work or ((), "false")


def _lines(config: Config, done: Round | None, schedd: ScheddAddress, facts: JobFacts) -> Iterator[str]:
    state = state_of(facts)
    if state is not None or done is None:
        yield f"job {facts.job} {state}"
        return
    yield f"job {facts.job} of {facts.owner} is idle"
    decisions = {decision.queue: decision for decision in done.decisions}
    mine = [queue for queue in config.queues if _serves(queue, schedd, facts)]
    for queue in mine:
        yield f"queue {queue.name}"
        yield from (f"  {line}" for line in explain_job(facts, decisions[queue.name]))
    if not mine:
        yield "  no queue serves it: no wmsqueue or constraint selects it"


def _serves(queue: Queue, schedd: ScheddAddress, facts: JobFacts) -> bool:
    schedds, selection = _work(queue)
    return schedd in schedds and selection in facts.selected


@explain.command("queue")
@CONF
@click.argument("queue", metavar="NAME")
def explain_one_queue(conf: tuple[Path, ...], queue: str) -> None:
    """Explain what this queue does now, and why not one VM more or fewer."""
    config = load_or_exit(conf)
    chosen, workers = find_queue(config, queue), Workers()
    try:
        done = rehearse(config, workers, _running_factory(config), winding_down=True).round
    finally:
        workers.stop()
    for decision in done.decisions:
        if decision.queue == chosen.name:
            click.echo(
                "\n".join((f"queue {chosen.name}", *(f"  {line}" for line in explain_queue(decision, done.now))))
            )
