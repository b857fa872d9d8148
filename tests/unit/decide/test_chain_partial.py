"""Work that is known in part: VMs are bought for the known part, and none retires (rule 2)."""

import pytest

from factory.decide.chain import StepRecord, run_chain
from factory.model.ask import Ask
from factory.model.status import BatchStatus, Unknown, WmsStatus
from plugins.sched.fixed import Fixed
from plugins.sched.maxtorun import MaxToRun
from plugins.sched.ready import Ready
from tests.rig.chains import plugin, view

WHY = "jobs in schedd b: no answer within 60 s"


def test_buys_for_the_work_that_is_seen() -> None:
    chain = run_chain([plugin(Ready)], view(WmsStatus(ready=7, partial=WHY), BatchStatus(pending=2)))
    assert (chain.blocked_text, chain.ask) == (None, Ask(5))


@pytest.mark.parametrize("n", [-1, -5])
def test_retires_none_and_names_the_schedd_in_the_reason(n: int) -> None:
    chain = run_chain([plugin(MaxToRun, maximum=10 + n)], view(WmsStatus(partial=WHY), BatchStatus(running=10)))
    assert (chain.blocked_text, chain.ask) == (None, Ask(0))
    assert chain.steps[-1] == StepRecord("WmsStatus", n, 0, f"no VM retires while some work may be unseen: {WHY}")
    assert WHY in chain.reason


def test_only_the_end_of_the_chain_counts() -> None:
    chain = run_chain([plugin(Fixed, pilotspercycle=-4), plugin(Fixed, pilotspercycle=3)], view(WmsStatus(partial=WHY)))
    assert chain.ask == Ask(3)
    assert len(chain.steps) == 2


@pytest.mark.parametrize("wms", [WmsStatus(), None])
def test_complete_or_unneeded_work_changes_no_ask(wms: WmsStatus | None) -> None:
    chain = run_chain([plugin(MaxToRun, maximum=8)], view(wms, BatchStatus(running=10)))
    assert chain.ask == Ask(-2)
    assert isinstance(view(wms).wms_or_unknown, WmsStatus if wms else Unknown)
