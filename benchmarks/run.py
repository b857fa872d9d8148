"""``python -m benchmarks [DIRECTORY]``: fill pools, measure, compare with the limits. Takes under 10 minutes."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import decide, load, measure, queues, report
from benchmarks.measure import Rounds
from benchmarks.memory import Factory
from benchmarks.report import Verdict
from localcloud.pool import Pool

_LIMITS = {12: 1.5, 200: 1.5, 2000: 2.5}
_SETTLE = 10
"""Rounds of the factory before its memory is measured."""


def main() -> int:
    """Measure everything; return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("directory", nargs="?", type=Path, default=Path("bench-output"))
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--slots", type=int, default=10_000)
    parser.add_argument("--vms", type=int, default=5_000)
    parser.add_argument("--groups", type=int, nargs="*", default=[200, 12, 2000])
    parser.add_argument("--rounds", type=int, default=1000, help="rounds of the memory test")
    parser.add_argument("--growth-s", type=float, default=150, help="time of the memory test with all jobs, in seconds")
    parser.add_argument("--tries", type=int, default=15)
    options = parser.parse_args()
    points: list[dict[str, Any]] = []
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as scratch:
        for i, groups in enumerate(options.groups):
            points += _pool(Path(scratch) / str(groups), groups, options, verdicts, first=i == 0)
        verdicts += queues.reading(Path(scratch))
    alone = {f"{decide.USUAL}, uniform": decide.decide_s(decide.uniform(decide.USUAL))}
    alone |= {f"{size}, random": decide.slowest_s(size) for size in (decide.USUAL, decide.LARGE, decide.MANY)}
    verdicts += [Verdict(f"decision alone, {what}", 1000 * seconds, 300, "ms") for what, seconds in alone.items()]
    report.show(points, verdicts)
    report.write(options.directory, points, verdicts, {"decision_alone_s": alone})
    print(f"{options.directory}/bench.json and bench.png")
    return 0 if all(verdict.met for verdict in verdicts) else 1


