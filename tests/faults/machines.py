"""Faults of machines: they do not come, come to nothing, or vanish."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

from tests.faults import outbound
from tests.faults.cloudfaults import Boots
from tests.faults.scenario import scenario
from tests.faults.site import Site

GROUP = "machines"

_IMPATIENT = {"batchsubmit__condorec2__boottimeout": 30}
_SHORT_JOB_LEASE = {"job_lease_duration": 20}
"""So that the schedd starts a job again soon after its machine has gone without a word."""
_FORGED = "eyJhbGciOiJIUzI1NiIsImtpZCI6IlBPT0wifQ.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"
SPOT = "Server.SpotInstanceTermination"


def _victim(site: Site, *, for_good: bool = True) -> str:
    """An instance on which a job runs, and which the fault will end, or just what runs there."""
    victim = next(run.machine for run in site.runs() if not run.ended)
    site.strike(victim, for_good=for_good)
    return victim


def _told(pid: int, what: signal.Signals) -> bool:
    """False: it has ended, as short-lived children do."""
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return False
    return True


def _wait_again(site: Site, count: int = 2) -> None:
    """Wait until so many jobs run on machines that live."""
    site.wait(
        lambda: len({r.job for r in site.runs() if not r.ended and r.machine not in site.struck}) >= count,
        f"{count} jobs run on machines that live", 180,
    )  # fmt: skip


@scenario("spot interruption, with notice", GROUP)
def _spot_with_notice(site: Site) -> None:
    """The machine shuts down in order."""
    site.cloud.end(_victim(site), SPOT)
    _wait_again(site)


@scenario("spot interruption, without notice", GROUP, commands=_SHORT_JOB_LEASE)
def _spot_without_notice(site: Site) -> None:
    """The machine is off, from one moment to the next."""
    victim = _victim(site)
    site.cloud.crash(victim)
    site.cloud.end(victim, SPOT)
    _wait_again(site)


@scenario(
    "a whole host vanishes", GROUP, commands=_SHORT_JOB_LEASE, keys={"batchsubmit__condorec2__lease": 150}
)  # fmt: skip
def _host_vanishes(site: Site) -> None:
    """Nothing of the machine answers any more, and the cloud says that it runs: its lease ends it."""
    site.cloud.crash(_victim(site))
    _wait_again(site)


@scenario("a startd dies", GROUP, commands=_SHORT_JOB_LEASE)
def _startd_dies(site: Site) -> None:
    """Its master starts another one."""
    site.kill_process(site.pid_on(_victim(site, for_good=False), "condor_startd"))
    site.wait(lambda: site.states_seen() - {"busy"} or len(site.runs()) > 2, "somebody takes notice", 180)
    site.wait(lambda: len(site.runs()) > 2, "the job starts again", 180)


@scenario("a machine hangs for 20 s", GROUP)
def _machine_hangs(site: Site) -> None:
    """Its processes stand still, and then go on."""
    machine = next(run.machine for run in site.runs() if not run.ended)
    stopped = [pid for pid in site.pids_on(machine) if _told(pid, signal.SIGSTOP)]
    assert stopped
    started = time.monotonic()
    site.wait(lambda: time.monotonic() - started > 20, "20 s", 30)
    for pid in stopped:
        _told(pid, signal.SIGCONT)
    site.factory.rounds(5)


def _never_join(site: Site, fault: Boots) -> None:
    """Three machines come to nothing: they are removed, and others do the work when boots are well again."""
    with site.cloud_breaks(fault):
        site.submit(3)
        site.wait_hits(3, "boot")
    site.wait(lambda: len(site.factory.actions("remove")) >= 3, "all three are removed", 180)
    site.health_reset()
    site.wait_running(1)


@scenario("boots that never join", GROUP, running=0, keys=_IMPATIENT)
def _boots_never(site: Site) -> None:
    _never_join(site, Boots("never"))


@scenario("boots with a wrong token", GROUP, running=0, keys=_IMPATIENT)
def _wrong_token(site: Site) -> None:
    _never_join(site, Boots("token", token=_FORGED))


@scenario("boots with an expired token", GROUP, running=0, keys=_IMPATIENT)
def _expired_token(site: Site) -> None:
    token, until = site.pool.vm_token(2), time.time() + 3
    site.wait(lambda: time.time() > until, "the token is past its end")
    _never_join(site, Boots("token", token=token))


@scenario("boots that join late, after 20 s", GROUP, running=0, keys={"batchsubmit__condorec2__boottimeout": 60})
def _boots_late(site: Site) -> None:
    with site.cloud_breaks(Boots("late", seconds=20)):
        site.submit(3)
        site.wait_hits(3, "boot")
    site.wait_running(3)
    assert len(site.machines()) == 3, "none was bought in their place"


@scenario("a token expires while its VM works", GROUP, running=0)
def _token_expires(site: Site) -> None:
    lifetime_s = 25
    with site.cloud_breaks(Boots("token", token=site.pool.vm_token(lifetime_s))):
        until = time.time() + lifetime_s
        site.submit(2)
        site.wait_running(2)
    site.wait(lambda: time.time() > until, "the tokens are past their end")
    site.factory.rounds(8)


def _wrong_clocks(site: Site, offset: str) -> None:
    """Machines whose clocks are wrong join, work, are idle and leave as others do: ages in their ads are their own."""
    with site.cloud_breaks(Boots("wrapped", wrapper=("faketime", "-f", offset))):
        site.submit(3)
        site.wait_hits(3, "boot")
        site.wait_running(3)
    site.open_gate()
    site.wait(lambda: len(site.factory.actions("retire")) >= 3, "all three are asked to leave")
    assert len(site.machines()) == 3, "none was bought in their place"


for _title, _offset in {"two hours ahead": "+7200s", "two hours behind": "-7200s"}.items():
    scenario(f"clocks of machines {_title}", GROUP, running=0)(partial(_wrong_clocks, offset=_offset))


@scenario("only outbound connections (CCB), own network namespace", GROUP, apart=outbound.run)
def _outbound(_: Site) -> None:
    """See there."""
