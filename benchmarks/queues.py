"""Time that grows with the number of queues: reading the configuration, ``apf check``, and a round.

Times are the best of several; the limits are ratios of two times of one run, so that they hold on any host.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

from benchmarks.measure import Rounds
from benchmarks.report import Verdict
from factory.config import load
from factory.config.installed_plugins import Registry
from factory.config.problems import ConfigError
from tests.rig.configs import PLUGINS, write
from tests.rig.long_files import LONG_FILES, many_queues

_FEW, _MANY = 50, 500
_REGISTRY = Registry.of(PLUGINS)


def reading(directory: Path) -> list[Verdict]:
    """Measure the reading of configuration files. ``directory`` is for these files."""
    few, many = (write(directory, many_queues(count), f"{count}.conf") for count in (_FEW, _MANY))
    bare_s = _best(lambda: ConfigParser(interpolation=None).read(many))
    few_s, many_s = (_best(lambda path=path: load([path], _REGISTRY)) for path in (few, many))  # type: ignore[misc]
    growths = {}
    for name, text in LONG_FILES.items():
        whole, quarter = (write(directory, text(part), f"{part}.conf") for part in (1, 1 / 4))
        growths[name] = _best(lambda path=whole: _try(path)) / _best(lambda path=quarter: _try(path))  # type: ignore[misc]
    worst = max(growths, key=growths.__getitem__)
    return [
        Verdict(f"reading {_MANY} queues against configparser alone", many_s / bare_s, 8, "×"),
        Verdict(f"reading {_MANY} queues against {_FEW}", many_s / few_s, 15, "×"),
        Verdict(f"reading the longest file against a quarter of it, at worst ({worst})", growths[worst], 8, "×"),
    ]


def rounds(directory: Path) -> list[Verdict]:
    """Measure rounds of queues of pilots in the running pool, and ``apf check``."""
    confs = [write(directory, _pilots(directory, count), f"pilots{count}.conf") for count in (_FEW, _MANY)]
    checks = [_best(lambda conf=conf: _check(conf), wall=True) for conf in confs]  # type: ignore[misc]
    times = []
    for conf in confs:
        made = Rounds(conf)
        try:
            made.run()
            times.append(_best(made.run, wall=True))
        finally:
            made.stop()
    return [
        Verdict(f"apf check --offline of {_MANY} queues against {_FEW}", checks[1] / checks[0], 15, "×"),
        Verdict(f"a round of {_MANY} queues against one of {_FEW}", times[1] / times[0], 15, "×"),
    ]


def _pilots(directory: Path, count: int) -> str:
    """Return a configuration of so many queues, all of which read the local schedd."""
    head = (
        f"[Factory]\nfactoryId = pilots\nstatedir = {directory / f'state{count}'}\n"
        "[DEFAULT]\nenabled = True\nbatchstatusplugin = Condor\nbatchsubmitplugin = CondorLocal\n"
        "schedplugin = Fixed, MaxToRun\nsched.fixed.pilotspercycle = 1\nsched.maxtorun.maximum = 0\n"
        "executable = /bin/true\n"
    )
    return head + "".join(f"[QUEUE{number}]\n" for number in range(count))


def _check(conf: Path) -> None:
    subprocess.run(["apf", "check", "--offline", "--conf", conf], check=True, capture_output=True)


def _try(path: Path) -> None:
    """Read a file that is valid or not."""
    try:
        load([path], _REGISTRY)
    except ConfigError:
        pass


def _best(work: Callable[[], object], tries: int = 3, *, wall: bool = False) -> float:
    """Return the shortest of several times: of this process's CPU, or on the clock (``wall``)."""
    clock = time.perf_counter if wall else time.process_time

    def once() -> float:
        started = clock()
        work()
        return clock() - started

    return min(once() for _ in range(tries))
