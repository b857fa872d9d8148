"""Faults that hide machines, under a cap by maxtorun alone; each hidden machine may be alive and counts."""

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
    """Its ads grow old, and its state is unknown."""
    site.submit(2)
    with hung(site):
        site.wait(lambda: site.factory.states()["lost"], "the VM is lost")
        site.factory.rounds(5)
    site.wait(lambda: site.factory.states()["busy"] == CAP, "the VM is busy again")


@capped("the collector dies while jobs wait", layer=QUICK_CCB)
def _collector(site: Site) -> None:
    """The new collector knows no machine until each one has reconnected."""
    site.submit(2)
    site.kill_daemon("collector")
    site.wait(lambda: site.factory.blocked() is None, "the queue is no longer blocked")
    site.factory.rounds(3)
    site.wait(lambda: site.factory.states()["busy"] == CAP, "all VMs are busy again")


@capped("all VM jobs are held while jobs wait")
def _held(site: Site) -> None:
    """A gridmanager that starts while its keys are refused holds them; they stay held for a while after that."""
    site.submit(2)
    with site.cloud_breaks(Answers("error", status=401, code="AuthFailure")):
        pid = site.grid_pid("condor_gridmanager")
        assert pid is not None
        site.kill_process(pid)
        site.wait(lambda: site.factory.states()["held"] == CAP, "all VM jobs are held", 180)
    site.health_reset()
    site.wait(lambda: site.factory.states()["busy"] == CAP, "all VM jobs are released", 180)
