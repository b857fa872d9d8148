"""The planner of a queue, for tests of VM policies; no HTCondor."""

from dataclasses import replace
from typing import Any

from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.model.actions import ClearRetire, Plan, Release, Remove, Retire, Submit, Unretire
from factory.model.ask import Ask
from factory.model.memory import Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import VM, Drain
from tests.rig.vms import NOW

IMAGE = Shape("ami-1", "m5.large")
POLICY = VMPolicy(queue="Q", shape=IMAGE, removefraction=1, update_interval_s=30)
OURS = Drain("apf apf: not needed", ours=True)
"""A drain by this factory."""
ASKED: dict[str, Any] = {"retire_time": NOW - 100}
"""Fields of a VM that was asked to retire."""
BACK: dict[str, Any] = {"retire_time": NOW - 100, "unretire_time": NOW - 50}
"""Fields of a VM that was unretired."""
ENDS: dict[str, Any] = {"lease_end": NOW + 100}
"""Fields of a VM whose lease ends soon."""


def planned(ask: Ask | int, *vms: VM, memory: Memory | None = None, **policy: Any) -> Plan:
    """Return the plan for an ask, or for n; keywords change the policy."""
    wanted = Ask(ask) if isinstance(ask, int) else ask
    return plan(replace(POLICY, **policy), wanted, BatchStatus.of_vms(vms), memory or Memory(), NOW)


def names(plan_: Plan, kind: type[ClearRetire | Release | Remove | Retire | Unretire]) -> list[str]:
    """Return the APFVMs that the actions of a kind are about."""
    return [action.vm.uuid for action in plan_.actions if isinstance(action, kind) and action.vm is not None]


def bought(plan_: Plan) -> int:
    """Return the number of VMs that a plan buys."""
    return sum(action.n for action in plan_.actions if isinstance(action, Submit))
