"""A factory for tests: its configuration, the real ``apf`` as a child process, and what it wrote."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localcloud.process import CloudProcess
from tests.rig.pool import Pool
from tests.rig.signals import DEFAULT_SIGNALS
from tests.rig.wait import until

_CHECKOUT = Path(__file__).parents[2]

QUEUE = "CLOUD"
"""The queue of a factory with one queue."""


def ec2_queue(cloud: CloudProcess, wmsqueue: str, **keys: object) -> dict[str, object]:
    """A queue that turns the jobs of ``wmsqueue`` into machines of one core, quickly; ``keys`` with __ for a dot."""
    ec2: dict[str, object] = {
        "gridresource": cloud.url,
        "ami_id": "ami-12c6146b",
        "instance_type": "t2.small",
        "access_key_id": cloud.access_key_file,
        "secret_access_key": cloud.secret_key_file,
        "lease": "1h",
        "removefraction": 1,
    }
    queue: dict[str, object] = {
        "enabled": True,
        "apfqueue.sleep": 2,
        "wmsstatusplugin": "CondorLocal",
        "wmsqueue": wmsqueue,
        "batchstatusplugin": "CondorEC2",
        "batchsubmitplugin": "CondorEC2",
        "schedplugin": "Ready, MaxToRun, RetireIdle",
        "sched.maxtorun.maximum": 10,
        "sched.retireidle.after": 6,
    }
    queue |= {f"batchsubmit.condorec2.{key}": value for key, value in ec2.items()}
    return queue | {key.replace("__", "."): value for key, value in keys.items()}


class Factory:
    """One factory: ``queues`` and ``settings`` (of [Factory]) may be changed, then ``reload`` or ``restart``."""

    def __init__(
        self,
        directory: Path,
        pool: Pool,
        factory_id: str,
        queues: Mapping[str, Mapping[str, object]],
        **settings: object,
    ) -> None:
        self.id = factory_id
        self.directory = directory
        self.pool = pool
        self.queues: dict[str, dict[str, object]] = {name: dict(keys) for name, keys in queues.items()}
        self.settings: dict[str, object] = {
            "factoryId": factory_id,
            "statedir": directory / "state",
            "pool": pool.address,
            "update_interval": 3,
            **settings,
        }
        self.env = pool.env
        self.conf = directory / "queues.conf"
        self.log = directory / "apf.log"
        self.active = False
        """Inside its ``with``, or left by an error: its log is worth a look when a test fails."""
        self._child: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        _made.append(self)

    @property
    def state(self) -> Path:
        """Its own files."""
        return Path(str(self.settings["statedir"])) / self.id

    def write_conf(self) -> Path:
        """Write the configuration file."""
        sections = {"Factory": self.settings, **self.queues}
        text = [f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()) for name, keys in sections.items()]
        self.conf.write_text("\n".join(text))
        return self.conf

    def start(self, *, failpoint: tuple[str, int] | None = None, wait: bool = True) -> None:
        """Start it; returns when it has begun to serve. ``failpoint``: it is killed at that step, at that time."""
        before = self._started()
        command = [*DEFAULT_SIGNALS, "apf", "--conf", str(self.write_conf())]
        if failpoint is not None:
            command = [*DEFAULT_SIGNALS, sys.executable, "-m", "tests.rig.failpoint", str(self.conf)]
            command += [failpoint[0], str(failpoint[1])]
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(
                command, env=self.env, cwd=_CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if wait:
            until(lambda: self._started() > before or self._ended(), "the factory serves")
            assert self._child.poll() is None or failpoint is not None, self.log_text()

    def run(self, *arguments: str, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        """Run ``apf arguments --conf …`` to its end, such as ``--once`` or ``status``."""
        return subprocess.run(
            ["apf", *arguments, "--conf", str(self.write_conf())],
            env=self.env, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def stop(self, timeout_s: float = 60) -> int:
        """End it with SIGTERM; its exit status. Kills it and fails when it does not go."""
        assert self._child is not None
        self._child.terminate()
        return self.wait_end(timeout_s)

    def wait_end(self, timeout_s: float = 90) -> int:
        """Wait until it has ended by itself; its exit status, below zero for a signal."""
        assert self._child is not None
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the factory did not end within {timeout_s:.0f} s") from None

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def reload(self, *, write: bool = True) -> None:
        """SIGHUP, after writing the configuration anew; returns when the factory has said what became of it."""
        said = self._reread()
        if write:
            self.write_conf()
        self.signal(signal.SIGHUP)
        until(lambda: self._reread() > said, "the configuration is reread")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._child is not None
        self._child.send_signal(number)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._child is not None
        return self._child.pid

    @property
    def running(self) -> bool:
        """It runs."""
        return self._child is not None and self._child.poll() is None

    def children(self) -> int:
        """How many processes it has started that still run; one of them serves multiprocessing."""
        assert self._child is not None
        listed = subprocess.run(["pgrep", "--parent", str(self._child.pid)], capture_output=True, check=False)
        return len(listed.stdout.split())

    def _ended(self) -> bool:
        return not self.running

    def _started(self) -> int:
        return self.log_text().count(" started factory=")

    def _reread(self) -> int:
        text = self.log_text()
        ends = (" configuration reread", " configuration in force", "restart the factory")
        return sum(text.count(words) for words in ends)

    def log_text(self) -> str:
        """What it logged, in all its lives."""
        return self.log.read_text() if self.log.exists() else ""

    def status(self) -> dict[str, Any]:
        """``status.json``; empty before there is one."""
        path = self.state / "status.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def queue(self, name: str = QUEUE) -> dict[str, Any]:
        """The last round of a queue as ``status.json`` shows it; empty before there was one."""
        return next((queue for queue in self.status().get("queues", ()) if queue["queue"] == name), {})

    def blocked(self, name: str = QUEUE) -> str | None:
        """The reason why the queue's chain was blocked in the last round; None if it was not, or before a round."""
        blocked = self.queue(name).get("blocked")
        return None if blocked is None else str(blocked["text"])

    def vms(self, name: str = QUEUE) -> list[dict[str, Any]]:
        """VMs as the last round saw them."""
        return list(self.queue(name).get("vms", ()))

    def states(self, name: str = QUEUE) -> Counter[str]:
        """How many VMs of the last round were in each state."""
        return Counter(vm["state"] for vm in self.vms(name))

    def journal(self) -> list[dict[str, Any]]:
        """Every round of every queue."""
        path = self.state / "journal.jsonl"
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # the last line may be under way
        return [json.loads(line) for line in whole.splitlines()]

    def actions(self, kind: str) -> list[dict[str, Any]]:
        """All actions of one kind that the journal knows."""
        return [action for entry in self.journal() for action in entry["actions"] if action["kind"] == kind]

    def rounds(self, count: int = 1, timeout_s: float = 30) -> None:
        """Wait until so many further rounds have ended that began after now."""
        first = len(self.journal()) + 1  # one may be under way
        until(lambda: len(self.journal()) >= first + count, f"{count} rounds", timeout_s)

    def vm_jobs(self, *attributes: str) -> list[dict[str, Any]]:
        """Its VM jobs in the schedd."""
        return self.pool.jobs(f'APFFactory =?= "{self.id}"', *attributes)

    def __enter__(self) -> Self:
        self.active = True
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.active = error is not None


