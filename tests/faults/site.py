"""A site for a fault: a pool, a cloud and a factory with some jobs; and the figures at the end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from localcloud.process import CloudProcess
from tests.faults import books, joblog
from tests.faults.cloudfaults import HOOK, Answers, Boots, Broken
from tests.rig.factory import Factory, ec2_queue, instances
from tests.rig.pool import CommandFailed, Pool
from tests.rig.wait import until

T = TypeVar("T")

CAP = 3
"""Cap on VMs by ``maxtorun`` and ``maxinstances``, unless a scenario changes it."""
_CAPS = ("sched__maxtorun__maximum", "batchsubmit__condorec2__maxinstances")

QUICK_CCB = "CCB_RECONNECT_TIME = 2"
"""Configuration of machines: seconds until they reconnect to a new collector; by default a minute."""

_START_S = 120
"""Longest start of pool and cloud, each."""
_FINISH_S = 240
"""Longest time until all jobs complete, once the fault is over."""
_SETTLE_S = 240
"""Longest time from the end of the last job to the end of the last VM."""

_TRACEBACK = re.compile(
    r"^Traceback .*\n(?:  .*\n)*?  File \"[^\"]*/(?:factory|plugins)/(?:.*\n)(?:  .*\n)*", re.MULTILINE
)
"""A traceback of our own code. A worker that starts while the factory is killed leaves one of multiprocessing."""

_JOB = """\
#!/bin/sh
# Runs until the gate opens; records its start, its end and its machine.
machine=$(sed -n 's/^EC2InstanceID = "\\(.*\\)"/\\1/p' "$_CONDOR_MACHINE_AD")
run=$1.$$.$(date +%s%N)
trap 'exit 1' TERM QUIT INT
echo "start $1 $run $machine" >> {directory}/runs
until=$(( $(date +%s) + $2 ))
while [ ! -e {directory}/open ] && [ "$(date +%s)" -lt $until ]; do sleep 0.3; done
echo "end $1 $run $machine" >> {directory}/runs
"""


_MASTER = """\
#!/bin/sh
# condor_master with a small spool of its own, visible only to it and its children.
exec unshare --user --map-current-user --keep-caps --mount sh -c \
    'mount -t tmpfs -o size=4m,mode=0700 tmpfs "$0" && exec {master} "$@"' {spool} "$@"
"""


class SmallSpool(Pool):
    """A pool with a small spool that can be filled."""

    @property
    def env(self) -> dict[str, str]:
        """Environment with a condor_master that has this spool."""
        known = super().env
        return {**known, "PATH": f"{self.directory / 'bin'}:{known['PATH']}"}

    def start(self, timeout_s: float = 30.0) -> None:
        """Start the daemons."""
        wrapper = self.directory / "bin" / "condor_master"
        wrapper.parent.mkdir(parents=True)
        wrapper.write_text(_MASTER.format(master=shutil.which("condor_master"), spool=self.directory / "spool"))
        wrapper.chmod(0o755)
        self._extra = "HISTORY = $(LOG)/history\n"  # condor_history, outside, does not see this spool
        super().start(timeout_s)

    def fill(self) -> Path:
        """Fill the spool; return the file to remove to make room."""
        filler = Path(f"/proc/{self.pid_of('master')}/root{self.directory / 'spool'}/filler")
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(512))
        return filler


_LAYER = """\
#cloud-config
write_files:
  - path: /etc/condor/config.d/95-scenario
    content: |
      # The factory must end a machine whose startd has left; the timer for idle machines is long.
      MASTER.DAEMON_SHUTDOWN_FAST = False
