"""``apf lease extend``: extend the leases of a queue's VMs, or of one VM."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from pathlib import Path

import click

from factory.cli.installation import exit_error, find_installation
from factory.cli.options import CONF
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
    """Extend the leases of VMs."""


@lease.command()
@CONF
@click.argument("target", metavar="QUEUE|VM")
@click.argument("by")
def extend(conf: tuple[Path, ...], target: str, by: str) -> None:
    """Extend the leases of all VMs of a queue, or of one VM, by the duration BY, such as 12h.

    Name a VM by its job, such as 12.0 ('apf status --vms' lists them), or by its APFVM. The factory need not run, and
    later VMs are not affected. No lease goes beyond lease_max, when the VM's own timer and its token end.

    Exit status: 0 if all leases were extended; 1 if some were not; 2 if nothing could be tried.
    """
    by_s = _seconds(by)
    installation = find_installation(conf)
    workers = Workers()
    try:
        jobs = find_vm_jobs(_jobs(workers, installation.factory), target)
        if not jobs and target in installation.queues:
            raise exit_error(f"queue {target} has no VM jobs")
        if not jobs:
            near = difflib.get_close_matches(target, installation.queues, 1)
            raise exit_error(f"no queue or VM is named {target}" + (f"; did you mean {near[0]}?" if near else ""))
        done = [_extend(job, by_s, installation.factory, workers) for job in jobs]
    finally:
        workers.stop()
    for extension in done:
        click.echo(str(extension))
    good = sum(extension.end is not None for extension in done)
    click.echo(f"{good} of {len(done)} extended" + ("; HTCondor applies this within two minutes" if good else ""))
    raise SystemExit(0 if good == len(done) else 1)


def _seconds(by: str) -> int:
    try:
        seconds = int(parse_duration(by))
    except ValueError as error:
        raise exit_error(str(error)) from None
    if seconds <= 0:
        raise exit_error("a lease can't be shortened; write a positive duration, such as 12h")
    return seconds


def _jobs(workers: Workers, factory: FactorySettings) -> tuple[VMJobRow, ...]:
    source = VMJobsSource(
        schedd=own_schedd(factory), owner=factory.owner, factory_id=factory.id, deadline_s=factory.deadline
    )
    rows = fetch_all(workers, {source.key: source})[source.key]
    if isinstance(rows, Unknown):
        raise exit_error(f"{source.key}: {rows.reason}")
    assert isinstance(rows, VMJobRows)
    return rows.jobs


def _extend(job: VMJobRow, by_s: int, factory: FactorySettings, workers: Workers) -> Extension:
    extension = extend_lease(job, by_s, time.time())
    if extension.end is None:
        return extension
    unchanged = (
        f"{our_vm_jobs(factory.owner, factory.id)} && {same_text('APFVM', job.uuid)} "
        f"&& APFLeaseEnd == {job.lease_end:.0f}"
        " && JobStatus =!= 3 && JobStatus =!= 4"
    )
    schedd = own_schedd(factory)
    edit: Callable[..., None] = acts.edit
    try:
        workers.call(
            str(schedd), factory.deadline, edit, schedd, job.job, unchanged, "APFLeaseEnd", f"{extension.end:.0f}"
        )
    except CallFailed as error:
        return Extension(job, None, str(error))
    return extension
