"""Budget: cap the cost of machines per hour."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from factory.plugin import Ask, AskPlugin, AskStep, Cost, Info, PluginSettings, View

_ROUNDING = 1e-6
"""Rounding error of a sum of prices, in USD."""


class Budget(AskPlugin):
    """Keep ``rate + cost of the machines to buy <= maximum_per_hour``.

    The rate is the cost of all VMs that may own an instance, in any state (starting, running, retiring, held). Orphans
    are included, each at the price of the dearest machine of its queue. n_out is the largest n whose purchases fit;
    machines that are unretired cost nothing more. Retirements pass unchanged: an exceeded budget buys nothing and
    ends nothing. While a price is unknown nothing is bought, unless ``unknown_price`` is set. Prices come from the
    submit plugin, such as ``batchsubmit.condorec2.price_<type>``.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        maximum_per_hour: float | None = Field(default=None, ge=0, json_schema_extra={"unit": "USD"})
        """Most that the machines of the queue may cost per hour; none: no limit."""
        factory_maximum_per_hour: float | None = Field(default=None, ge=0, json_schema_extra={"unit": "USD"})
        """Most that all machines of the factory may cost per hour; none: no limit. Needs every queue's batch status."""
        unknown_price: float | None = Field(default=None, ge=0, json_schema_extra={"unit": "USD"})
        """Price per hour of a machine whose price is unknown; none: buy nothing while a price is unknown."""

    settings: Settings

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.whole_factory = self.settings.factory_maximum_per_hour is not None
        if self.whole_factory:
            self.needs = self.needs | {Info.FACTORY_TOTAL}

    def step_ask(self, ask: Ask, view: View) -> AskStep:
        limits = dict(self._limits(view))
        if not limits:
            return AskStep(ask, "no maximum set")
        if ask.n <= 0:
            return AskStep(ask, "nothing to buy")
        unpriced = self._unpriced([*(cost for owned, _ in limits.values() for cost in owned), *view.bought(ask)])
        if unpriced:
            missing = f"the price of {', '.join(unpriced)} is unknown; set price_<type> or sched.budget.unknown_price"
            return AskStep(ask.to(self._largest(ask, view, -1)), f"buys nothing: {missing}")
        rates = {name: sum(self._price(cost) * n for cost, n in owned.items()) for name, (owned, _) in limits.items()}
        room = min(most - rates[name] for name, (_, most) in limits.items())
        n = self._largest(ask, view, room)
        spent = ", ".join(f"{name} costs {rates[name]:.2f} of {most:.2f}" for name, (_, most) in limits.items())
        return AskStep(ask.to(n), f"{spent} USD per hour" + ("" if n == ask.n else f"; room for {n} of {ask.n}"))

    def _limits(self, view: View) -> Iterator[tuple[str, tuple[Counter[Cost], float]]]:
        settings = self.settings
        if settings.maximum_per_hour is not None:
            own = Counter({cost: n for cost, n in view.owned.items() if cost.queue == view.queue})
            yield "the queue", (own, settings.maximum_per_hour)
        if settings.factory_maximum_per_hour is not None:
            yield "the factory", (Counter(view.owned), settings.factory_maximum_per_hour)

    def _unpriced(self, costs: Iterable[Cost]) -> list[str]:
        if self.settings.unknown_price is not None:
            return []
        return sorted({cost.shape or "machines without a VM job" for cost in costs if cost.usd_per_hour is None})

    def _price(self, cost: Cost) -> float:
        price = cost.usd_per_hour
        return (self.settings.unknown_price or 0) if price is None else price

    def _largest(self, ask: Ask, view: View, room: float) -> int:
        """Return the largest n whose purchases fit. More machines never cost less."""
        fits, over = 0, ask.n + 1
        while over - fits > 1:
            n = over - 1 if fits == 0 and over == ask.n + 1 else (fits + over) // 2
            bought = view.bought(ask.to(n))
            if not bought or sum(map(self._price, bought)) <= room + _ROUNDING:
                fits = n
            else:
                over = n
        return fits