"""


class Site:
    """A pool, a cloud and a factory with one queue of at most three VMs. Jobs run until ``open_gate``."""

    def __init__(
        self,
        directory: Path,
        name: str,
        keys: Mapping[str, object] | None = None,
        commands: Mapping[str, object] | None = None,
        layer: str = "",
        pool: type[Pool] = Pool,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """Prepare a site.

        Args:
            directory: Directory of the site; it is created.
            name: Id of the factory, and prefix of the pool's name.
            keys: Keys of the queue, with __ for a dot; None removes a key.
            commands: Submit commands of the jobs.
            layer: Lines for the HTCondor configuration of the machines.
            pool: Class of the pool.
            settings: Settings of the factory.
        """
        directory.mkdir(parents=True)
        self.directory = directory
        self.pool = pool(directory / "pool", name=f"{name}@pool")
        self.cloud = CloudProcess(
            directory / "cloud", boot_delay_s=0.5, shutdown_delay_s=0.5, keep_terminated_s=300, hooks=[HOOK]
        )
        self.broken = Broken(self.cloud.directory)
        self.struck: set[str] = set()
        """Instances that the fault has struck: jobs on them may be cut short."""
        self.submitted = 0
        self.book: list[dict[str, Any]] = []
        """All instances that ever existed, when the figures were taken."""
        self.factory: Factory
        self._name = name
        self._keys: dict[str, object] = {
            "apfqueue__sleep": 1,
            "batchsubmit__condorec2__user_data_files": directory / "layer.yaml",
            "batchsubmit__condorec2__master_update_interval": 5,
            "sched__retireidle__after": 8,
            **dict.fromkeys(_CAPS, CAP),
            **(keys or {}),
        }
        self._commands = dict(commands or {})
        self._settings = {"deadline": 15, "command_timeout": 10, "audit_interval": 10, **(settings or {})}
        (directory / "layer.yaml").write_text(_LAYER + "".join(f"      {line}\n" for line in layer.splitlines()))
        (directory / "job.sh").write_text(_JOB.format(directory=directory))
        (directory / "job.sh").chmod(0o755)

    @contextmanager
    def running(self) -> Iterator[Site]:
        """Start cloud, pool and factory, and stop them at the end."""
        with ExitStack() as stack:
            for part in (self.cloud, self.pool):
                stack.callback(part.stop)
                part.start(_START_S)
            keys = {key: value for key, value in self._keys.items() if value is not None}
            queue = ec2_queue(self.cloud, self._name, **keys)
            self.factory = Factory(self.directory, self.pool, self._name, {"CLOUD": queue}, **self._settings)
            with self.factory:
                yield self
                own = _TRACEBACK.search(self.factory.log_text())
                assert own is None, f"the factory had an unexpected error: {own and own[0]}"

    def submit(self, count: int, seconds: int = 36000) -> None:
        """Submit jobs that run for ``seconds``, or until ``open_gate``."""
        description: dict[str, object] = {
            "universe": "vanilla",
            "executable": self.directory / "job.sh",
            "arguments": f"$(Cluster).$(Process) {seconds}",
            "transfer_executable": "false",
            "should_transfer_files": "yes",
            "request_cpus": 1,
            "request_memory": 64,
            "request_disk": 1024,
            "log": self.directory / "userlog",
            "ulog_execute_attrs": "EC2InstanceID",
            "requirements": f'TARGET.APFFactory == "{self._name}"',
            "My.MATCH_APF_QUEUE": f'"{self._name}"',
            "My.APFTestLoad": "true",
        }
        self.pool.submit(description | self._commands, count)
        self.submitted += count

    @property
    def cap(self) -> int:
        """Cap on VMs."""
        return min(int(str(self._keys[name])) for name in _CAPS if self._keys[name] is not None)

    def runs(self) -> list[books.Run]:
        """Return the runs from the jobs' own record."""
        return books.runs(self._record())

    def _record(self) -> list[str]:
        path = self.directory / "runs"
        return path.read_text().splitlines() if path.exists() else []

    def wait_running(self, count: int, timeout_s: float = 180) -> None:
        """Wait until ``count`` jobs run by their own record, and the factory has seen as many busy VMs."""
        self.wait_until_runs(count, timeout_s)
        until(lambda: self.factory.states()["busy"] >= count, f"{count} busy VMs seen", 120)

    def wait_until_runs(self, count: int, timeout_s: float = 180) -> None:
        """Wait until ``count`` jobs run by their own record."""
        until(lambda: sum(not run.ended for run in self.runs()) >= count, f"{count} jobs run", timeout_s, 0.3)

    def wait(self, condition: Callable[[], T], what: str, timeout_s: float = 120) -> T:
        """Wait for a condition, for a long time, as many scenarios share few cores."""
        return until(condition, what, timeout_s, 0.2)

    def wait_hits(self, count: int, *actions: str, timeout_s: float = 180) -> None:
        """Wait until faults have changed ``count`` more answers."""
        before = self.broken.hits(*actions)
        what = f"{count} more faulty answers to {actions or 'any action'}"
        self.wait(lambda: self.broken.hits(*actions) >= before + count, what, timeout_s)

    @contextmanager
    def cloud_breaks(self, *faults: Answers | Boots) -> Iterator[None]:
        """Set faults of the cloud inside the ``with``."""
        self.broken.set(*faults)
        yield
        self.broken.set()

    def machines(self) -> list[dict[str, Any]]:
        """Return all instances of the factory that ever existed, by the cloud's record."""
        return instances(self.cloud, self.factory)

    def all_machines(self) -> list[dict[str, Any]]:
        """Return all instances that ever existed, of any owner."""
        return list(self.cloud.instances().values())

    def strike(self, instance: str, *, for_good: bool = True) -> None:
        """Record that the fault ends this instance, or only the jobs on it."""
        self.struck.add(instance)
        with (self.directory / "runs").open("a") as book:
            book.write(f"{books.Strike(instance, time.time(), for_good).line}\n")

    def kill_process(self, pid: int) -> None:
        """Kill a process with SIGKILL."""
        os.kill(pid, signal.SIGKILL)

    def kill_daemon(self, *daemons: str) -> None:
        """Kill daemons of the pool at once; return when the master has restarted them and they answer."""
        old = {daemon: self.pool.pid_of(daemon) for daemon in daemons}
        for pid in old.values():
            self.kill_process(pid)
        for daemon, pid in old.items():
            until(lambda daemon=daemon, pid=pid: self._pid(daemon) not in (0, pid), f"a new {daemon}", 60)  # type: ignore[misc]
        self.wait_answers()

    def wait_answers(self) -> None:
        """Wait until collector and schedd answer."""
        until(self._answers, "the pool answers", 60)

    def _pid(self, daemon: str) -> int:
        try:
            return self.pool.pid_of(daemon)
        except IndexError:
            return 0

    def _answers(self) -> bool:
        try:
            self.pool.jobs("false")
            self.pool.wait_ready(1)
        except (CommandFailed, TimeoutError):
            return False
        return True

    def pids_on(self, instance: str) -> list[int]:
        """Return the processes of a machine, its condor_master first."""
        pids = [int(self.cloud.instances()[instance]["pid"])]
        for parent in pids:
            listed = subprocess.run(["pgrep", "--parent", str(parent)], capture_output=True, text=True, check=False)
            pids += [int(word) for word in listed.stdout.split()]
        return pids

    def pid_on(self, instance: str, daemon: str) -> int:
        """Return the process of this name on a machine."""
        return next(pid for pid in self.pids_on(instance) if _name_of(pid) == daemon[:15])

    def grid_pid(self, name: str) -> int | None:
        """Return the process of the gridmanager, or of its ec2_gahp; None if it does not run now."""
        pids = _children(self.pool.pid_of("schedd"), "condor_gridmanager")
        if pids and name != "condor_gridmanager":
            pids = _children(pids[0], name)
        return pids[0] if pids else None

    def breakers(self) -> list[str]:
        """Return the names of open breakers."""
        return list(self.factory.queue().get("health", {}).get("breakers", ()))

    def states_seen(self) -> set[str]:
        """Return the states of VMs at the factory's last poll."""
        return set(self.factory.states())

    def failed(self, kind: str) -> list[dict[str, Any]]:
        """Return the failed actions of a kind."""
        return [action for action in self.factory.actions(kind) if action["error"] is not None]

    def next_try_s(self, kind: str) -> float:
        """Return the longest time until the factory tries an action of a kind again.

        The factory doubles the wait after each failure, so this is twice the longest wait so far, and a reserve.
        """
        tried = [
            entry["decided"]
            for entry in self.factory.journal()
            for action in entry["actions"]
            if action["kind"] == kind
        ]
        pauses = [later - earlier for earlier, later in pairwise(tried)]
        return 120 + 2 * max(pauses, default=0)

    def draining(self) -> list[dict[str, Any]]:
        """Return the slots that report a drain."""
        return self.pool.slots(f'APFFactory == "{self._name}" && Draining')

    def own_key(self) -> Path:
        """Return the file with the secret key of the queue."""
        return Path(str(self.factory.queues["CLOUD"]["batchsubmit.condorec2.secret_access_key"]))

    def open_gate(self) -> None:
        """Let all jobs end; jobs that start later end at once."""
        (self.directory / "open").touch()

    def health_reset(self) -> None:
        """Reset the breakers, as an operator does after a fault of the cloud."""
        done = self.factory.run("health", "reset")
        assert done.returncode == 0, done.stderr

    def completed(self) -> list[dict[str, Any]]:
        """Return the ads of the jobs in the history."""
        return self.pool.history("APFTestLoad =?= true")

    def keep_logs(self, directory: Path) -> None:
        """Copy the logs of factory, cloud and daemons."""
        directory.mkdir(parents=True, exist_ok=True)
        files = [self.directory / name for name in ("apf.log", "userlog", "runs", "cloud/localcloud.log")]
        for path in (*files, *self.pool.log.glob("Grid*"), self.pool.log / "SchedLog", self.pool.log / "ShadowLog"):
            if path.exists():
                shutil.copy(path, directory)

    def settle(self) -> books.Figures:
        """Let the jobs end, wait until no VM is left, and return the figures."""
        self.open_gate()
        _patiently(lambda: not books.lost(self.completed(), self.submitted), _FINISH_S)
        _patiently(lambda: not books.leaked(self.all_machines(), self._grid_jobs()), _SETTLE_S)
        self.book = self.all_machines()
        cut = joblog.cut_short((self.directory / "userlog").read_text(), books.strikes(self._record()))
        return books.Figures(
            lost=books.lost(self.completed(), self.submitted),
            evicted=books.evicted(self.runs(), cut),
            leaked=books.leaked(self.book, self._grid_jobs()),
            above=max(0, books.most_alive(self.book) - self.cap),
        )

    def _grid_jobs(self) -> list[dict[str, Any]]:
        return self.pool.jobs("JobUniverse == 9", "APFVM")


def _name_of(pid: int) -> str:
    path = Path(f"/proc/{pid}/comm")
    return path.read_text().strip() if path.exists() else ""


def _children(parent: int, name: str) -> list[int]:
    command = ["pgrep", "--parent", str(parent), "--exact", name[:15]]
    return [int(word) for word in subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()]


def _patiently(condition: Callable[[], bool], timeout_s: float) -> None:
    """Wait for a condition, and return after a timeout too: the figures show the failure."""
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)
