"""Sweep of the state directory: remove user-data files that no VM job needs any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from factory.model.job_status import FINISHED
from factory.model.source import Reading
from factory.model.vm_job import VMJobRows
from factory.state.directory import StateDir

log = logging.getLogger("apf")


def sweep_userdata(statedir: StateDir, readings: Iterable[Reading], now: float, last_act: float) -> None:
    """Remove the files of VMs that have an instance or no VM job. Use polls that started after ``last_act`` (epoch).

    A VM job without an instance still needs its file, because ec2_gahp reads it late.
    """
    for reading in readings:
        if isinstance(reading.rows, VMJobRows) and reading.usable(now, last_act) is None:
            waiting = [job.uuid for job in reading.rows.jobs if job.instance is None and job.status not in FINISHED]
            try:
                statedir.sweep_userdata(waiting, reading.started)
            except OSError as error:
                log.error('userdata=%s failed="%s"', statedir.userdata, error)
