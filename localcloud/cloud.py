"""The cloud: all machines, and the state that the API shows of each.

API threads change moto's model and call ``reconcile`` under ``lock``. ``reconcile`` turns each change into an order
for a machine. Each machine runs in a coroutine of the cloud's event loop.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping

from moto.ec2.models.instances import Instance

from localcloud import inventory
from localcloud.lifecycle import MachineLifecycle
from localcloud.machine import BY_ITSELF, BY_USER, Flavour, LocalMachine, Order, Reason, State
from localcloud.seam import Seam
from localcloud.settings import CloudSettings

log = logging.getLogger(__name__)


class LocalCloud:
    """All machines of a local cloud. Public methods are safe to call from any thread."""

    def __init__(self, settings: CloudSettings, seam: Seam, parts: Mapping[str, str]) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self.machines: dict[str, LocalMachine] = {}
        self.changes = 0
        """Counter of changes that can alter a response of the API; read under ``lock``."""
        self._seam = seam
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._starting = asyncio.Semaphore(settings.starts_at_once)
        self._lives: dict[str, MachineLifecycle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def reconcile(self) -> None:
        """Turn the API's changes of moto's instances into launches and orders."""
        with self.lock:
            self.changes += 1
            for instance in inventory.instances():
                machine = self.machines.get(instance.id)
                if machine is None:
                    machine = self._launch(instance)
                elif instance.state != machine.state:
                    self._obey(machine, State(instance.state))
                if instance.state != machine.state:
                    inventory.set_state(instance, machine.state, machine.reason)

    def _launch(self, instance: Instance) -> LocalMachine:
        facts = inventory.facts_of(instance, self.settings.flavour)
        directory = self.settings.directory / "instances" / facts.instance_id
        machine = LocalMachine(facts, directory, asyncio.Queue())
        machine.enter(State.PENDING, time.time())
        self.machines[facts.instance_id] = machine
        log.info("launched instance=%s type=%s zone=%s", facts.instance_id, facts.instance_type, facts.zone)
        self._loop.call_soon_threadsafe(self._start_life, machine)
        return machine

    def _start_life(self, machine: LocalMachine) -> None:
        life = MachineLifecycle(machine, self, self.settings, self._seam, self._parts, self._starting)
        self._lives[machine.facts.instance_id] = life
        task = asyncio.ensure_future(self._live(machine, life))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _obey(self, machine: LocalMachine, wanted: State) -> None:
        """Send the machine the order that an API call implied by changing the state of moto's instance."""
        if wanted is State.TERMINATED and machine.alive:
            self.order(machine.facts.instance_id, Order.TERMINATE, BY_USER)
        elif wanted is State.STOPPED and machine.state in (State.PENDING, State.RUNNING):
            self.order(machine.facts.instance_id, Order.STOP, BY_USER)
        elif wanted is State.RUNNING and machine.state is State.STOPPED:
            self.order(machine.facts.instance_id, Order.START)

    def order(self, instance_id: str, order: Order, reason: Reason | None = None) -> None:
        """Send a machine an order; its state changes at once. Raises KeyError if there is no such machine."""
        with self.lock:
            machine = self.machines[instance_id]
            first = {Order.TERMINATE: State.SHUTTING_DOWN, Order.STOP: State.STOPPING, Order.START: State.PENDING}
            if order in first:
                machine.reason = reason
                self.enter(machine, first[order])
        self._loop.call_soon_threadsafe(machine.orders.put_nowait, order)

    def end(self, instance_id: str, reason: Reason) -> None:
        """Terminate a machine without an API request, such as a spot interruption.

        Raises KeyError if there is no such machine.
        """
        with self.lock:
            self._release(self.machines[instance_id])
            self.order(instance_id, Order.TERMINATE, reason)

    def crash(self, instance_id: str) -> None:
        """Kill all processes of a machine while the API shows it as running.

        Raises KeyError if the machine runs no process.
        """
        life = self._lives[instance_id]

        async def crash() -> None:
            life.crash()

        asyncio.run_coroutine_threadsafe(crash(), self._loop).result()

    def _release(self, machine: LocalMachine) -> None:
        instance = inventory.find(machine.facts.instance_id)
        if instance is not None and machine.alive:
            inventory.free_resources(instance)

    def enter(self, machine: LocalMachine, state: State) -> None:
        """Put the machine into a state, and let the API show it."""
        with self.lock:
            machine.enter(state, time.time())
            instance = inventory.find(machine.facts.instance_id)
            if instance is not None:
                inventory.set_state(instance, state, machine.reason)
            self.changes += 1
        log.info("state changed instance=%s state=%s", machine.facts.instance_id, state)

    async def _live(self, machine: LocalMachine, life: MachineLifecycle) -> None:
        try:
            await life.live()
            await asyncio.sleep(self.settings.keep_terminated_s)
            self._forget(machine)
        except Exception:
            log.exception("machine failed instance=%s", machine.facts.instance_id)
            raise

    def _forget(self, machine: LocalMachine) -> None:
        with self.lock:
            instance = inventory.find(machine.facts.instance_id)
            if instance is not None:
                inventory.forget(instance)
            machine.visible = False
            self.changes += 1

    def powers_off(self, machine: LocalMachine) -> Order:
        """Record that a machine powers itself off; return STOP or TERMINATE, by shutdown behaviour and flavour."""
        with self.lock:
            if not machine.alive:
                return Order.TERMINATE  # the API ended it a moment earlier
            machine.reason = None if self.settings.flavour is Flavour.OPENSTACK else BY_ITSELF
            if machine.facts.stops_itself:
                self.enter(machine, State.STOPPING)
                return Order.STOP
            self._release(machine)
            self.enter(machine, State.SHUTTING_DOWN)
            return Order.TERMINATE

    async def close(self) -> None:
        """Shut every machine down and wait until no process of any is left."""
        for task in self._tasks:
            task.cancel()
        powers = [life.power for life in self._lives.values() if life.power is not None]
        for power in powers:
            power.order("stop")
        await asyncio.gather(*self._tasks, *(power.off for power in powers), return_exceptions=True)
