"""Run a chain of sched plugins, each of which passes an ask on to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from factory.decide.plugin_answers import InvalidAnswer, validate_ask_step, validate_step
from factory.model.ask import Ask
from factory.model.status import WmsStatus
from factory.plugin.sched import AskPlugin, AskStep, SchedPlugin, View
from factory.process.faults import FAULTS, fault

if TYPE_CHECKING:
    from factory.fit.share import FitResult

LOWER_BOUND = "WmsStatus"
"""Name of the step, taken by no plugin, that stops retirements while some work may be unseen."""


def run_chain(plugins: Iterable[SchedPlugin], view: View, n: int = 0) -> Chain:
    """Return the decided chain of one queue, starting from n.

    The chain is blocked at the first plugin that needs unknown data, that raises, or whose answer is invalid; ``steps``
    has the steps before it. If only a part of the work is known, an ask to retire becomes zero: unseen work may need
    the VMs (rule 2).
    """
    ask, verdict = Ask(n), None
    steps: list[StepRecord] = []
    for plugin in plugins:
        name = plugin.name
        try:
            missing = view.unknown(plugin.needs, plugin.sources())
            if missing is not None:
                return Chain(tuple(steps), blocked=Blocked(Cause.UNKNOWN, f"{name}: {missing.reason}"))
            answer = _answer(plugin, ask, view)
        except InvalidAnswer as error:
            return Chain(tuple(steps), blocked=Blocked(Cause.PLUGIN, f"sched plugin {name} {error}"))
        except FAULTS as error:  # it stops its own queue only
            return Chain(tuple(steps), blocked=Blocked(Cause.PLUGIN, f"sched plugin {name} failed: {fault(error)}"))
        steps.append(StepRecord(name, ask.n, answer.ask.n, answer.reason))
        ask, verdict = answer.ask, answer.verdict or verdict
    partial = view.wms_or_unknown.partial if isinstance(view.wms_or_unknown, WmsStatus) else None
    if partial is not None and (ask.n < 0 or ask.victims):
        n = max(0, ask.n)
        steps.append(StepRecord(LOWER_BOUND, ask.n, n, f"no VM retires while some work may be unseen: {partial}"))
        ask = Ask(n, ask.shapes)
    return Chain(tuple(steps), ask, verdict=verdict)


def _answer(plugin: SchedPlugin, ask: Ask, view: View) -> AskStep:
    if isinstance(plugin, AskPlugin):
        return validate_ask_step(plugin.step_ask(ask, view))
    step = validate_step(plugin.step(ask.n, view))
    return AskStep(ask.to(step.n), step.reason)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a decided chain, as ``apf status`` and ``apf explain`` show it."""

    plugin: str
    n_in: int
    n_out: int
    reason: str


class Cause(StrEnum):
    """The kind of reason for which a chain is blocked."""

    UNKNOWN = "unknown"
    """Something that the chain needs is missing or too old (rule 2)."""
    PAUSED = "paused"
    """A person paused the queue with ``apf pause``."""
    DISABLED = "disabled"
    """The queue's section has ``enabled = False``."""
    REMOVED = "removed"
    """The queue's section is no longer configured."""
    PLUGIN = "plugin"
    """A plugin failed or gave an invalid answer."""
    NEWER_FACTORY = "newer-factory"
    """A newer factory with the same id is at work (rule 10)."""
    ERROR = "error"
    """An unexpected error of apf itself."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """The reason why a chain can't decide."""

    cause: Cause
    text: str


@dataclass(frozen=True)
class Chain:
    """A decided chain. While it is ``blocked`` its ``ask`` is empty."""

    steps: tuple[StepRecord, ...] = ()
    ask: Ask = field(default_factory=Ask)
    blocked: Blocked | None = None
    verdict: FitResult | None = None
    """The waiting jobs that the VMs are for; None if no step used job groups."""

    @property
    def blocked_text(self) -> str | None:
        """The reason why the chain is blocked; None if it is not."""
        return None if self.blocked is None else self.blocked.text

    @property
    def unknown(self) -> bool:
        """True if the chain is blocked because something is unknown."""
        return self.blocked is not None and self.blocked.cause is Cause.UNKNOWN

    @property
    def outcome(self) -> str:
        """``submit``, ``retire``, ``none`` or ``blocked``."""
        if self.blocked is not None:
            return "blocked"
        return "submit" if self.ask.n > 0 else "retire" if self.ask.n < 0 or self.ask.victims else "none"

    @property
    def reason(self) -> str:
        """The reason in one line: why the chain is blocked, or the reason of the last step that changed n."""
        if self.blocked is not None:
            return self.blocked.text
        if not self.steps:
            return "no sched plugin"
        changed = [step for step in self.steps if step.n_in != step.n_out]
        last = (changed or self.steps)[-1]
        return f"{last.plugin}: {last.reason}"
