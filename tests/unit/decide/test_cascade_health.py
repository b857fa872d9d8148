"""A queue with several shapes buys the others while one is blocked."""

from types import SimpleNamespace
from typing import Any, cast

from factory.decide.cascade import QueueDemand
from factory.model.demand import Offer
from factory.model.status import Unknown


def entry(*blocked: str) -> QueueDemand:
    offers = tuple(cast("Offer", SimpleNamespace(shape=name)) for name in ("large", "small"))
    unknown = Unknown("not asked")
    return QueueDemand(cast("Any", None), 0, frozenset(), unknown, unknown, offers, frozenset(blocked))


def test_blocked_shapes_are_not_buyable_while_others_are() -> None:
    assert [str(offer.shape) for offer in entry("large").buyable] == ["small"]
    assert len(entry().buyable) == 2
    assert len(entry("large", "small").buyable) == 2, "the plan then gives the reason"
