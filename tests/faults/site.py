"""Where a fault strikes: a pool, a cloud and a factory with a little work; and what is left of them afterwards."""

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
"""VMs at once, by ``maxtorun`` and by ``maxinstances``, unless a scenario says otherwise."""
_CAPS = ("sched__maxtorun__maximum", "batchsubmit__condorec2__maxinstances")

QUICK_CCB = "CCB_RECONNECT_TIME = 2"
"""For a layer: a machine goes back to a new collector after this many seconds; by default it takes a minute."""

_START_S = 120
"""Pool and cloud may take so long to start, each."""
_FINISH_S = 240
"""A job may take so long to complete once nothing is broken any more."""
_SETTLE_S = 240
"""And the last VM may take so long to go when the last job has ended."""

_TRACEBACK = re.compile(
    r"^Traceback .*\n(?:  .*\n)*?  File \"[^\"]*/(?:factory|plugins)/(?:.*\n)(?:  .*\n)*", re.MULTILINE
)
"""One of our own code; a worker that is being born when the factory is killed leaves one of multiprocessing's."""

_JOB = """\
#!/bin/sh
# Runs until it may end; says when it starts and ends, and where.
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
# condor_master with a spool of its own, a few MB large, that only it and its children see.
exec unshare --user --map-current-user --keep-caps --mount sh -c \
    'mount -t tmpfs -o size=4m,mode=0700 tmpfs "$0" && exec {master} "$@"' {spool} "$@"
"""


class SmallSpool(Pool):
    """A pool whose spool can be filled."""

    @property
    def env(self) -> dict[str, str]:
        """With a condor_master that has this spool."""
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
        """Leave no byte free in the spool; returns the file to remove for room."""
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
      # Somebody else must end a machine whose startd has left; idle ones are ended late enough.
      MASTER.DAEMON_SHUTDOWN_FAST = False
