"""Run a chain of sched plugins: each passes its ask on to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from factory.model.ask import Ask
from factory.model.status import WmsStatus
from factory.plugin.sched import AskPlugin, AskStep, SchedPlugin, Step, View
from factory.process.faults import FAULTS, fault

if TYPE_CHECKING:
    from factory.fit.share import FitResult


LIMIT = 10**9
"""No pool wants so many machines: a plugin that answers more, up or down, is wrong."""

LOWER_BOUND = "WmsStatus"
"""Name of the step that no plugin took."""


def run_chain(plugins: Iterable[SchedPlugin], view: View, n: int = 0) -> Chain:
    """Decide for one queue, starting from n.

    The chain is blocked at the first plugin that needs something unknown, that raises, or whose answer is
    invalid. ``steps`` then has the steps before it. While the work is known in part only, an ask to retire
    becomes zero: unseen work may need the machines (rule 2).
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
        except _NonsenseError as error:
            return Chain(tuple(steps), blocked=Blocked(Cause.PLUGIN, f"sched plugin {name} {error}"))
        except FAULTS as error:  # it stops its own queue only
            return Chain(tuple(steps), blocked=Blocked(Cause.PLUGIN, f"sched plugin {name} failed: {fault(error)}"))
        steps.append(StepRecord(name, ask.n, answer.ask.n, answer.reason))
        ask, verdict = answer.ask, answer.verdict or verdict
    partial = view.wms_or_unknown.partial if isinstance(view.wms_or_unknown, WmsStatus) else None
    if partial is not None and (ask.n < 0 or ask.victims):
        n = max(0, ask.n)
        steps.append(StepRecord(LOWER_BOUND, ask.n, n, f"nothing retires while work may be unseen: {partial}"))
        ask = Ask(n, ask.shapes)
    return Chain(tuple(steps), ask, verdict=verdict)


class _NonsenseError(Exception):
    """A plugin's answer makes no sense."""


def _answer(plugin: SchedPlugin, ask: Ask, view: View) -> AskStep:
    if isinstance(plugin, AskPlugin):
        answer = plugin.step_ask(ask, view)
        if not isinstance(answer, AskStep) or not isinstance(answer.ask, Ask):
            raise _NonsenseError(f"answered {_short(answer)}, which is no AskStep")
        _check(answer.ask.n, answer.reason)
        n, victims = answer.ask.n, len(answer.ask.victims)
        if len(answer.ask.shapes) > max(n, 0) or (n < 0 and victims > -n):
            raise _NonsenseError(f"named more shapes or victims than its n = {n} allows")
        return answer
    step = plugin.step(ask.n, view)
    if not isinstance(step, Step):
        raise _NonsenseError(f"answered {_short(step)}, which is no Step")
    _check(step.n, step.reason)
    return AskStep(ask.to(step.n), step.reason)


def _check(n: object, reason: object) -> None:
    if not isinstance(n, int) or isinstance(n, bool):
        raise _NonsenseError(f"answered n = {_short(n)}, which is no whole number")
    if abs(n) > LIMIT:
        raise _NonsenseError(f"answered n = {n:.3e}, which is more than any pool has")
    if not isinstance(reason, str):
        raise _NonsenseError(f"gave {_short(reason)} as its reason, which is no text")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a chain as it was decided: what a person reads in ``apf status`` and ``explain``."""

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
    """Which waiting jobs the asked machines are for, where a step looked at job groups."""

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
        """The result's reason in one line: why it is blocked, or the last step that changed n."""
        if self.blocked is not None:
            return self.blocked.text
        if not self.steps:
            return "no sched plugin"
        changed = [step for step in self.steps if step.n_in != step.n_out]
        last = (changed or self.steps)[-1]
        return f"{last.plugin}: {last.reason}"
