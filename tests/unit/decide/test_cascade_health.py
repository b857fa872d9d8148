"""A queue with several shapes turns to the others when one of them waits."""

from types import SimpleNamespace
from typing import Any, cast

from factory.decide.cascade import QueueDemand
from factory.model.demand import Offer
from factory.model.status import Unknown


def party(*refused: str) -> QueueDemand:
    offers = tuple(cast("Offer", SimpleNamespace(shape=name)) for name in ("large", "small"))
    unknown = Unknown("not asked")
    return QueueDemand(cast("Any", None), 0, frozenset(), unknown, unknown, offers, frozenset(refused))


def test_what_is_refused_is_not_offered_where_something_else_is_left() -> None:
    assert [str(offer.shape) for offer in party("large").buyable] == ["small"]
    assert len(party().buyable) == 2
    assert len(party("large", "small").buyable) == 2, "the ramp then says why nothing is bought"
