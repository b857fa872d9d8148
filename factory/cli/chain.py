"""``apf chain``: evaluate a queue's chain for numbers given on the command line. Contacts no daemon."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import click

from factory.cli.options import CONF
from factory.condor.schedd.history import HistorySource, RecentJobs
from factory.config import load
from factory.config.problems import ConfigError
from factory.config.queues import Config, Queue
from factory.decide.chain import Chain, run_chain
from factory.model.source import Reading, Readings
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus
from factory.plugin.sched import SchedPlugin, View

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_NOT_GIVEN = Unknown("not given")
_NO_JOBS = Unknown(
    "Fit matches single jobs, which numbers can't describe; 'apf explain queue NAME' shows what it does now"
)


def _values(kind: type[T]) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """Return a click callback that reads ``name=value,…`` into the int and str fields of a dataclass."""
    types = {name: hint for name, hint in get_type_hints(kind).items() if hint in (int, str)}

    def read(_ctx: click.Context, _param: click.Parameter, text: str | None) -> T | None:
        if text is None:
            return None
        values: dict[str, Any] = {}
        for part in text.split(","):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in types:
                known = ", ".join(f"{field}=…" for field in types)
                raise click.BadParameter(f"{part.strip()!r} is not valid; write one of {known}")
            if name in values:
                raise click.BadParameter(f"{name} is given twice")
            if not value:
                raise click.BadParameter(f"{name} has no value")
            try:
                values[name] = types[name](value)
            except ValueError:
                raise click.BadParameter(f"{name}={value} is not a whole number") from None
        return kind(**values)

    return read


def _given(flag: str, kind: type[Any], text: str) -> Callable[[F], F]:
    return click.option(flag, metavar="NAME=VALUE,…", callback=_values(kind), help=text)


@click.command()
@CONF
@_given("--wms", WmsStatus, "Jobs of the queue by state: ready=100,running=3")
@_given("--batch", BatchStatus, "VMs of the queue by state: pending=10,running=8")
@_given("--site", SiteStatus, "Status of the site in the WMS: status=online")
@click.option("--factory-total", type=int, help="Pending and running VMs of all queues together.")
@_given("--history", RecentJobs, "Recent jobs of the queue, which Throttle reads: total=20,short=15")
@click.option("-n", "start", type=int, default=0, show_default=True, help="Input of the first plugin.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("queue", metavar="QUEUE")
def chain(
    conf: tuple[Path, ...],
    wms: WmsStatus | None,
    batch: BatchStatus | None,
    site: SiteStatus | None,
    factory_total: int | None,
    history: RecentJobs | None,
    start: int,
    as_json: bool,
    queue: str,
) -> None:
    """Evaluate the chain of QUEUE for given numbers, step by step.

    An option that is not given is unknown, and the chain is blocked if a plugin needs it. Numbers that an option does
    not name are 0. A chain with Fit is always blocked here: it matches single jobs.

    Exit status: 0 for any outcome; 2 for a wrong call or configuration.
    """
    chosen = find_queue(load_or_exit(conf), queue)
    now = time.time()
    view = View(
        queue=chosen.name,
        now=now,
        wms_or_unknown=wms or _NOT_GIVEN,
        batch_or_unknown=batch or _NOT_GIVEN,
        site_or_unknown=site or _NOT_GIVEN,
        share_or_unknown=_NO_JOBS,
        total_or_unknown=_NOT_GIVEN if factory_total is None else factory_total,
        readings=Readings(now, _history(chosen.sched, history, now)),
    )
    result = run_chain(chosen.sched, view, start)
    click.echo(json.dumps(as_dict(chosen.name, result)) if as_json else as_text(chosen.name, result))


def load_or_exit(conf: tuple[Path, ...]) -> Config:
    """Return the configuration; print its errors and exit with status 2 if it has any."""
    try:
        return load(conf)
    except ConfigError as error:
        click.echo(error, err=True)
        raise SystemExit(2) from None


def find_queue(config: Config, name: str) -> Queue:
    """Return the queue with this name.

    Raises:
        click.UsageError: there is no such queue, or it is disabled and has errors.
    """
    queue = config.queue(name)
    if queue is not None:
        return queue
    broken = [str(problem) for problem in config.warnings if name in config.disabled and problem.section == name]
    if broken:
        raise click.UsageError("\n".join((f"queue {name} is disabled and can't be evaluated:", *broken)))
    names = [*(queue.name for queue in config.queues), *config.disabled]
    near = get_close_matches(name, names, 1)
    some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    raise click.UsageError(f"no queue {name}; " + (f"did you mean {near[0]}?" if near else f"the queues are: {some}"))


def _history(plugins: Iterable[SchedPlugin], history: RecentJobs | None, now: float) -> Mapping[str, Reading]:
    """Return readings in which each history source of the plugins has this result; None: not given."""
    readings = {}
    for plugin in plugins:
        try:
            sources = plugin.sources()
        except Exception:  # noqa: BLE001, S112  the chain reports it
            continue
        for source in sources:
            if isinstance(source, HistorySource):
                rows = dict.fromkeys(source.windows, history)
                error = _NOT_GIVEN.reason if history is None else None
                readings[source.key] = Reading(source.key, now, now, rows, error)
    return readings


def as_dict(queue: str, result: Chain) -> dict[str, Any]:
    """Return a chain for programs; ``n`` is None while it is blocked."""
    return {
        "queue": queue,
        "outcome": result.outcome,
        "n": None if result.blocked is not None else result.ask.n,
        "steps": [asdict(step) for step in result.steps],
        "reason": result.reason,
    }


def as_text(queue: str, result: Chain) -> str:
    """Return a chain for people, one step a line."""
    wide = max((len(step.plugin) for step in result.steps), default=0)
    lines = [f"  {s.plugin:<{wide}}  {s.n_in:>6} -> {s.n_out:<6}  {s.reason}" for s in result.steps]
    n = f" {abs(result.ask.n)}" if result.ask.n else ""
    return "\n".join((queue, *lines, f"{result.outcome}{n}: {result.reason}"))
