"""Faults of machines: they do not join, are useless, ignore commands, or disappear."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.faults import outbound
from tests.faults.cloudfaults import Answers, Boots
from tests.faults.scenario import scenario
from tests.faults.site import CAP, Site

GROUP = "machines"

_IMPATIENT = {"batchsubmit__condorec2__boottimeout": 30}
SHORT_JOB_LEASE = {"job_lease_duration": 20}
"""Lets the schedd restart a job soon after its machine has disappeared."""
_FORGED = "eyJhbGciOiJIUzI1NiIsImtpZCI6IlBPT0wifQ.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"
SPOT = "Server.SpotInstanceTermination"


def victim(site: Site, *, for_good: bool = True) -> str:
    """Return a busy instance, recorded as struck by the fault: the instance ends, or only the jobs on it."""
    machine = next(run.machine for run in site.runs() if not run.ended)
    site.strike(machine, for_good=for_good)
    return machine


def _signal(pid: int, number: signal.Signals) -> bool:
    """Send a signal; False if the process has ended, as short-lived children do."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _wait_again(site: Site, count: int = 2) -> None:
    """Wait until ``count`` jobs run on machines that the fault has not struck."""
    site.wait(
        lambda: len({r.job for r in site.runs() if not r.ended and r.machine not in site.struck}) >= count,
        f"{count} jobs run on other machines", 180,
    )  # fmt: skip


@scenario("spot interruption, with notice", GROUP)
def _spot_with_notice(site: Site) -> None:
    """The machine shuts down properly."""
    site.cloud.end(victim(site), SPOT)
    _wait_again(site)


@scenario("spot interruption, without notice", GROUP, commands=SHORT_JOB_LEASE)
def _spot_without_notice(site: Site) -> None:
    """The machine is off at once."""
    machine = victim(site)
    site.cloud.crash(machine)
    site.cloud.end(machine, SPOT)
    _wait_again(site)


@scenario(
    "a host disappears", GROUP, commands=SHORT_JOB_LEASE, keys={"batchsubmit__condorec2__lease": 150}
)  # fmt: skip
def _host_vanishes(site: Site) -> None:
    """The machine no longer answers, while the cloud reports it as running; its lease ends it."""
    site.cloud.crash(victim(site))
    _wait_again(site)


@scenario("a startd dies", GROUP, commands=SHORT_JOB_LEASE)
def _startd_dies(site: Site) -> None:
    """Its master starts a new startd."""
    site.kill_process(site.pid_on(victim(site, for_good=False), "condor_startd"))
    site.wait(lambda: site.states_seen() - {"busy"} or len(site.runs()) > 2, "the factory or the job notices", 180)
    site.wait(lambda: len(site.runs()) > 2, "the job starts again", 180)


@contextmanager
def hung(site: Site) -> Iterator[str]:
    """Stop a busy machine inside the ``with``, for at least 20 s, then let it continue."""
    machine = next(run.machine for run in site.runs() if not run.ended)
    stopped = [pid for pid in site.pids_on(machine) if _signal(pid, signal.SIGSTOP)]
    assert stopped
    started = time.monotonic()
    yield machine
    site.wait(lambda: time.monotonic() - started > 20, "20 s", 30)
    for pid in stopped:
        _signal(pid, signal.SIGCONT)


@scenario("a machine hangs for 20 s", GROUP)
def _machine_hangs(site: Site) -> None:
    """Its processes are stopped, and then continue."""
    with hung(site):
        pass
    site.factory.rounds(5)


def _never_join(site: Site, fault: Boots) -> None:
    """Three machines never join: they are removed, and others serve the jobs when the fault is over."""
    with site.cloud_breaks(fault):
        site.submit(3)
        site.wait_hits(3, "boot")
    site.wait(lambda: len(site.factory.actions("remove")) >= 3, "all three are removed", 180)
    site.health_reset()
    site.wait_running(1)


@scenario("VMs that never join", GROUP, running=0, keys=_IMPATIENT)
def _boots_never(site: Site) -> None:
    _never_join(site, Boots("never"))


@scenario("VMs with a wrong token", GROUP, running=0, keys=_IMPATIENT)
def _wrong_token(site: Site) -> None:
    _never_join(site, Boots("token", token=_FORGED))


@scenario("VMs with an expired token", GROUP, running=0, keys=_IMPATIENT)
def _expired_token(site: Site) -> None:
    token, until = site.pool.vm_token(2), time.time() + 3
    site.wait(lambda: time.time() > until, "the token has expired")
    _never_join(site, Boots("token", token=token))


def _no_use(site: Site, fault: Boots) -> None:
    """All machines are useless: a few are bought until the shape's breaker opens, and none after that."""
    most = CAP + 2

    def noticed() -> list[str]:
        assert len(site.machines()) <= most, f"{len(site.machines())} useless machines were bought"
        return site.breakers()

    with site.cloud_breaks(fault):
        site.submit(CAP)
        site.wait(noticed, "the shape's breaker opens", 240)
        site.factory.rounds(10)
        assert noticed()
    site.health_reset()
    site.wait_running(1)


