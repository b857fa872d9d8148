"""Plugins in a chain: invalid answers, undeclared data, own sources, and asks with shapes and victims."""

from collections.abc import Callable
from typing import Any

import pytest

from factory.decide.chain import run_chain
from factory.decide.plugin_answers import LIMIT
from factory.model.ask import Ask
from factory.model.shape import Shape
from factory.model.source import Reading, Readings
from factory.model.status import WmsStatus
from factory.plugin import Source
from factory.plugin.sched import AskPlugin, AskStep, SchedPlugin, Step, View
from plugins.sched.fixed import Fixed
from plugins.sched.maxpercycle import MaxPerCycle
from plugins.sched.minpercycle import MinPerCycle
from plugins.sched.null import Null
from tests.rig.chains import plugin, view


class Odd(SchedPlugin):
    """A plugin with an answer given by the test."""

    answer: Callable[[], Any]

    def step(self, n: int, view: View) -> Step:
        return self.answer()  # type: ignore[no-any-return]


class OddAsk(AskPlugin):
    """A plugin with an answer of a whole ask, given by the test."""

    answer: Callable[[], Any]

    def step_ask(self, ask: Ask, view: View) -> AskStep:
        return self.answer()  # type: ignore[no-any-return]


def odd(answer: Callable[[], Any], kind: type[Odd] | type[OddAsk] = Odd) -> SchedPlugin:
    step = plugin(kind)
    step.answer = answer  # type: ignore[attr-defined]
    return step


def fail() -> Step:
    raise ZeroDivisionError("division by zero")


SHAPE = Shape("ami", "m5.large")
INVALID: list[tuple[Callable[[], Any], str]] = [
    (fail, "failed: ZeroDivisionError: division by zero"),
    (lambda: None, "answered None, which is not a Step"),
    (lambda: (3, "three"), "answered (3, 'three'), which is not a Step"),
    (
        lambda: "long" * 100,
        "answered 'longlonglonglonglonglonglonglonglonglonglonglonglonglong..., which is not a Step",
    ),
    (
        lambda: AskStep(Ask(1), ""),
        "answered AskStep(ask=Ask(n=1, shapes=(), victims=()), reason=''), which is not a Step",
    ),
    (lambda: Step(2.0, ""), "answered n = 2.0, which is not a whole number"),  # type: ignore[arg-type]
    (lambda: Step(float("nan"), ""), "answered n = nan, which is not a whole number"),  # type: ignore[arg-type]
    (lambda: Step(True, ""), "answered n = True, which is not a whole number"),
    (lambda: Step("5", ""), "answered n = '5', which is not a whole number"),  # type: ignore[arg-type]
    (lambda: Step(LIMIT + 1, ""), "answered n = 1.000e+09, more than any pool has"),
    (lambda: Step(-LIMIT - 1, ""), "answered n = -1.000e+09, more than any pool has"),
    (lambda: Step(1, None), "answered reason None, which is not a text"),  # type: ignore[arg-type]
]
INVALID_ASKS: list[tuple[Callable[[], Any], str]] = [
    (fail, "failed: ZeroDivisionError: division by zero"),
    (lambda: Step(1, ""), "answered Step(n=1, reason=''), which is not an AskStep"),
    (lambda: AskStep(3, ""), "answered AskStep(ask=3, reason=''), which is not an AskStep"),  # type: ignore[arg-type]
    (lambda: AskStep(Ask(True), ""), "answered n = True, which is not a whole number"),
    (lambda: AskStep(Ask(-1, (SHAPE,)), ""), "answered more shapes or victims than n = -1 allows"),
    (lambda: AskStep(Ask(0, (SHAPE,), ("a",)), ""), "answered more shapes or victims than n = 0 allows"),
    (lambda: AskStep(Ask(-1, (), ("a", "b")), ""), "answered more shapes or victims than n = -1 allows"),
]


@pytest.mark.parametrize(
    ("step", "blocked"),
    [
        *((odd(answer), f"sched plugin Odd {blocked}") for answer, blocked in INVALID),
        *((odd(answer, OddAsk), f"sched plugin OddAsk {blocked}") for answer, blocked in INVALID_ASKS),
    ],
)
def test_failing_or_invalid_plugin_blocks_its_chain_by_name(step: SchedPlugin, blocked: str) -> None:
    result = run_chain((plugin(Fixed, pilotspercycle=3), step, plugin(Null)), view())
    assert result.blocked_text == blocked
    assert result.ask == Ask()
    assert [record.plugin for record in result.steps] == ["Fixed"]


def test_plugin_that_reads_undeclared_data_blocks_its_chain() -> None:
    class Sneaky(SchedPlugin):
        def step(self, n: int, view: View) -> Step:
            return Step(view.wms.ready, "")

    blocked = run_chain((plugin(Sneaky),), view()).blocked_text
    assert blocked is not None
    assert "Sneaky" in blocked
    assert "did not declare" in blocked


class Prices(Source):
    """A plugin's own source."""

    @property
    def key(self) -> str:
        return "prices"

    @property
    def address(self) -> str:
        return "cloud"

    def fetch(self) -> Any:
        raise AssertionError("decide fetched data")


class Priced(SchedPlugin):
    """A plugin that reads its own source."""

    def sources(self) -> tuple[Source, ...]:
        return (Prices(),)

    def step(self, n: int, view: View) -> Step:
        return Step(view.rows(Prices()), "by price")


def test_chain_is_blocked_until_a_plugins_own_source_is_read() -> None:
    def seen(**reading: Any) -> View:
        return view(now=100, readings=Readings(100, {"prices": Reading("prices", 90, 91, **reading)}, after=50))

    assert run_chain((plugin(Priced),), seen(rows=4)).ask == Ask(4)
    assert run_chain((plugin(Priced),), view()).blocked_text == "Priced: prices: not read"
    assert run_chain((plugin(Priced),), seen(error="no route")).blocked_text == "Priced: prices: no route"
    old = view(now=1000, readings=Readings(1000, {"prices": Reading("prices", 90, 91, rows=4)}))
    assert run_chain((plugin(Priced),), old).blocked_text == "Priced: prices: 910 s old, older than 360 s"


def test_number_plugins_keep_shapes_and_victims_by_the_law_of_asks() -> None:
    shapes = (SHAPE, Shape("ami", "m5.xlarge"), SHAPE)
    named = odd(lambda: AskStep(Ask(3, shapes), ""), OddAsk)
    assert run_chain((named, plugin(MaxPerCycle, maximum=2)), view()).ask == Ask(2, shapes[:2])
    assert run_chain((named, plugin(MinPerCycle, minimum=5)), view()).ask == Ask(5, (*shapes, SHAPE, SHAPE))
    assert run_chain((named, plugin(MaxPerCycle, maximum=-2)), view()).ask == Ask(-2)


def test_victims_beside_additions_survive_caps() -> None:
    shapes = (SHAPE, SHAPE)
    named = odd(lambda: AskStep(Ask(2, shapes, ("a", "b")), ""), OddAsk)
    assert run_chain((named,), view()).ask == Ask(2, shapes, ("a", "b"))
    assert run_chain((named, plugin(MaxPerCycle, maximum=0)), view()).ask == Ask(0, (), ("a", "b"))
    assert run_chain((named, plugin(MaxPerCycle, maximum=-1)), view()).ask == Ask(-1, (), ("a",))
    partial = run_chain((named,), view(wms=WmsStatus(partial="schedd B is silent")))
    assert partial.ask == Ask(2, shapes)
    assert "no VM retires while some work may be unseen" in partial.steps[-1].reason
