"""The fixtures that all tests share: one pool and one cloud per session."""

from collections.abc import Iterator

import pytest

from localcloud.process import CloudProcess
from tests.rig.pool import Pool


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """The session's pool. A test that breaks daemons makes a Pool of its own."""
    with Pool(tmp_path_factory.mktemp("pool")) as running:
        yield running


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """The session's Amazon-like cloud. A test that counts requests or breaks things makes one of its own."""
    directory = tmp_path_factory.mktemp("cloud")
    with CloudProcess(directory, boot_delay_s=0.5, shutdown_delay_s=0.5, keep_terminated_s=60) as running:
        yield running