@scenario("masters join, their startds never start", GROUP, running=0, keys=_IMPATIENT)
def _black_hole(site: Site) -> None:
    _no_use(site, Boots("wrapped", wrapper=("env", "_CONDOR_STARTD=/bin/false")))


@scenario("machines power off before they join", GROUP, running=0, keys=_IMPATIENT)
def _powers_off(site: Site) -> None:
    _no_use(site, Boots("off", seconds=3))


@scenario("VMs that join 20 s late", GROUP, running=0, keys={"batchsubmit__condorec2__boottimeout": 60})
def _boots_late(site: Site) -> None:
    with site.cloud_breaks(Boots("late", seconds=20)):
        site.submit(3)
        site.wait_hits(3, "boot")
    site.wait_running(3)
    assert len(site.machines()) == 3, "no replacement was bought"


@scenario(
    "a VM joins after it was given up, terminations fail", GROUP, running=0,
    keys={**_IMPATIENT, "sched__maxtorun__maximum": 1, "batchsubmit__condorec2__maxinstances": 1},
)  # fmt: skip
def _joins_given_up(site: Site) -> None:
    """Its VM job is held and waits for another try. When the cloud works again a job runs there, and is not killed."""
    refused = Answers("error", ("TerminateInstances",), status=500, code="InternalError")

    def released() -> int:
        return sum(action["error"] is None for action in site.factory.actions("release"))

    with site.cloud_breaks(Boots("late", seconds=60), refused):
        site.submit(1)
        site.wait_hits(1, "TerminateInstances")
        site.wait_until_runs(1)
    before = released()
    site.wait(
        lambda: released() > before or site.draining(), "the VM job is released, or the machine drains",
        site.next_try_s("release"),
    )  # fmt: skip
    site.factory.rounds(20, 300)  # the gridmanager needs half of that for another try


_DEAF = """\
SEC_ENABLE_REMOTE_ADMINISTRATION = False
DENY_ADMINISTRATOR = *
"""
"""The machine sends ads and takes jobs, but refuses all commands."""


@scenario("machines that ignore all commands", GROUP, layer=_DEAF, keys={"batchsubmit__condorec2__idle": 60})
def _deaf(site: Site) -> None:
    """A machine that ignores the command to retire is reported and not removed; it ends by itself when unclaimed."""
    site.factory.queues["CLOUD"]["sched.maxtorun.maximum"] = 1
    site.factory.reload()
    site.wait(lambda: len(site.failed("retire")) >= 2, "one of them gets two commands to retire", 180)
    assert all("condor_drain exited with" in action["error"] for action in site.failed("retire"))
    assert "condor_drain exited with" in site.factory.log_text()
    text = site.factory.run("status", "--vms").stdout
    assert "asked to retire; its ads do not show it yet" in text, text
    site.factory.rounds(5)
    assert not site.factory.actions("remove")
    assert sum(not run.ended for run in site.runs()) == 2, "both jobs run on"
    site.open_gate()
    site.wait(lambda: len(site.completed()) == 2, "the jobs end")
    site.factory.rounds(5)
    assert not site.factory.actions("remove"), "they are not proven empty yet"


@scenario("a token expires while its VM is busy", GROUP, running=0)
def _token_expires(site: Site) -> None:
    lifetime_s = 25
    with site.cloud_breaks(Boots("token", token=site.pool.vm_token(lifetime_s))):
        until = time.time() + lifetime_s
        site.submit(2)
        site.wait_running(2)
    site.wait(lambda: time.time() > until, "the tokens have expired")
    site.factory.rounds(8)


def _wrong_clocks(site: Site, offset: str) -> None:
    """Machines with wrong clocks join, run jobs, become idle and retire like others: ages use their own clock."""
    with site.cloud_breaks(Boots("wrapped", wrapper=("faketime", "-f", offset))):
        site.submit(3)
        site.wait_hits(3, "boot")
        site.wait_running(3)
    site.open_gate()
    site.wait(lambda: len(site.factory.actions("retire")) >= 3, "all three are asked to retire")
    assert len(site.machines()) == 3, "no replacement was bought"


for _title, _offset in {"two hours ahead": "+7200s", "two hours behind": "-7200s"}.items():
    scenario(f"clocks of machines {_title}", GROUP, running=0)(partial(_wrong_clocks, offset=_offset))


for _title, _word in {
    "only outbound connections (CCB), own network namespace": "commands",
    "only outbound connections, and no command gets through": "no command",
}.items():
    scenario(_title, GROUP, apart=partial(outbound.run, name=_word))(lambda _: None)
