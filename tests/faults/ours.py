"""Faults on our side: the factory, HTCondor's daemons, and files."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.cloudfaults import Answers
from tests.faults.scenario import scenario
from tests.faults.site import CAP, QUICK_CCB, Site, SmallSpool
from tests.rig.factory import Factory
from tests.rig.pool import CommandFailed

FACTORY, DAEMONS, FILES = "the factory killed with -9", "HTCondor's daemons killed", "files, tokens, second factories"

_MAXIMUM = "sched.maxtorun.maximum"


def _set_maximum(site: Site, maximum: int) -> None:
    site.factory.queues["CLOUD"][_MAXIMUM] = maximum


def dies_at(site: Site, step: str, then: Callable[[], object] = lambda: None) -> None:
    """Restart the factory, wait until it dies at this step, and start it again."""
    site.factory.kill()
    site.factory.start(failpoint=(step, 1), wait=False)
    then()
    assert site.factory.wait_end(90) == -signal.SIGKILL, f"step not reached: {step}"
    site.factory.start()


def _buys(site: Site, step: str) -> None:
    site.submit(2)
    dies_at(site, step)
    site.wait(lambda: len(site.machines()) >= CAP, "the third VM", 180)


def _retires(site: Site, step: str) -> None:
    _set_maximum(site, 1)
    dies_at(site, step)
    site.wait(lambda: site.factory.states()["retiring"], "one VM retires")


def _unretires(site: Site, step: str) -> None:
    _set_maximum(site, 1)
    site.factory.reload()
    site.wait(lambda: any(vm["state"] == "retiring" for vm in site.factory.vms()), "one VM retires")
    _set_maximum(site, 2)
    site.submit(1)
    dies_at(site, step)
    site.wait(lambda: site.factory.states()["busy"] == 2, "both are in service", 180)


def _removes(site: Site, step: str) -> None:
    site.open_gate()
    dies_at(site, step)


def _releases(site: Site, step: str) -> None:
    """A termination fails, so that its VM job is held, and a release repeats it."""
    with site.cloud_breaks(Answers("error", ("TerminateInstances",), status=500, code="InternalError")):
        site.open_gate()
        dies_at(site, step)


for _step, _story in {
    "prepared": _buys,
    "userdata written": _buys,
    "userdata written+0.03": _buys,
    "submitted": _buys,
    "retire recorded": _retires,
    "retire sent": _retires,
    "unretire recorded": _unretires,
    "unretire sent": _unretires,
    "cleared": _unretires,
    "removed": _removes,
    "released": _releases,
}.items():
    scenario(f"at: {_step}", FACTORY)(partial(_story, step=_step))


@scenario("every 4 s, six times", FACTORY, running=0)
def _again_and_again(site: Site) -> None:
    site.submit(4)
    for _ in range(6):
        site.factory.start() if not site.factory.running else None
        died = time.monotonic()
        site.wait(lambda since=died: time.monotonic() - since > 4, "4 s")  # type: ignore[misc]
        site.factory.kill()
    site.factory.start()
    site.wait_running(3)


def _killed(site: Site, daemon: str) -> None:
    """The daemon dies while two VMs are busy and a third is needed."""
    site.submit(2)
    site.kill_daemon(daemon)
    site.wait(lambda: len(site.machines()) >= CAP, "the third VM", 180)


for _daemon in ("schedd", "collector", "negotiator"):
    scenario(_daemon, DAEMONS, layer=QUICK_CCB)(partial(_killed, daemon=_daemon))


@scenario("schedd, three times while VMs start", DAEMONS, running=0)
def _schedd_three_times(site: Site) -> None:
    site.submit(4)
    for n in range(3):
        site.wait(lambda: len(site.factory.vm_jobs()) >= 1, "VM jobs")
        site.factory.rounds(1 + n)
        site.kill_daemon("schedd")
    site.wait_running(3, 180)


@scenario("schedd and collector at once, and the factory", DAEMONS, layer=QUICK_CCB)
def _all_at_once(site: Site) -> None:
    site.submit(2)
    site.factory.kill()
    site.kill_daemon("collector", "schedd")
    site.factory.start()
    site.wait(lambda: len(site.machines()) >= CAP, "the third VM", 180)


def _while_launching(site: Site, name: str) -> None:
    """The process dies during a launch: the instance exists, and its id is not known yet."""
    with site.cloud_breaks(Answers("slow", ("RunInstances",), seconds=3)):
        site.submit(3)
        site.wait_hits(1, "RunInstances")
        pid = site.grid_pid(name)
        assert pid is not None
        site.kill_process(pid)
        site.wait(lambda: len(site.machines()) >= CAP, "the third VM", 180)


def _while_terminating(site: Site, name: str) -> None:
    """The process dies during a termination."""
    with site.cloud_breaks(Answers("slow", ("TerminateInstances",), seconds=3)):
        site.open_gate()
        site.wait_hits(1, "TerminateInstances")
        pid = site.grid_pid(name)
        assert pid is not None
        site.kill_process(pid)


for _name in ("condor_gridmanager", "ec2_gahp"):
    scenario(f"{_name}, in a launch", DAEMONS)(partial(_while_launching, name=_name))
    scenario(f"{_name}, in a termination", DAEMONS)(partial(_while_terminating, name=_name))


@scenario("condor_gridmanager, while the cloud says 401", DAEMONS)
def _starts_unauthorized(site: Site) -> None:
    """A gridmanager that starts while its keys are refused holds every VM job, those of busy VMs too."""
    with site.cloud_breaks(Answers("error", status=401, code="AuthFailure")):
        pid = site.grid_pid("condor_gridmanager")
        assert pid is not None
        site.kill_process(pid)
        site.wait(lambda: site.factory.states()["held"] == 2, "both VM jobs are held", 180)
    site.wait(lambda: site.factory.states()["busy"] == 2, "they are released, and their jobs still run", 180)


def _without_key(site: Site, spoil: Callable[[Path], object], mend: Callable[[Path], object]) -> None:
    """The key file is unusable while a VM is bought and others end."""
    key = site.own_key()
    spoil(key)
    site.submit(3)
    site.factory.rounds(4)
    site.wait(lambda: site.factory.actions("submit")[1:] or site.factory.queue().get("notes"), "a submit or a note")
    site.wait(
        lambda: any(vm["state"] == "held" for vm in site.factory.vms()) or site.breakers(),
        "a hold, or a breaker",
        180,
    )
    mend(key)
    site.health_reset()
    site.wait(lambda: len(site.machines()) >= CAP, "the third VM", 180)


@scenario("the credentials file is missing", FILES)
def _key_gone(site: Site) -> None:
    _without_key(site, lambda key: key.rename(f"{key}.away"), lambda key: Path(f"{key}.away").rename(key))


@scenario("the credentials file is unreadable", FILES)
def _key_unreadable(site: Site) -> None:
    _without_key(site, lambda key: key.chmod(0), lambda key: key.chmod(0o600))


@scenario("a second factory with this id on this host", FILES)
def _same_id_here(site: Site) -> None:
    """The lock keeps the second one out."""
    site.submit(2)
    second = site.factory.run("--once")
    assert second.returncode == 1
    assert "another factory with this id is running" in second.stderr
    site.wait(lambda: len(site.machines()) >= CAP, "the third VM", 180)


@scenario("a second factory with this id on another host", FILES)
def _same_id_elsewhere(site: Site) -> None:
    """They see each other by their incarnations, and the older one is blocked."""
    older = site.factory
    with Factory(site.directory / "elsewhere", site.pool, older.id, older.queues, **_timing(older)) as newer:
        older.signal(signal.SIGSTOP)  # otherwise it would buy first
        site.submit(3)
        site.wait(lambda: newer.actions("submit"), "the newer one buys")
        older.signal(signal.SIGCONT)
        site.wait(lambda: older.queue().get("outcome") == "blocked", "the older one is blocked", 180)
        site.wait(lambda: len(site.machines()) >= CAP, "the third VM", 180)
        site.open_gate()
        site.wait(lambda: len(site.completed()) == site.submitted, "all jobs end", 180)
        site.wait(lambda: not site.factory.vm_jobs(), "all VM jobs end", 180)


@scenario("two factories with this id start at once", FILES, running=0)
def _same_id_at_once(site: Site) -> None:
    """Both see the same jobs, and neither sees a VM job of the other."""
    one = site.factory
    with Factory(site.directory / "elsewhere", site.pool, one.id, one.queues, **_timing(one)) as two:
        site.submit(5)
        site.wait_until_runs(3)
        assert one.actions("submit") + two.actions("submit")
        site.open_gate()
        site.wait(lambda: len(site.completed()) == site.submitted, "all jobs end", 180)
        site.wait(lambda: not site.factory.vm_jobs(), "all VM jobs end", 180)


def _timing(factory: Factory) -> dict[str, object]:
    return {key: value for key, value in factory.settings.items() if key in ("deadline", "command_timeout")}


@scenario("the spool is full", FILES, pool=SmallSpool)
def _spool_full(site: Site) -> None:
    """The schedd can't write its log; VM jobs are submitted, and jobs end, when there is room again."""
    assert isinstance(site.pool, SmallSpool)
    log = site.pool.log / "SchedLog"
    filler = site.pool.fill()
    with contextlib.suppress(CommandFailed):
        site.submit(2)
    site.wait(lambda: "errno = 28" in log.read_text(), "the schedd notices")
    site.wait(lambda: site.factory.queue().get("outcome") == "blocked", "the factory is blocked")
    filler.unlink()
    site.wait_answers()
    site.submit(2)
    site.wait(lambda: len(site.machines()) >= CAP, "the third VM", 180)
