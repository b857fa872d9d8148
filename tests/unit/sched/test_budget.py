"""Budget: the hourly cost of all machines, and the purchases that it allows."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.condor.schedd.job_counts import JobCountRows
from factory.config import load
from factory.config.queues import Config
from factory.decide.decide import decide
from factory.decide.decision import Decision
from factory.model.actions import Submit, Unretire
from factory.model.ask import Ask
from factory.model.pool import PoolRows
from factory.model.shape import Shape
from factory.model.source import Reading
from factory.model.status import BatchStatus
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.plugin import Cost
from factory.plugin.sched import AskPlugin, Info, View
from factory.world.world import World
from plugins.sched.budget import Budget
from tests.rig.chains import conf, plugin, view
from tests.rig.queues import VMS, make_queue
from tests.rig.vms import NOW, SHAPE, job, machine

CHEAP, DEAR, UNKNOWN = Cost("Q", "cheap", 0.1), Cost("Q", "dear", 1.0), Cost("Q", "odd", None)
OTHERS = Cost("R", "dear", 1.0)


def budget(**settings: Any) -> AskPlugin:
    made = plugin(Budget, **settings)
    assert isinstance(made, AskPlugin)
    return made


def seen(owned: dict[Cost, int], *offer: Cost, back: int = 0) -> View:
    """Return a view in which ``back`` VMs are unretired and then ``offer`` is bought, one by one."""

    def bought(ask: Ask) -> tuple[Cost, ...]:
        return offer[: max(0, ask.n - back)]

    return replace(view(batch=BatchStatus(), total=0), owned=owned, bought=bought)


@pytest.mark.parametrize(
    ("owned", "offer", "back", "settings", "n", "reason"),
    [
        ({}, [CHEAP] * 5, 0, {}, 5, "no maximum set"),
        ({}, [CHEAP] * 5, 0, {"maximum_per_hour": 1}, 5, "the queue costs 0.00 of 1.00 USD per hour"),
        ({CHEAP: 7}, [CHEAP] * 5, 0, {"maximum_per_hour": 1}, 3, "0.70 of 1.00 USD per hour; room for 3 of 5"),
        ({CHEAP: 7}, [CHEAP, DEAR, CHEAP], 0, {"maximum_per_hour": 1}, 1, "room for 1 of 3"),
        ({CHEAP: 10}, [CHEAP], 0, {"maximum_per_hour": 1}, 0, "1.00 of 1.00 USD per hour; room for 0 of 1"),
        ({DEAR: 3}, [CHEAP], 0, {"maximum_per_hour": 1}, 0, "costs 3.00 of 1.00"),
        ({DEAR: 3}, [CHEAP] * 4, 2, {"maximum_per_hour": 1}, 2, "room for 2 of 4"),
        ({}, [CHEAP] * 5, 0, {"maximum_per_hour": 0}, 0, "0.00 of 0.00"),
        ({OTHERS: 9}, [DEAR] * 2, 0, {"maximum_per_hour": 2}, 2, "the queue costs 0.00"),
        ({OTHERS: 9}, [DEAR] * 2, 0, {"factory_maximum_per_hour": 10}, 1, "the factory costs 9.00 of 10.00"),
        ({OTHERS: 9, DEAR: 1}, [DEAR] * 4, 0, {"maximum_per_hour": 4, "factory_maximum_per_hour": 12}, 2,
         "the queue costs 1.00 of 4.00, the factory costs 10.00 of 12.00 USD per hour; room for 2 of 4"),
        ({UNKNOWN: 1}, [CHEAP], 0, {"maximum_per_hour": 5}, 0, "buys nothing: the price of odd is unknown; set "),
        ({}, [CHEAP, UNKNOWN], 0, {"maximum_per_hour": 5}, 0, "the price of odd is unknown"),
        ({UNKNOWN: 1}, [CHEAP] * 3, 2, {"maximum_per_hour": 5}, 2, "the price of odd is unknown"),
        ({UNKNOWN: 2}, [UNKNOWN] * 9, 0, {"maximum_per_hour": 5, "unknown_price": 1}, 3, "2.00 of 5.00"),
        ({replace(UNKNOWN, queue="R"): 2}, [CHEAP], 0, {"maximum_per_hour": 5}, 1, "0.00 of 5.00"),
    ],
)  # fmt: skip
def test_buys_what_fits_the_budget(
    owned: dict[Cost, int], offer: list[Cost], back: int, settings: dict[str, float], n: int, reason: str
) -> None:
    answer = budget(**settings).step_ask(Ask(len(offer)), seen(owned, *offer, back=back))
    assert answer.ask.n == n
    assert reason in answer.reason


def test_retirements_pass_an_exceeded_budget() -> None:
    ask = Ask(-2, victims=("a", "b"))
    assert budget(maximum_per_hour=0).step_ask(ask, seen({DEAR: 9, UNKNOWN: 1})).ask == ask


def test_cuts_shapes_from_the_end() -> None:
    shapes = (Shape("ami-1", "a"), Shape("ami-1", "b"))
    answer = budget(maximum_per_hour=0.1).step_ask(Ask(2, shapes), seen({}, CHEAP, CHEAP))
    assert answer.ask == Ask(1, shapes[:1])


def test_factory_budget_needs_the_total_of_the_factory() -> None:
    assert (budget(maximum_per_hour=1).whole_factory, budget(maximum_per_hour=1).needs) == (
        False,
        frozenset({Info.BATCH}),
    )
    whole = budget(factory_maximum_per_hour=1)
    assert (whole.whole_factory, whole.needs) == (True, frozenset({Info.BATCH, Info.FACTORY_TOTAL}))


@given(
    st.dictionaries(st.integers(0, 4), st.integers(0, 20)),
    st.lists(st.integers(0, 4), max_size=30),
    st.integers(0, 5),
    st.integers(0, 3000),
)
def test_spends_up_to_the_maximum_and_never_more(
    counts: dict[int, int], offer: list[int], back: int, cents: int
) -> None:
    """The money left is less than the cost of the next machine."""
    owned = {Cost("Q", str(cost), cost / 100): n for cost, n in counts.items()}
    rate = sum(cost * n for cost, n in counts.items())
    offered = [Cost("Q", str(cost), cost / 100) for cost in offer]
    n = budget(maximum_per_hour=cents / 100).step_ask(
        Ask(len(offer)), seen(owned, *offered, back=back)
    ).ask.n  # fmt: skip
    bought = offer[: max(0, n - back)]
    assert not bought or rate + sum(bought) <= cents
    assert n >= min(back, len(offer)), "an unretired machine costs nothing more"
    if n < len(offer):
        assert rate + sum(offer[: n + 1 - back]) > cents


# Prices and whole rounds


@pytest.mark.parametrize(
    ("keys", "shape", "price"),
    [
        ({"price_m5.large": 0.096}, "ami-1/m5.large/*/on-demand", 0.096),
        ({"price_m5.large": 0.096}, "ami-1/m5.large/us-east-1a/spot", None),
        ({"price_m5.large": 0.096}, "ami-1/c5.large/*/on-demand", None),
        ({"spot_price": 0.2}, "ami-1/c5.large/*/spot", 0.2),
        ({"spot_price": 0.2, "spotprice_m5.large": 0.03}, "ami-1/m5.large/*/spot", 0.03),
        ({"spot_price": 0.2, "price_m5.large": 0.1}, "ami-1/m5.large/*/on-demand", 0.1),
        ({"price_m5.large": 0.1}, "", 0.1),
        ({"price_m5.large": 0.1, "spot_price": 0.2, "market": "on-demand, spot"}, "", 0.2),
        ({"spot_price": 0.2, "market": "on-demand, spot"}, "", None),
        ({"price_m5.large": 0.1}, "m5.large", None),
    ],
)
def test_prices_come_from_the_configuration(
    tmp_path: Path, keys: dict[str, object], shape: str, price: float | None
) -> None:
    own = {f"batchsubmit.condorec2.{key}": value for key, value in keys.items()}
    queue = make_queue(tmp_path, {**VMS, "batchsubmit.condorec2.instance_type": "m5.large", **own})
    assert queue.batchsubmit.usd_per_hour(shape) == price


def nine_wait(config: Config, jobs: VMJobRows, pool: PoolRows) -> dict[str, Reading]:
    """Return readings in which nine jobs wait for each queue."""
    queue = config.queues[0]
    assert queue.wmsstatus is not None
    sources = (*queue.wmsstatus.sources(), *queue.batchstatus.sources())
    rows = zip(sources, (JobCountRows(total={1: 9}), pool, jobs), strict=True)
    return {source.key: Reading(source.key, NOW - 9, NOW - 9, row) for source, row in rows}


Deciding = Callable[..., dict[str, Decision]]


@pytest.fixture
def deciding(tmp_path: Path) -> Deciding:
    """Return a function that decides for queues Q and R, which have equal jobs."""
    keys = {"sched.budget.maximum_per_hour": 0.5, "sched.budget.factory_maximum_per_hour": 0.8}
    text = conf("Ready, Budget", {**keys, "batchsubmit.condorec2.price_m5.large": 0.1})
    path = tmp_path / "queues.conf"
    path.write_text(text + "\n[R]\n" + text.split("[Q]\n")[1])
    config = load([path])

    def decided(*jobs: VMJobRow, orphans: int = 0, of: str = "Q", **pool: Any) -> dict[str, Decision]:
        readings = nine_wait(config, VMJobRows(jobs), PoolRows(10_000, **pool))
        return {
            each.queue: each
            for each in decide(config, World(NOW, readings, orphans={of: orphans}), {"Q", "R"}).decisions
        }

    return decided


def bought(decision: Decision) -> int:
    return sum(action.n for action in decision.actions if isinstance(action, Submit))


def test_queues_share_the_factory_budget_by_priority(deciding: Deciding) -> None:
    found = deciding()
    assert {name: bought(decision) for name, decision in found.items()} == {"Q": 5, "R": 3}
    assert "the factory costs 0.50 of 0.80 USD per hour; room for 3 of 9" in found["R"].chain.steps[-1].reason


def test_counts_all_possible_instances_and_unretires_for_free(deciding: Deciding) -> None:
    """Q has 4 VMs: held, retiring and without an instance."""
    held = job("vm1", status=5)
    fresh = job("vm2", status=1, instance=None)
    leaving = [job(f"vm{i}", retire_time=NOW - 100) for i in (3, 4)]
    pool = {f"vm{i}": machine(f"vm{i}") for i in (3, 4)}
    decision = deciding(held, fresh, *leaving, machines=pool)["Q"]
    back = [action for action in decision.actions if isinstance(action, Unretire)]
    assert (bought(decision), len(back)) == (1, 2)
    assert "the queue costs 0.40 of 0.50" in decision.chain.steps[-1].reason


def test_instance_of_a_removed_section_costs_as_much_as_another(deciding: Deciding) -> None:
    found = deciding(orphans=4, of="GONE")
    assert {name: bought(decision) for name, decision in found.items()} == {"Q": 4, "R": 0}
    assert "the factory costs 0.40 of 0.80 USD per hour" in found["Q"].chain.steps[-1].reason


def test_running_shape_off_the_list_needs_a_price_too(deciding: Deciding) -> None:
    found = deciding(job("vm1", shape=SHAPE.replace("m5.large", "x1.huge")))
    assert bought(found["Q"]) == 0
    assert "the price of ami-1/x1.huge/*/on-demand is unknown" in found["Q"].chain.steps[-1].reason
    assert Counter(bought(each) for each in found.values()) == {0: 2}, "it counts for the factory budget too"


def test_orphans_cost_money(deciding: Deciding) -> None:
    assert {name: bought(decision) for name, decision in deciding(orphans=2).items()} == {"Q": 3, "R": 3}


def test_unbought_type_without_a_price_does_not_block(tmp_path: Path) -> None:
    keys = {"sched.budget.maximum_per_hour": 0.5, "batchsubmit.condorec2.price_m5.large": 0.1}
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready, Budget", keys).replace("= m5.large", "= m5.large, c5.odd"))
    config = load([path])
    readings = nine_wait(config, VMJobRows(), PoolRows(10_000))
    (decision,) = decide(config, World(NOW, readings), {"Q"}).decisions
    assert bought(decision) == 5
