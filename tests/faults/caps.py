"""Faults that take machines out of sight, under a cap by maxtorun alone: each may live, and takes its room."""

from __future__ import annotations

from functools import partial

from tests.faults.cloudfaults import Answers
from tests.faults.machines import hung
from tests.faults.scenario import scenario
from tests.faults.site import CAP, QUICK_CCB, Site

GROUP = "capped by maxtorun alone"

capped = partial(scenario, group=GROUP, running=CAP, keys={"batchsubmit__condorec2__maxinstances": None})


@capped("a machine hangs for 20 s while jobs wait")
def _hangs(site: Site) -> None:
    """Its ads grow old, and nobody knows whether it is there."""
    site.submit(2)
    with hung(site):
        site.wait(lambda: site.factory.states()["lost"], "it is taken for lost")
        site.factory.rounds(5)
    site.wait(lambda: site.factory.states()["busy"] == CAP, "it is back")


@capped("the collector dies while jobs wait", layer=QUICK_CCB)
def _collector(site: Site) -> None:
    """The new one knows no machine, until each has found it."""
    site.submit(2)
    site.kill_daemon("collector")
    site.wait(lambda: site.factory.blocked() is None, "the new one is believed")
    site.factory.rounds(3)
    site.wait(lambda: site.factory.states()["busy"] == CAP, "all are back")


@capped("all VM jobs are held while jobs wait")
def _held(site: Site) -> None:
    """A gridmanager that starts unauthorized holds them; then all is well, and they are not released yet."""
    site.submit(2)
    with site.cloud_breaks(Answers("error", status=401, code="AuthFailure")):
        pid = site.grid_pid("condor_gridmanager")
        assert pid is not None
        site.kill_process(pid)
        site.wait(lambda: site.factory.states()["held"] == CAP, "they are held", 180)
    site.health_reset()
    site.wait(lambda: site.factory.states()["busy"] == CAP, "they are released", 180)