_made: list[Factory] = []


def logs(lines: int = 60) -> dict[str, str]:
    """The last lines of every factory that runs, or did when its test failed, by its directory."""
    tails = {str(factory.directory): factory.log_text().splitlines()[-lines:] for factory in _made if factory.active}
    return {name: "\n".join(tail) for name, tail in tails.items()}


def instances(cloud: CloudProcess, factory: Factory) -> list[dict[str, Any]]:
    """Every instance that this factory ever had."""
    return [m for m in cloud.instances().values() if m["tags"].get("apf:factory") == factory.id]


def alive(cloud: CloudProcess, factory: Factory) -> list[str]:
    """Its instances that are not terminated."""
    return [machine["id"] for machine in instances(cloud, factory) if machine["state"] != "terminated"]


@contextmanager
def removed_at_end(factory: Factory, constraint: str = "true") -> Iterator[Factory]:
    """Leave nothing in the schedd, whatever the test did."""
    try:
        yield factory
    finally:
        factory.kill()
        mine = f'(APFFactory =?= "{factory.id}" || MATCH_APF_QUEUE =?= "{factory.id}") && ({constraint})'
        factory.pool.run("condor_rm", "-constraint", mine, check=False)


__all__: Sequence[str] = ("QUEUE", "Factory", "alive", "ec2_queue", "instances", "logs", "removed_at_end")
