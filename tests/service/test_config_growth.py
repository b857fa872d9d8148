"""The work of reading a configuration grows with its length and no faster. ``make bench`` measures its time."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.config import load
from factory.config.files.scan import MAX_BYTES
from factory.config.installed_plugins import Registry
from factory.config.problems import ConfigError
from tests.rig.configs import PLUGINS, write
from tests.rig.counting import calls
from tests.rig.long_files import LONG_FILES, many_queues

REGISTRY = Registry.of(PLUGINS)


def work(path: Path) -> int:
    """Return the number of function calls of one load."""

    def loads() -> None:
        try:
            load([path], REGISTRY)
        except ConfigError:
            pass

    loads()  # the first time, modules are imported and validators built
    return calls(loads)


def test_four_times_the_queues_are_at_most_four_times_the_work(tmp_path: Path) -> None:
    few, many = (write(tmp_path, many_queues(count), f"{count}.conf") for count in (100, 400))
    config = load([many], REGISTRY)
    assert (len(config.queues), config.warnings) == (400, ())
    assert work(many) <= 4 * work(few)


@pytest.mark.parametrize("name", LONG_FILES)
def test_work_grows_with_the_length_of_a_file(tmp_path: Path, name: str) -> None:
    short, long = LONG_FILES[name](1 / 16), LONG_FILES[name](1 / 4)
    growth = work(write(tmp_path, long, "long.conf")) / work(write(tmp_path, short, "short.conf"))
    assert len(long) / len(short) > 3
    assert growth <= 1.1 * len(long) / len(short)


@pytest.mark.parametrize("line", ["x", "[Q]\na = 1\n", "[Q]\n" + "%(a)s" * 12_000 + "\n"])
def test_file_that_is_too_long_is_rejected_unread(tmp_path: Path, line: str) -> None:
    sizes = [MAX_BYTES + 1, 4 * MAX_BYTES]
    costs = {work(write(tmp_path, (line * (size // len(line) + 1))[:size], f"{size}.conf")) for size in sizes}
    assert len(costs) == 1
    assert costs.pop() < 1000
