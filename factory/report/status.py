"""Reports of a round as plain data, for status.json, the journal and monitors; one log line for each queue. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from factory.decide.decision import Decision
from factory.model.actions import Action, ClearRetire, Outcome, Release, Remove, Retire, Submit, Unretire
from factory.model.memory import Health
from factory.model.source import Reading
from factory.model.status import BATCH_COUNTS, BatchStatus, Unknown, WmsStatus
from factory.model.vm import VM, counted
from factory.state.saved_memory import SavedMemory


def decision_report(decision: Decision, outcomes: Iterable[Outcome], now: float) -> dict[str, Any]:
    """Return the report of one queue's part of a round."""
    batch, blocked = decision.batch, decision.chain.blocked
    return {
        "queue": decision.queue,
        "decided": now,
        "outcome": decision.chain.outcome,
        "n": None if blocked is not None else decision.chain.ask.n,
        "blocked": None if blocked is None else {"cause": blocked.cause.value, "text": blocked.text},
        "steps": [asdict(step) for step in decision.chain.steps],
        "notes": list(decision.notes),
        "wms": _info(decision.wms),
        "site": _info(decision.site),
        "batch": {name: getattr(batch, name) for name in BATCH_COUNTS}
        if isinstance(batch, BatchStatus)
        else _info(batch),
        "states": {state.value: n for state, n in batch.states.items()} if isinstance(batch, BatchStatus) else {},
        "vms": [vm_report(vm) for vm in batch.vms] if isinstance(batch, BatchStatus) else [],
        "actions": [_outcome(outcome) for outcome in outcomes],
        "health": health_report(decision.health or Health()),
    }


def health_report(health: Health) -> dict[str, Any]:
    """Return the breakers and the last launches of a queue by shape (``*``: all shapes), and its canaries by image."""
    return {
        "breakers": {shape: asdict(breaker) for shape, breaker in health.breakers.items()},
        "launches": {shape: list(good) for shape, good in health.launches.items()},
        "canaries": dict(health.canaries),
    }


def vm_report(vm: VM) -> dict[str, Any]:
    """Return the fields of a VM that status.json shows."""
    return {
        "vm": vm.uuid,
        "job": str(vm.job),
        "state": vm.state.value,
        "why": vm.why,
        "shape": vm.shape,
        "instance": vm.instance,
        "startd": vm.startd,
        "claims": vm.claims,
        "idle_since": vm.idle_since,
        "lease_end": vm.lease_end,
    }


def _info(info: object) -> dict[str, Any] | None:
    if info is None:
        return None
    if isinstance(info, Unknown):
        return {"unknown": info.reason}
    if isinstance(info, WmsStatus):
        info = replace(info, demand=None)
    return {name: value for name, value in asdict(info).items() if name != "demand"}  # type: ignore[call-overload]


def _outcome(outcome: Outcome) -> dict[str, Any]:
    action = outcome.action
    return {
        "kind": type(action).__name__.lower(),
        "what": action_target(action),
        "reason": action.reason,
        "jobs": [str(job) for job in outcome.jobs],
        "error": outcome.error,
    }


def action_target(action: Action) -> str:
    """Return the jobs or the VM that an action is about, such as "VM UUID (job 12.0)"."""
    match action:
        case Submit():
            return f"{action.n} × {action.shapes[0]}" if action.shapes else counted(action.n, "job")
        case Remove() if action.vm is None:
            return f"job {action.job}"
        case Remove(vm=VM() as vm) | Unretire(vm=vm) | Retire(vm=vm) | ClearRetire(vm=vm) | Release(vm=vm):
            return f"VM {vm.uuid} (job {vm.job})"
    raise AssertionError(action)


def source_report(reading: Reading) -> dict[str, Any]:
    """Return a source: its key, start and duration of its last poll, its error, and the ads that it left out."""
    return {
        "source": reading.key,
        "started": reading.started,
        "took_s": round(reading.ended - reading.started, 3),
        "error": reading.error,
        "problems": list(reading.problems),
    }


def status_report(
    factory_id: str,
    incarnation: str,
    queues: Mapping[str, Mapping[str, Any]],
    readings: Iterable[Reading],
    disabled: Iterable[str],
    now: float,
    broken: object = None,
    audit: Mapping[str, Any] | None = None,
    known: SavedMemory | None = None,
) -> dict[str, Any]:
    """Return the content of status.json.

    ``broken``: a dataclass that describes the last rounds, if an unexpected error ended them.
    """
    return {
        "factory": factory_id,
        "incarnation": incarnation,
        "written": now,
        "broken": None if broken is None else asdict(broken),  # type: ignore[call-overload]
        "queues": list(queues.values()),
        "disabled": list(disabled),
        "audit": audit,
        "sources": [source_report(reading) for reading in readings],
        "known": (known or SavedMemory()).report(),
    }


def log_line(report: Mapping[str, Any]) -> str:
    """Return the report of one queue as a log line of ``key=value`` words."""
    wms, batch = report["wms"] or {}, report["batch"]
    words = [f"queue={report['queue']}", f"outcome={report['outcome']}"]
    words += [f"n={report['n']}"] if report["n"] is not None else []
    words += [f"ready={wms['ready']}"] if "ready" in wms else []
    shown = [name for name in BATCH_COUNTS if batch.get(name) or name in ("pending", "running")]
    words += [f"{name}={batch.get(name, 'unknown')}" for name in shown]
    steps = "; ".join(
        f"{step['plugin']} {step['n_in']}->{step['n_out']} ({step['reason']})" for step in report["steps"]
    )
    reason = report["blocked"]["text"] if report["blocked"] else steps
    words += [f'reason="{reason}"'] if reason else []
    words += [f'note="{note}"' for note in report["notes"]]
    return " ".join(words)
