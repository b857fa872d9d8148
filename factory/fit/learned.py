"""Remember what machines show of their shapes: room and attributes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from factory.model.demand import Demand
from factory.model.memory import FitMemory
from factory.model.model_facts import ModelFacts, learn, with_proofs
from factory.model.vm import VM, VMState


def remember_rooms(memory: FitMemory, demand: Demand, vms: Sequence[VM]) -> FitMemory:
    """Return the memory with the room of each shape, as startds report it."""
    shapes = {vm.uuid: vm.shape for vm in vms}
    slots = Counter(machine.vm for machine in demand.machines)
    seen = {
        shapes[machine.vm]: machine.total
        for machine in sorted(demand.machines, key=lambda machine: machine.name)
        if machine.vm in shapes and slots[machine.vm] == 1
    }
    return replace(memory, rooms={**memory.rooms, **seen})


def remember_facts(
    memory: FitMemory, demand: Demand, vms: Sequence[VM], queue: str, models: Collection[str]
) -> FitMemory:
    """Return the memory with what the VMs of a queue show. Models that the queue does not buy any more are forgotten.

    ``vms``: all VMs of the queue. ``models``: the models that it may buy.
    """
    facts = {model: known for model, known in memory.facts.items() if model in models or _queue(model) != queue}
    never_claimed = {vm.uuid for vm in vms if vm.state is VMState.JOINED and not vm.claims}
    for shown in demand.shown:
        if shown.model in models:
            facts[shown.model] = learn(facts.get(shown.model, ModelFacts()), shown, never_claimed)
    for model in demand.proven.keys() & models:
        facts[model] = with_proofs(facts.get(model, ModelFacts()), demand.proven[model])
    return replace(memory, facts={model: known for model, known in facts.items() if known != ModelFacts()})


def forget_queues(memory: FitMemory, configured: Collection[str]) -> FitMemory:
    """Return the memory without what was learned for queues that are not configured any more."""
    return replace(
        memory,
        facts={model: known for model, known in memory.facts.items() if _queue(model) in configured},
        doubts={name: doubt for name, doubt in memory.doubts.items() if doubt.queue in configured},
    )


def _queue(model: str) -> str:
    return model.rsplit(" ", 2)[0]
