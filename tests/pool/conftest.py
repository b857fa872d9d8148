"""Factories for pool tests: each has its own id and leaves nothing behind."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from localcloud.process import CloudProcess
from tests.rig.factory import QUEUE, Factory, ec2_queue, logs, removed_at_end
from tests.rig.jobpool import running_job_pool
from tests.rig.pool import Pool

MakeFactory = Callable[..., Factory]

_numbers = count(1)


@pytest.fixture
def make_factory(pool: Pool, cloud: CloudProcess, tmp_path: Path) -> Iterator[MakeFactory]:
    """Return ``make_factory(**keys)``: it makes a factory with one queue in the pool and cloud of the session."""
    with ExitStack() as stack:

        def make(*, factory: dict[str, object] | None = None, **keys: object) -> Factory:
            name = f"f{next(_numbers)}"
            queues = {QUEUE: ec2_queue(cloud, name, **keys)}
            made = Factory(tmp_path / name, pool, name, queues, **(factory or {}))
            return stack.enter_context(removed_at_end(made))

        yield make


@pytest.fixture(scope="module")
def job_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Yield a pool of the module with two schedds, odd jobs and slots (tests/rig/jobpool.py)."""
    with running_job_pool(tmp_path_factory.mktemp("fit")) as pool:
        yield pool


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of all factories to the report of a failed test."""
    report = yield
    if report.failed:
        report.sections += [(f"log of the factory in {name}", text) for name, text in logs().items()]
    return report
