"""The cloud: every machine's life from launch to termination, on real processes.

API threads change moto's model and call ``reconcile`` under ``lock``; what that finds becomes orders for the machines,
each of which lives in a coroutine of the cloud's event loop.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.ec2.models.instances import Instance

from localcloud import inventory
from localcloud.boot import Console, Power, boot_of, prepare
from localcloud.hardware import UnknownInstanceType, hardware
from localcloud.machine import BY_ITSELF, BY_USER, Flavour, Machine, Order, Reason, State
from localcloud.seam import Boot, Seam
from localcloud.userdata import UserData

log = logging.getLogger(__name__)

FAILED_START_S = 10.0
"""A condor_master that fails within this time never ran: the machine stays up without it, as under systemd."""

NO_RESTART = 99
"""Exit status of an HTCondor daemon that does not want to be started again: a clean end."""


@dataclass(frozen=True)
class CloudSettings:
    """How the cloud behaves."""

    directory: Path
    flavour: Flavour = Flavour.AMAZON
    boot_delay_s: float = 1.0
    shutdown_delay_s: float = 1.0
    keep_terminated_s: float = 3600.0
    """How long a terminated instance stays visible."""
    starts_at_once: int = 4
    """Machines that may be starting up together; more would only slow each other down."""
    start_gap_s: float = 0.5
    """How long a start counts as such."""


class Cloud:
    """All machines. Everything public is safe to call from any thread."""

    def __init__(self, settings: CloudSettings, seam: Seam, parts: Mapping[str, str]) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self.machines: dict[str, Machine] = {}
        self.changes = 0
        """Counts what may change an answer of the API; read under ``lock``."""
        self._seam = seam
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._starting = asyncio.Semaphore(settings.starts_at_once)
        self._lives: set[asyncio.Task[None]] = set()
        self._powered: dict[str, Power] = {}

    def reconcile(self) -> None:
        """Turn what the API just did to moto's instances into launches and orders."""
        with self.lock:
            self.changes += 1
            for instance in inventory.instances():
                machine = self.machines.get(instance.id)
                if machine is None:
                    machine = self._launch(instance)
                elif instance.state != machine.state:
                    self._obey(machine, State(instance.state))
                if instance.state != machine.state:
                    inventory.show(instance, machine.state, machine.reason)

    def _launch(self, instance: Instance) -> Machine:
        facts = inventory.facts_of(instance, self.settings.flavour)
        directory = self.settings.directory / "instances" / facts.instance_id
        machine = Machine(facts, directory, asyncio.Queue())
        machine.enter(State.PENDING, time.time())
        self.machines[facts.instance_id] = machine
        log.info("launched instance=%s type=%s zone=%s", facts.instance_id, facts.instance_type, facts.zone)
        self._loop.call_soon_threadsafe(self._start_life, machine)
        return machine

    def _start_life(self, machine: Machine) -> None:
        life = asyncio.ensure_future(self._life(machine))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    def _obey(self, machine: Machine, wanted: State) -> None:
        """Moto's instance has moved to another state than the machine's: somebody called the API."""
        if wanted is State.TERMINATED and machine.alive:
            self.order(machine.facts.instance_id, Order.TERMINATE, BY_USER)
        elif wanted is State.STOPPED and machine.state in (State.PENDING, State.RUNNING):
            self.order(machine.facts.instance_id, Order.STOP, BY_USER)
        elif wanted is State.RUNNING and machine.state is State.STOPPED:
            self.order(machine.facts.instance_id, Order.START)

    def order(self, instance_id: str, order: Order, reason: Reason | None = None) -> None:
        """Tell a machine what to do; its state shows it at once. Raises KeyError if there is no such machine."""
        with self.lock:
            machine = self.machines[instance_id]
            leaving = {Order.TERMINATE: State.SHUTTING_DOWN, Order.STOP: State.STOPPING, Order.START: State.PENDING}
            if order in leaving:
                machine.reason = reason
                self._enter(machine, leaving[order])
        self._loop.call_soon_threadsafe(machine.orders.put_nowait, order)

    def end(self, instance_id: str, reason: Reason) -> None:
        """Terminate a machine that nobody asked the API to terminate (an interruption, say).

        Raises KeyError if there is no such machine.
        """
        with self.lock:
            self._release(self.machines[instance_id])
            self.order(instance_id, Order.TERMINATE, reason)

    def crash(self, instance_id: str) -> None:
        """Let a machine crash: nothing on it runs any more, and the API still says that it does.

        Raises KeyError if nothing runs on such a machine.
        """
        power = self._powered[instance_id]
        self.machines[instance_id].crashed = True
        self._loop.call_soon_threadsafe(power.order, "kill")

    def _release(self, machine: Machine) -> None:
        instance = inventory.find(machine.facts.instance_id)
        if instance is not None and machine.alive:
            inventory.release(instance)

    def _enter(self, machine: Machine, state: State) -> None:
        with self.lock:
            machine.enter(state, time.time())
            instance = inventory.find(machine.facts.instance_id)
            if instance is not None:
                inventory.show(instance, state, machine.reason)
            self.changes += 1
        log.info("instance=%s state=%s", machine.facts.instance_id, state)

    async def _life(self, machine: Machine) -> None:
        """Boot, run, end; a stopped machine waits to be started again."""
        try:
            order = Order.START
            while order is Order.START:
                order = await self._session(machine)
                if order is Order.STOP and machine.alive:
                    self._enter(machine, State.STOPPED)
                if order is Order.STOP:
                    while order not in (Order.START, Order.TERMINATE):
                        order = await machine.orders.get()
            self._enter(machine, State.TERMINATED)
            await asyncio.sleep(self.settings.keep_terminated_s)
            self._forget(machine)
        except Exception:
            log.exception("instance=%s lost its life", machine.facts.instance_id)
            raise

    def _forget(self, machine: Machine) -> None:
        with self.lock:
            instance = inventory.find(machine.facts.instance_id)
            if instance is not None:
                inventory.forget(instance)
            machine.visible = False
            self.changes += 1

    async def _session(self, machine: Machine) -> Order:
        """From ``pending`` until the processes are gone; returns how it ended, TERMINATE or STOP."""
        boot = self._seam.boot(boot_of(machine.facts, self.settings.boot_delay_s))
        order = await _next(machine, boot.delay_s)
        power: Power | None = None
        while order is None or order is Order.REBOOT:
            self._enter(machine, State.RUNNING)
            power, document = await self._power_on(machine, boot)
            order = await self._running(machine, power, document)
            if order is Order.REBOOT and power is not None:
                power.order("stop")
                await power.off
        delay = asyncio.ensure_future(asyncio.sleep(self.settings.shutdown_delay_s))
        if power is not None:
            power.order("stop")
            await power.off
        machine.pid = None
        await delay
        return order

    async def _power_on(self, machine: Machine, boot: Boot) -> tuple[Power | None, UserData | None]:
        console = Console(machine.directory)
        machine.directory.mkdir(parents=True, exist_ok=True)
        machine.boots += 1
        try:
            size = hardware(machine.facts.instance_type)
        except UnknownInstanceType:
            console.say(f"init: no hardware of type {machine.facts.instance_type}")
            return None, None
        document = prepare(machine.directory, boot, size, self._parts, console)
        if document is None or not boot.joins:
            return None, document
        async with self._starting:
            try:
                power = await Power.on(machine.directory, boot)
            except OSError as error:
                console.say(f"init: cannot start HTCondor: {error.strerror}")
                return None, document
            machine.pid = power.pid
            self._powered[machine.facts.instance_id] = power
            await asyncio.wait([power.off], timeout=self.settings.start_gap_s)
        return power, document

    async def _running(self, machine: Machine, power: Power | None, document: UserData | None) -> Order:
        """Until somebody orders otherwise, the machine's timer is up, or its condor_master is gone."""
        console = Console(machine.directory)
        loop = asyncio.get_running_loop()
        started = loop.time()
        timer = document.power_state if document else None
        ends = started + timer.delay_s if timer else None
        ordered = asyncio.ensure_future(machine.orders.get())
        waiting: set[asyncio.Future[Any]] = {ordered} | ({power.off} if power else set())
        try:
            while True:
                left = None if ends is None else max(0.0, ends - loop.time())
                done, _ = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if ordered in done:
                    order = ordered.result()
                    if order is not Order.START:
                        return order
                    ordered = asyncio.ensure_future(machine.orders.get())
                    waiting.add(ordered)
                elif not done and timer is not None:
                    console.say(f"init: power_state: {timer.mode}")
                    return Order.REBOOT if timer.mode == "reboot" else self._ends_itself(machine)
                elif power is not None:
                    machine.pid = None
                    waiting.discard(power.off)
                    if machine.crashed:
                        continue
                    if power.status not in (0, NO_RESTART) and loop.time() - started < FAILED_START_S:
                        console.say(f"init: condor_master failed with status {power.status}")
                        continue
                    console.say(f"init: condor_master ended with status {power.status}; powering off")
                    return self._ends_itself(machine)
        finally:
            ordered.cancel()

    def _ends_itself(self, machine: Machine) -> Order:
        """The machine powers itself off: by shutdown behaviour and flavour it stops or terminates."""
        with self.lock:
            machine.reason = None if self.settings.flavour is Flavour.OPENSTACK else BY_ITSELF
            if machine.facts.stops_itself:
                self._enter(machine, State.STOPPING)
                return Order.STOP
            self._release(machine)
            self._enter(machine, State.SHUTTING_DOWN)
            return Order.TERMINATE

    async def close(self) -> None:
        """Shut every machine down and wait until nothing of them runs."""
        for life in self._lives:
            life.cancel()
        for power in self._powered.values():
            power.order("stop")
        off = (power.off for power in self._powered.values())
        await asyncio.gather(*self._lives, *off, return_exceptions=True)


async def _next(machine: Machine, wait_s: float) -> Order | None:
    """The next order, or None when none has come for ``wait_s``."""
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(machine.orders.get(), wait_s)
    return None
