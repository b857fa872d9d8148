"""The cloud: all machines, what the API has done to them, and what they do by themselves.

API threads change moto's model and call ``reconcile`` under ``lock``; what that finds becomes orders for the machines,
each of which lives in a coroutine of the cloud's event loop.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping

from moto.ec2.models.instances import Instance

from localcloud import inventory
from localcloud.life import Life
from localcloud.machine import BY_ITSELF, BY_USER, Flavour, Machine, Order, Reason, State
from localcloud.seam import Seam
from localcloud.settings import CloudSettings

log = logging.getLogger(__name__)


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
        self._lives: dict[str, Life] = {}
        self._tasks: set[asyncio.Task[None]] = set()

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
        life = Life(machine, self, self.settings, self._seam, self._parts, self._starting)
        self._lives[machine.facts.instance_id] = life
        task = asyncio.ensure_future(self._live(machine, life))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
                self.enter(machine, leaving[order])
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
        life = self._lives[instance_id]

        async def crash() -> None:
            life.crash()

        asyncio.run_coroutine_threadsafe(crash(), self._loop).result()

    def _release(self, machine: Machine) -> None:
        instance = inventory.find(machine.facts.instance_id)
        if instance is not None and machine.alive:
            inventory.release(instance)

    def enter(self, machine: Machine, state: State) -> None:
        """Let the machine and the API show another state."""
        with self.lock:
            machine.enter(state, time.time())
            instance = inventory.find(machine.facts.instance_id)
            if instance is not None:
                inventory.show(instance, state, machine.reason)
            self.changes += 1
        log.info("instance=%s state=%s", machine.facts.instance_id, state)

    async def _live(self, machine: Machine, life: Life) -> None:
        try:
            await life.live()
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

    def powers_off(self, machine: Machine) -> Order:
        """A machine powers itself off: by shutdown behaviour and flavour it stops or terminates."""
        with self.lock:
            if not machine.alive:
                return Order.TERMINATE  # somebody else was quicker
            machine.reason = None if self.settings.flavour is Flavour.OPENSTACK else BY_ITSELF
            if machine.facts.stops_itself:
                self.enter(machine, State.STOPPING)
                return Order.STOP
            self._release(machine)
            self.enter(machine, State.SHUTTING_DOWN)
            return Order.TERMINATE

    async def close(self) -> None:
        """Shut every machine down and wait until nothing of them runs."""
        for task in self._tasks:
            task.cancel()
        powers = [life.power for life in self._lives.values() if life.power is not None]
        for power in powers:
            power.order("stop")
        await asyncio.gather(*self._tasks, *(power.off for power in powers), return_exceptions=True)
