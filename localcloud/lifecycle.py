"""Lifecycle of one machine on real processes: boot, run, shut down, start again."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

from localcloud.boot import Console, Power, boot_of, prepare
from localcloud.hardware import UnknownInstanceType, hardware
from localcloud.machine import LocalMachine, Order, State
from localcloud.seam import Boot, Seam
from localcloud.settings import CloudSettings
from localcloud.userdata import UserData

FAILED_START_S = 10.0
"""A condor_master that fails within this time failed to start; the machine stays up without it, as under systemd."""

NO_RESTART = 99
"""Exit status of an HTCondor daemon that ended cleanly and must not be restarted."""


class Host(Protocol):
    """The cloud, as a machine uses it."""

    def enter(self, machine: LocalMachine, state: State) -> None:
        """Record that the machine enters another state."""

    def powers_off(self, machine: LocalMachine) -> Order:
        """Record that the machine powers itself off; return STOP or TERMINATE."""


class MachineLifecycle:
    """One machine's lifecycle, as coroutines of the cloud's event loop.

    The semaphore ``starting`` limits the number of machines that start at once.
    """

    def __init__(
        self,
        machine: LocalMachine,
        host: Host,
        settings: CloudSettings,
        seam: Seam,
        parts: Mapping[str, str],
        starting: asyncio.Semaphore,
    ) -> None:
        self.power: Power | None = None
        self._machine = machine
        self._host = host
        self._settings = settings
        self._seam = seam
        self._parts = parts
        self._starting = starting
        self._console = Console(machine.directory)

    async def live(self) -> None:
        """Run the machine from its launch until it is terminated."""
        order = Order.START
        while order is Order.START:
            order = await self._session()
            if order is Order.STOP:
                if self._machine.alive:
                    self._host.enter(self._machine, State.STOPPED)
                while order not in (Order.START, Order.TERMINATE):
                    order = await self._machine.orders.get()
        self._host.enter(self._machine, State.TERMINATED)

    def crash(self) -> None:
        """Kill all processes without telling the cloud. Raises KeyError if none runs."""
        if self.power is None or self.power.off.done():
            raise KeyError(self._machine.facts.instance_id)
        self._machine.crashed = True
        self.power.order("kill")

    async def _session(self) -> Order:
        """Run from ``pending`` until the processes are gone; return the order that ended it, TERMINATE or STOP."""
        boot = self._seam.boot(boot_of(self._machine.facts, self._settings.boot_delay_s))
        order = await self._next_order(boot.delay_s)
        if order is None and boot.fails:
            self._host.enter(self._machine, State.ERROR)
            while order is not Order.TERMINATE:
                order = await self._machine.orders.get()
        while order is None or order is Order.REBOOT:
            self._host.enter(self._machine, State.RUNNING)
            document = await self._power_on(boot)
            order = await self._run(document)
            if order is Order.REBOOT:
                await self._power_off()
        delay = asyncio.ensure_future(asyncio.sleep(self._settings.shutdown_delay_s))
        await self._power_off()
        await delay
        return order

    async def _next_order(self, wait_s: float) -> Order | None:
        """Return the next order, or None after ``wait_s``."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._machine.orders.get(), wait_s)
        return None

    async def _power_on(self, boot: Boot) -> UserData | None:
        """Apply user-data and start HTCondor; write errors to the console."""
        machine = self._machine
        machine.directory.mkdir(parents=True, exist_ok=True)
        machine.boots += 1
        machine.crashed = False
        self.power = None
        try:
            size = hardware(machine.facts.instance_type)
        except UnknownInstanceType:
            self._console.say(f"init: no hardware of type {machine.facts.instance_type}")
            return None
        document = prepare(machine.directory, boot, size, self._parts, self._console)
        if document is None or not boot.joins:
            return document
        async with self._starting:
            if machine.state is not State.RUNNING:
                return document  # it was ended while it waited for its turn
            try:
                self.power = await Power.on(machine.directory, boot)
            except OSError as error:
                self._console.say(f"init: cannot start HTCondor: {error.strerror}")
                return document
            machine.pid = self.power.pid
            await asyncio.wait([self.power.off], timeout=self._settings.start_gap_s)
        return document

    async def _power_off(self) -> None:
        if self.power is not None:
            self.power.order("stop")
            await self.power.off
        self._machine.pid = None

    async def _run(self, document: UserData | None) -> Order:
        """Wait for an order, for the machine's timer, or for the end of its condor_master; return the order."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        timer = document.power_state if document else None
        ordered = asyncio.ensure_future(self._machine.orders.get())
        waiting: set[asyncio.Future[Any]] = {ordered} | ({self.power.off} if self.power else set())
        try:
            while True:
                left_s = max(0.0, started + timer.delay_s - loop.time()) if timer else None
                done, _ = await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if ordered in done:
                    return ordered.result()
                if not done and timer:
                    self._console.say(f"init: power_state: {timer.mode}")
                    return Order.REBOOT if timer.mode == "reboot" else self._host.powers_off(self._machine)
                waiting -= done
                if self._shuts_down(loop.time() - started):
                    return self._host.powers_off(self._machine)
        finally:
            ordered.cancel()

    def _shuts_down(self, ran_s: float) -> bool:
        """True if the machine shuts down because its condor_master ended after ``ran_s``."""
        self._machine.pid = None
        if self.power is None or self._machine.crashed:
            return False
        if self.power.status not in (0, NO_RESTART) and ran_s < FAILED_START_S:
            self._console.say(f"init: condor_master failed with status {self.power.status}")
            return False
        self._console.say(f"init: condor_master ended with status {self.power.status}; powering off")
        return True