def _pool(
    directory: Path, groups: int, options: argparse.Namespace, verdicts: list[Verdict], *, first: bool
) -> list[dict[str, Any]]:
    """Measure one pool. The first pool is filled in three steps to measure growth, memory and the old way."""
    pool = load.start_pool(directory)
    rounds = Rounds(_conf(directory, "timed", buys=100))
    factory = Factory(_conf(directory, "factory", buys=0), directory / "factory.log")
    points = []
    try:
        load.advertise_slots(options.slots, room=0.0)  # the negotiator does nothing without slots
        if first:
            _fill(pool, directory, groups, options.jobs // 100, options.vms // 100)
            verdicts.append(_growth(factory, options.rounds, "a hundredth of the jobs and VM jobs"))
            _fill(
                pool,
                directory,
                groups,
                options.jobs // 10 - options.jobs // 100,
                options.vms // 10 - options.vms // 100,
            )
            few = _point(rounds, factory, "few", options.jobs // 10, options.vms // 10, options)
            _fill(pool, directory, groups, options.jobs - options.jobs // 10, 0)
            jobs = _point(rounds, factory, "jobs × 10", options.jobs, options.vms // 10, options)
            _fill(pool, directory, 0, 0, options.vms - options.vms // 10)
            points += [few, jobs]
        else:
            _fill(pool, directory, groups, options.jobs, options.vms)
        load.advertise_slots(options.slots // 2, room=0.5)
        full = _point(rounds, factory, "full", options.jobs, options.vms, options)
        points.append(full)
        limit = _LIMITS.get(groups, 2.5)
        verdicts.append(Verdict(f"round / bare queries, {groups:,} groups", full["round"] / full["bare"], limit, "×"))
        verdicts.append(Verdict(f"memory with workers, {groups:,} groups", full["rss_mb"], 250, "MB"))
        if groups == max(options.groups):
            load.advertise_slots(options.slots, room=1.0)
            worst = _point(rounds, factory, "all roomy", options.jobs, options.vms, options)
            points.append({**worst, "slots": 2 * options.slots})
            verdicts.append(
                Verdict(f"memory with {options.slots:,} more slots, all with room", worst["rss_mb"], 250, "MB")
            )
        if first:
            grown = jobs["decide"] / few["decide"]
            verdicts.append(Verdict("decide time at 10 times the jobs in the same groups", grown, 3, "×"))
            verdicts.append(Verdict("decide time at 10 times the VMs", full["decide"] / jobs["decide"], 12, "×"))
            count = 10 * max(1, int(min(options.rounds, options.growth_s / factory.run(5)) / 10))
            verdicts.append(_growth(factory, count, "all jobs and VM jobs"))
            verdicts += queues.rounds(directory)
            old = measure.old_way(10)
            full["old"] = old
            slower = old["total"] / full["round"]
            verdicts.append(Verdict("condor_q -xml with parsing / round", slower, 100, "×", at_least=True))
    finally:
        rounds.stop()
        factory.stop()
        pool.stop()
    return points


def _fill(pool: Pool, directory: Path, groups: int, jobs: int, vms: int) -> None:
    started = time.monotonic()
    if vms:
        userdata = directory / "userdata"
        userdata.write_text("#cloud-config\n")
        load.submit_vm_jobs(vms, userdata)
    if jobs:
        pool.run("condor_on", "-daemon", "negotiator")
        load.submit_jobs(groups, jobs)
        load.wait_for_autoclusters(pool)
    print(
        f"{jobs:,} jobs in {groups:,} groups and {vms:,} VM jobs: {time.monotonic() - started:.0f} s", file=sys.stderr
    )


def _point(
    rounds: Rounds, factory: Factory, name: str, jobs: int, vms: int, options: argparse.Namespace
) -> dict[str, Any]:
    best = measure.bare_and_full(rounds, load.FACTORY, options.tries)
    best["slots query"] = best.pop("slots")
    count = len(measure.demand_of(rounds.run()).groups)
    factory.run(_SETTLE)
    memory = factory.memory()
    return {
        "pool": name, "groups": count, "jobs": jobs, "slots": options.slots, "vms": vms, **best,
        "rss_mb": memory.rss, "pss_mb": memory.pss, "peak_mb": memory.peak, "processes": memory.processes,
    }  # fmt: skip


def _growth(factory: Factory, count: int, where: str) -> Verdict:
    """Return the growth of the memory from the first tenth of the rounds to the end.

    A new worker replaces an old one after some hundred calls. A measurement at that moment would miss one; the settling
    rounds avoid it.
    """
    factory.run(count // 10 + _SETTLE)
    before = factory.memory()
    factory.run(count - count // 10)
    after = factory.memory()
    print(f"{where}: {count // 10:,} rounds: {before}\n{count:,} rounds: {after}", file=sys.stderr)
    what = f"memory after {count:,} rounds / after {count // 10:,}, {where}"
    return Verdict(what, after.rss / before.rss, 1.05, "×")


def _conf(directory: Path, name: str, buys: int) -> Path:
    """Write the configuration of a factory that buys at most ``buys`` VMs in a round; return its path."""
    conf = directory / f"{name}.conf"
    types = ", ".join(load.TYPES)
    conf.write_text(
        f"""[Factory]
factoryId = {load.FACTORY}
statedir = {directory}/{name}
[{load.QUEUE}]
enabled = True
wmsstatusplugin = CondorLocal
batchstatusplugin = CondorEC2
batchsubmitplugin = CondorEC2
schedplugin = Fit, MaxPerCycle, MaxToRun
sched.maxpercycle.maximum = {buys}
sched.maxtorun.maximum = 100000
batchsubmit.condorec2.gridresource = http://ec2.us-east-1.localhost:1/
batchsubmit.condorec2.ami_id = ami-12345678
batchsubmit.condorec2.instance_type = {types}
batchsubmit.condorec2.access_key_id = /dev/null
batchsubmit.condorec2.secret_access_key = /dev/null
batchsubmit.condorec2.lease = 2d
"""
    )
    return conf
