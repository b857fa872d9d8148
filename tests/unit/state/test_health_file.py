"""Circuit breakers survive a restart, and an odd file delays nothing for ever."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config.queues import Queue
from factory.health.breakers import ALL, FAULTY
from factory.health.hold_reasons import HoldKind
from factory.model.memory import Breaker, Health
from factory.state.health_file import dump_health, load_health
from tests.rig.queues import VMS, make_queue
from tests.rig.vms import NOW, SHAPE

OPEN = Breaker(HoldKind.CAPACITY.value, "no capacity: said", NOW - 100, NOW + 200, 3)
HEALTH = Health({SHAPE: OPEN, ALL: replace(OPEN, what=FAULTY)}, {SHAPE: (True, False)}, proven=frozenset("ba"))


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Queue:
    return make_queue(tmp_path_factory.mktemp("conf"), VMS)


def test_breakers_and_proven_builds_survive_a_restart(queue: Queue) -> None:
    content = dump_health({"Q": HEALTH, "other": HEALTH}, [queue])
    assert load_health(content, [queue], NOW) == {"Q": Health(HEALTH.breakers, proven=HEALTH.proven)}
    assert dump_health(load_health(content, [queue], NOW), [queue]) == content


def test_changed_section_starts_without_breakers(queue: Queue, tmp_path: Path) -> None:
    changed = make_queue(tmp_path, {**VMS, "batchsubmit.condorec2.ami_id": "ami-other"})
    assert load_health(dump_health({"Q": HEALTH}, [queue]), [changed], NOW) == {}


def test_waits_an_hour_at_most_after_the_clock_was_set_back(queue: Queue) -> None:
    breaker = load_health(dump_health({"Q": HEALTH}, [queue]), [queue], NOW - 1e6)["Q"].breakers[SHAPE]
    assert (breaker.opened, breaker.until) == (NOW - 1e6, NOW - 1e6 + 3600)


@given(st.binary(max_size=60) | st.sampled_from([b"{}", b'{"Q": {}}', b'{"Q": {"section": 1}}', b"[1]", b"null"]))
def test_unreadable_file_has_no_health(content: bytes) -> None:
    assert load_health(content, [], NOW) == {}
