"""Factories for the tests of this directory: each has its own id and leaves nothing behind."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from localcloud.process import CloudProcess
from tests.rig.factory import QUEUE, Factory, ec2_queue, logs, removed_at_end
from tests.rig.pool import Pool

MakeFactory = Callable[..., Factory]

_numbers = count(1)


@pytest.fixture
def make_factory(pool: Pool, cloud: CloudProcess, tmp_path: Path) -> Iterator[MakeFactory]:
    """``make_factory(**keys)``: a factory with one queue in the session's pool and cloud, not yet started."""
    with ExitStack() as stack:

        def make(*, factory: dict[str, object] | None = None, **keys: object) -> Factory:
            name = f"f{next(_numbers)}"
            queues = {QUEUE: ec2_queue(cloud, name, **keys)}
            made = Factory(tmp_path / name, pool, name, queues, **(factory or {}))
            return stack.enter_context(removed_at_end(made))

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the factories logged."""
    report = yield
    if report.failed:
        report.sections += [(f"log of the factory in {name}", text) for name, text in logs().items()]
    return report
