"""Reading is quick: 500 queues in well under a second, and no file takes long, whatever is in it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from factory.config import load
from factory.config.files.scan import MAX_BYTES, MAX_LINE
from factory.config.installed_plugins import Registry
from factory.config.problems import ConfigError
from tests.rig.configs import PLUGINS, queue, write

REGISTRY = Registry.of(PLUGINS)
HEAD = queue().replace("[Q]", "[DEFAULT]")


def seconds(path: Path) -> float:
    """CPU time of one load, so that a busy machine counts less."""
    started = time.process_time()
    try:
        load([path], REGISTRY)
    except ConfigError:
        pass
    return time.process_time() - started


def test_500_queues_load_in_under_a_second(tmp_path: Path) -> None:
    lines = (
        "schedplugin = Ready, Scale, MaxToRun",
        "sched.scale.factor = 0.5",
        "sched.maxtorun.maximum = 5000",
        "batchsubmit.condorec2.gridresource = https://ec2.example.org/",
        "batchsubmit.condorec2.ami_id = ami-1",
        "batchsubmit.condorec2.spot_price = 0.156",
        "batchsubmit.condorec2.lease = 2d",
        "batchsubmit.condorec2.tag_Owner = me",
    )
    one = queue("sched.ready.offset = 1", *lines).replace("= CondorLocal", "= CondorEC2")
    one = one.replace("schedplugin = Ready\n", "", 1)
    path = write(tmp_path, "".join(one.replace("[Q]", f"[Q{number}]") for number in range(500)))
    config = load([path], REGISTRY)
    assert (len(config.queues), config.warnings) == (500, ())
    assert seconds(path) < 1


def many(line: str, most: int = 10_000) -> str:
    """Lines of one kind: a fifth of what a file may have, so that the tests do not take long either."""
    text, length = [], 0
    for number in range(most):
        text.append(line.format(number))
        length += len(text[-1]) + 1
        if length > MAX_BYTES - 4000:
            break
    return "\n".join(text) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000_000,
        "[Q]\na = 1\n" * 1_000_000,
        "[Q]\n" + many("key{} = v"),
        "[Q]\n" + many("k{0} = %(k{0})s%(k{0})s"),
        HEAD + many("k{} = v", 8_000) + many("[{}]", 2_000),
        HEAD + many("[{}]", 2_000),
        HEAD + "[Q]\n" + many("sched.redy.offset{} = 1"),
        HEAD + "[Q]\n" + many("batchsubmit.condorlocal.condor_attributes.A{} = 1"),
        "[Q]\n" + many("[Q]"),
        "[Q]\n" + many("k = v"),
        "[Q]\nk = v\n" + many("  more"),
        "[Q]\n" + many("x" + " " * (MAX_LINE - 10) + "y"),
        "[Q]\n" + many("x = " + ";" * (MAX_LINE - 10)),
        "[Q]\na = 1\n" + many("x{} = " + "%(a)s" * 12_000),
    ],
    ids=lambda text: text[:60].strip().replace("\n", "|"),
)
def test_no_file_takes_long(tmp_path: Path, text: str) -> None:
    limit = 2 if len(text) > MAX_BYTES else 1
    assert seconds(write(tmp_path, text)) < limit