"""


class Site:
    """A pool, a cloud and a factory whose queue may have three VMs. Its jobs run until ``open_gate``."""

    def __init__(
        self,
        directory: Path,
        name: str,
        keys: Mapping[str, object] | None = None,
        commands: Mapping[str, object] | None = None,
        layer: str = "",
        pool: type[Pool] = Pool,
    ) -> None:
        """``keys`` of the queue, with __ for a dot, None to leave one out; ``commands`` of the jobs' descriptions.

        ``layer``: lines for the HTCondor configuration of the machines.
        """
        directory.mkdir(parents=True)
        self.directory = directory
        self.pool = pool(directory / "pool", name=f"{name}@pool")
        self.cloud = CloudProcess(
            directory / "cloud", boot_delay_s=0.5, shutdown_delay_s=0.5, keep_terminated_s=300, hooks=[HOOK]
        )
        self.broken = Broken(self.cloud.directory)
        self.struck: set[str] = set()
        """Instances at which the fault has struck: a job on them may be cut short."""
        self.submitted = 0
        self.book: list[dict[str, Any]] = []
        """Every instance there was, when the figures were taken."""
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
        (directory / "layer.yaml").write_text(_LAYER + "".join(f"      {line}\n" for line in layer.splitlines()))
        (directory / "job.sh").write_text(_JOB.format(directory=directory))
        (directory / "job.sh").chmod(0o755)

    @contextmanager
    def running(self) -> Iterator[Site]:
        """Start all of it; end it whatever happens."""
        with ExitStack() as stack:
            for part in (self.cloud, self.pool):
                stack.callback(part.stop)
                part.start(_START_S)
            keys = {key: value for key, value in self._keys.items() if value is not None}
            queue = ec2_queue(self.cloud, self._name, **keys)
            settings = {"deadline": 15, "command_timeout": 10, "audit_interval": 10}
            self.factory = Factory(self.directory, self.pool, self._name, {"CLOUD": queue}, **settings)
            with self.factory:
                yield self
                own = _TRACEBACK.search(self.factory.log_text())
                assert own is None, f"the factory had an error of its own: {own and own[0]}"

    def submit(self, count: int, seconds: int = 36000) -> None:
        """Jobs that run for so long, or until ``open_gate``."""
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
        """How many VMs there may be at once."""
        return min(int(str(self._keys[name])) for name in _CAPS if self._keys[name] is not None)

    def runs(self) -> list[books.Run]:
        """What the jobs wrote down."""
        return books.runs(self._told())

    def _told(self) -> list[str]:
        path = self.directory / "runs"
        return path.read_text().splitlines() if path.exists() else []

    def wait_running(self, count: int, timeout_s: float = 180) -> None:
        """Wait until so many jobs run by their own word, and the factory has seen as many busy VMs."""
        self.wait_until_runs(count, timeout_s)
        until(lambda: self.factory.states()["busy"] >= count, f"{count} busy VMs seen", 120)

    def wait_until_runs(self, count: int, timeout_s: float = 180) -> None:
        """Wait until so many jobs run by their own word."""
        until(lambda: sum(not run.ended for run in self.runs()) >= count, f"{count} jobs run", timeout_s, 0.3)

    def wait(self, condition: Callable[[], T], what: str, timeout_s: float = 120) -> T:
        """Wait for a condition; patiently, for many scenarios run on few cores."""
        return until(condition, what, timeout_s, 0.2)

    def wait_hits(self, count: int, *actions: str, timeout_s: float = 180) -> None:
        """Wait until the cloud has spoilt so many answers more."""
        before = self.broken.hits(*actions)
        what = f"{count} spoilt answers to {actions or 'anything'}"
        self.wait(lambda: self.broken.hits(*actions) >= before + count, what, timeout_s)

    @contextmanager
    def cloud_breaks(self, *faults: Answers | Boots) -> Iterator[None]:
        """Break the cloud inside the ``with``."""
        self.broken.set(*faults)
        yield
        self.broken.set()

    def machines(self) -> list[dict[str, Any]]:
        """Every instance of the factory that there ever was, by the cloud's book."""
        return instances(self.cloud, self.factory)

    def all_machines(self) -> list[dict[str, Any]]:
        """Every instance that there ever was, whoever it says it belongs to."""
        return list(self.cloud.instances().values())

    def strike(self, instance: str, *, for_good: bool = True) -> None:
        """Say that the fault ends this instance, or just what runs there now: a job may be cut short by that."""
        self.struck.add(instance)
        with (self.directory / "runs").open("a") as book:
            book.write(f"{books.Strike(instance, time.time(), for_good).line}\n")

    def kill_process(self, pid: int) -> None:
        """Kill with SIGKILL."""
        os.kill(pid, signal.SIGKILL)

    def kill_daemon(self, *daemons: str) -> None:
        """Kill daemons of the pool at once; returns when their master has started others, and they answer."""
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
        """The processes of a machine, its condor_master first."""
        found = [int(self.cloud.instances()[instance]["pid"])]
        for parent in found:
            listed = subprocess.run(["pgrep", "--parent", str(parent)], capture_output=True, text=True, check=False)
            found += [int(word) for word in listed.stdout.split()]
        return found

    def pid_on(self, instance: str, daemon: str) -> int:
        """The process of that name on a machine."""
        return next(pid for pid in self.pids_on(instance) if _name_of(pid) == daemon[:15])

    def grid_pid(self, name: str) -> int | None:
        """The process of the gridmanager or of its ec2_gahp; None: there is none just now."""
        found = _children(self.pool.pid_of("schedd"), "condor_gridmanager")
        if found and name != "condor_gridmanager":
            found = _children(found[0], name)
        return found[0] if found else None

    def breakers(self) -> list[str]:
        """What keeps the factory from buying."""
        return list(self.factory.queue().get("health", {}).get("breakers", ()))

    def states_seen(self) -> set[str]:
        """States of VMs, as the factory saw them last."""
        return set(self.factory.states())

    def failed(self, kind: str) -> list[dict[str, Any]]:
        """Actions of that kind that came to nothing."""
        return [action for action in self.factory.actions(kind) if action["error"] is not None]

    def next_try_s(self, kind: str) -> float:
        """Return how long the factory may wait before it tries an action of that kind again.

        It waits twice as long after each try that came to nothing, so twice the longest pause that it has made.
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
        """Slots of machines that drain, by their own word."""
        return self.pool.slots(f'APFFactory == "{self._name}" && Draining')

    def own_key(self) -> Path:
        """The file with the secret key that the queue uses."""
        return Path(str(self.factory.queues["CLOUD"]["batchsubmit.condorec2.secret_access_key"]))

    def open_gate(self) -> None:
        """Let all jobs end, those that have not started yet as soon as they do."""
        (self.directory / "open").touch()

    def health_reset(self) -> None:
        """What an operator does when the cloud is well again."""
        done = self.factory.run("health", "reset")
        assert done.returncode == 0, done.stderr

    def completed(self) -> list[dict[str, Any]]:
        """Ads of the jobs that have left the queue."""
        return self.pool.history("APFTestLoad =?= true")

    def keep_logs(self, directory: Path) -> None:
        """Copy what tells what happened."""
        directory.mkdir(parents=True, exist_ok=True)
        files = [self.directory / name for name in ("apf.log", "userlog", "runs", "cloud/localcloud.log")]
        for path in (*files, *self.pool.log.glob("Grid*"), self.pool.log / "SchedLog", self.pool.log / "ShadowLog"):
            if path.exists():
                shutil.copy(path, directory)

    def settle(self) -> books.Figures:
        """Let the jobs end, wait until nothing is left, for as long as that may take, and take the figures."""
        self.open_gate()
        _patiently(lambda: not books.lost(self.completed(), self.submitted), _FINISH_S)
        _patiently(lambda: not books.leaked(self.all_machines(), self._grid_jobs()), _SETTLE_S)
        self.book = self.all_machines()
        cut = joblog.cut_short((self.directory / "userlog").read_text(), books.strikes(self._told()))
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
    found = ["pgrep", "--parent", str(parent), "--exact", name[:15]]
    return [int(word) for word in subprocess.run(found, capture_output=True, text=True, check=False).stdout.split()]


def _patiently(condition: Callable[[], bool], timeout_s: float) -> None:
    """Wait, and go on when it takes too long: the figures tell."""
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)
