"""Run a chain of sched plugins: each passes its ask on to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
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

    The chain holds at the first plugin that needs something unknown, that raises, or whose answer
    makes no sense. ``steps`` then has what came before. While the work is known in part only, an ask to
    retire becomes none: what is not seen may need the machines (rule 2).
    """
    ask, verdict = Ask(n), None
    steps: list[StepRecord] = []
    for plugin in plugins:
        name = plugin.name
        try:
            missing = view.unknown(plugin.needs, plugin.sources())
            if missing is not None:
                return Chain(tuple(steps), hold=f"{name}: {missing.reason}", unknown=True)
            answer = _answer(plugin, ask, view)
        except _NonsenseError as error:
            return Chain(tuple(steps), hold=f"sched plugin {name} {error}")
        except FAULTS as error:  # it stops its own queue only
            return Chain(tuple(steps), hold=f"sched plugin {name} failed: {fault(error)}")
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


@dataclass(frozen=True)
class Chain:
    """A decided chain. ``hold`` says why nothing may be concluded; then ``ask`` is empty."""

    steps: tuple[StepRecord, ...] = ()
    ask: Ask = field(default_factory=Ask)
    hold: str | None = None
    unknown: bool = False
    """It holds because something is not known, and not because it is paused or broken."""
    verdict: FitResult | None = None
    """Which waiting jobs the asked machines are for, where a step looked at job groups."""

    @property
    def reason(self) -> str:
        """Why it came out so, in one line: the hold, or the step that had the last word on n."""
        if self.hold is not None:
            return self.hold
        if not self.steps:
            return "no sched plugin"
        changed = [step for step in self.steps if step.n_in != step.n_out]
        last = (changed or self.steps)[-1]
        return f"{last.plugin}: {last.reason}"
