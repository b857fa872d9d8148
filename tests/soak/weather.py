"""What may happen during a soak, drawn by chance: work, faults of the cloud, deaths of machines and daemons."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

from tests.faults.cloudfaults import Answers, Boots
from tests.faults.site import Site

_WRONG_TOKEN = "eyJhbGciOiJIUzI1NiIsImtpZCI6IlBPT0wifQ.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"

CLOUD = (
    Answers("error", status=503, code="RequestLimitExceeded"),
    Answers("error", ("RunInstances",), status=500, code="InsufficientInstanceCapacity"),
    Answers("error", ("RunInstances",), status=400, code="VcpuLimitExceeded"),
    Answers("error", status=401, code="AuthFailure"),
    Answers("error", status=500, code="InternalError"),
    Answers("error", ("TerminateInstances",), status=500, code="InternalError"),
    Answers("garbage", ("RunInstances", "TerminateInstances")),
    Answers("lost", ("RunInstances", "TerminateInstances")),
    Answers("lost", one_in=3),
    Answers("slow", seconds=3),
    Boots("never"),
    Boots("token", token=_WRONG_TOKEN),
    Boots("late", seconds=10),
)
"""Faults of the cloud that last for a while."""


class Weather:
    """One event after the other, and pauses between them."""

    def __init__(self, site: Site, seed: int, say: Callable[[str], None]) -> None:
        self._site = site
        self._random = random.Random(seed)
        self._say = say

    def turn(self, *, kill_factory: bool) -> None:
        """One event and a pause."""
        events: list[tuple[int, Callable[[], str]]] = [
            (6, self._work),
            (8, self._cloud),
            (2, self._machine_ends),
            (1, lambda: self._daemon_dies("schedd")),
            (1, lambda: self._daemon_dies("collector")),
            (1, lambda: self._daemon_dies("negotiator")),
            (2, lambda: self._grid_dies("condor_gridmanager")),
            (2, lambda: self._grid_dies("ec2_gahp")),
            (1, self._schedd_hangs),
            (3 if kill_factory else 0, self._factory_dies),
        ]
        weights, tells = zip(*events, strict=True)
        (event,) = self._random.choices(tells, weights)
        self._say(event())
        self.pause(self._random.uniform(1, 8))

    def pause(self, seconds: float) -> None:
        """Let time pass, as it does."""
        time.sleep(seconds)

    def _work(self) -> str:
        count, seconds = self._random.randint(1, 5), self._random.randint(2, 25)
        self._site.submit(count, seconds)
        return f"{count} jobs of {seconds} s"

    def _cloud(self) -> str:
        fault, seconds = self._random.choice(CLOUD), self._random.uniform(3, 20)
        with self._site.cloud_breaks(fault):
            if self._random.random() < 0.5:
                self._work()
            self.pause(seconds)
        self._site.health_reset()
        return f"for {seconds:.0f} s: {fault}"

    def _machine_ends(self) -> str:
        running = sorted(m["id"] for m in self._site.machines() if m["state"] == "running" and m["pid"])
        if not running:
            return "no machine to end"
        victim = self._random.choice(running)
        self._site.strike(victim)
        if self._random.random() < 0.5:
            self._site.cloud.crash(victim)
        self._site.cloud.end(victim, "Server.SpotInstanceTermination")
        return f"{victim} is taken away"

    def _daemon_dies(self, daemon: str) -> str:
        self._site.kill_daemon(daemon)
        return f"{daemon} died"

    def _grid_dies(self, name: str) -> str:
        pid = self._site.grid_pid(name)
        if pid is None:
            return f"no {name} to kill"
        self._site.kill_process(pid)
        return f"{name} died"

    def _schedd_hangs(self) -> str:
        pid = self._site.pool.pid_of("schedd")
        os.kill(pid, signal.SIGSTOP)
        self.pause(8)
        os.kill(pid, signal.SIGCONT)
        return "the schedd hung for 8 s"

    def _factory_dies(self) -> str:
        self._site.factory.kill()
        self.pause(self._random.uniform(0, 5))
        self._site.factory.start()
        return "the factory died"
