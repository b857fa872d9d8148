"""``apf lease extend``: a later end for the VMs of a queue, or for one VM."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from pathlib import Path

import click

from factory.cli.options import CONF
from factory.cli.place import find_place, nothing_to_do
from factory.condor.classad.literals import same_text
from factory.condor.schedd import actions as acts
from factory.condor.schedd.vm_jobs import VMJobsSource, our_vm_jobs
from factory.lifecycle.leases import Extension, extend_lease, find_vm_jobs
from factory.model.status import Unknown
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.observe.observer import fetch_all
from factory.plugin.base import own_schedd
from factory.process.workers import CallFailed, Workers
from factory.settings.factory import FactorySettings
from factory.settings.types import parse_duration


@click.group()
def lease() -> None:
    """The latest ends of VMs."""


@lease.command()
@CONF
@click.argument("target", metavar="QUEUE|VM")
@click.argument("by")
def extend(conf: tuple[Path, ...], target: str, by: str) -> None:
    """Let the VMs of a queue, or one VM, end later by BY, such as 12h, than they would now.

    A VM is named by its APFVM or its job, such as 12.0, as apf status --vms shows it.
    Works whether the factory runs or not, and changes nothing for VMs to come. A lease never goes beyond lease_max, for
    which the VM's own timer and its token were made. Says for each VM what it did. Exit status: 0 if all were extended,
    1 if some were not, 2 if nothing could be tried.
    """
    by_s = _seconds(by)
    where = find_place(conf)
    workers = Workers()
    try:
        jobs = find_vm_jobs(_jobs(workers, where.factory), target)
        if not jobs and target in where.queues:
            raise nothing_to_do(f"queue {target} has no VM job")
        if not jobs:
            near = difflib.get_close_matches(target, where.queues, 1)
            raise nothing_to_do(
                f"no queue and no VM is called {target}" + (f"; did you mean {near[0]}?" if near else "")
            )
        done = [_extended(job, by_s, where.factory, workers) for job in jobs]
    finally:
        workers.stop()
    for found in done:
        click.echo(str(found))
    good = sum(found.end is not None for found in done)
    click.echo(f"{good} of {len(done)} extended" + ("; HTCondor knows it within two minutes" if good else ""))
    raise SystemExit(0 if good == len(done) else 1)


def _seconds(by: str) -> int:
    try:
        seconds = int(parse_duration(by))
    except ValueError as error:
        raise nothing_to_do(str(error)) from None
    if seconds <= 0:
        raise nothing_to_do("a lease is only ever extended; say by how much, as 12h")
    return seconds


def _jobs(workers: Workers, factory: FactorySettings) -> tuple[VMJobRow, ...]:
    source = VMJobsSource(
        schedd=own_schedd(factory), owner=factory.owner, factory_id=factory.id, deadline_s=factory.deadline
    )
    rows = fetch_all(workers, {source.key: source})[source.key]
    if isinstance(rows, Unknown):
        raise nothing_to_do(f"{source.key}: {rows.reason}")
    assert isinstance(rows, VMJobRows)
    return rows.jobs


def _extended(job: VMJobRow, by_s: int, factory: FactorySettings, workers: Workers) -> Extension:
    found = extend_lease(job, by_s, time.time())
    if found.end is None:
        return found
    still = (
        f"{our_vm_jobs(factory.owner, factory.id)} && {same_text('APFVM', job.uuid)} "
        f"&& APFLeaseEnd == {job.lease_end:.0f}"
        " && JobStatus =!= 3 && JobStatus =!= 4"
    )
    schedd = own_schedd(factory)
    edit: Callable[..., None] = acts.edit
    try:
        workers.call(str(schedd), factory.deadline, edit, schedd, job.job, still, "APFLeaseEnd", f"{found.end:.0f}")
    except CallFailed as error:
        return Extension(job, None, str(error))
    return found
