"""Fixtures for tests of decisions."""

from pathlib import Path

import pytest

from tests.rig.fit import group
from tests.rig.sharing import Factory


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    """Two queues that read the same 80 jobs."""
    return Factory(tmp_path, jobs=[group("g", 1, 1000, 80)])
