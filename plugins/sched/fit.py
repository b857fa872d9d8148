"""Fit: buy the machines that the waiting jobs need, no more and no fewer."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from factory.fit.reasons import purchase_reason, unserved_reasons
from factory.fit.share import FitSettings, plan_purchase
from factory.plugin import (
    ATTRIBUTE,
    UNCLAIMED,
    VM,
    Ask,
    AskPlugin,
    AskStep,
    Duration,
    FitResult,
    Info,
    Named,
    PluginSettings,
    Share,
    Switch,
    View,
    checked_expression,
    counted,
)


class Fit(AskPlugin):
    """Place the waiting jobs on free room and on starting VMs; add machines for the rest. Ignores n.

    n_out > 0: machines for the jobs that have no room, each of the shape with the least cost for its jobs. The most
    valuable machine comes first, so that a later cap cuts the least valuable; owners take turns.

    Victims: VMs of the queue that no waiting job can use and that have been unclaimed for ``after``, longest idle
    first, while ``keep`` unclaimed VMs stay. A VM that joined and whose START waits for an attribute of its own, such
    as that of a health check, is left alone. If nothing is added, n_out < 0 retires them. Otherwise they retire beside
    the additions, so that they take no place under a cap.

    Nothing is bought for jobs that no shape can serve, or that a limit of the pool or schedd keeps from starting.
    Jobs that do not start although free machines fit them are stuck: they get one machine an hour as a probe.
    """

    needs = frozenset({Info.WMS, Info.BATCH, Info.DEMAND})

    class Settings(PluginSettings):
        after: Duration = Field(default=900, ge=0)
        """Time for which a VM that no waiting job can use must be unclaimed before it retires."""
        keep: int = Field(default=0, ge=0)
        """Number of unclaimed VMs to keep for the next jobs."""
        minlife: Duration = Field(default=600, ge=0)
        """A machine that ends within this time does not count as room."""
        stuck: Duration = Field(default=300, ge=0)
        """Jobs are stuck after free machines that fit them stayed unused for this long: three negotiation cycles."""
        unmaterialised: Switch = False
        """Buy also for jobs of late-materialising clusters that the schedd has not materialised yet."""
        machine: Annotated[dict[str, str], Named("machine.")] = Field(default_factory=dict)
        """``sched.fit.machine.<Attr>``: ClassAd expression of an attribute that new machines advertise."""

        @field_validator("machine")
        @classmethod
        def _machine(cls, value: dict[str, str]) -> dict[str, str]:
            for name, expression in value.items():
                if not ATTRIBUTE.fullmatch(name):
                    raise ValueError(f"{name!r} is not a valid attribute name; use letters, digits and _")
                checked_expression(expression)
            return value

    settings: Settings

    def machine_attributes(self) -> Mapping[str, str]:
        """Return the attributes of ``sched.fit.machine.<Attr>``."""
        return self.settings.machine

    def step_ask(self, ask: Ask, view: View) -> AskStep:
        settings, share = self.settings, view.demand
        result = plan_purchase(share, FitSettings(settings.minlife, settings.stuck, settings.unmaterialised))
        if share.closed is not None:
            return AskStep(Ask(), _reason(share, result, ""), result)
        unready = share.supply.unready
        vms = [vm for vm in view.batch.vms if _is_idle(vm) and vm.uuid not in unready]
        idle = sorted((vm.idle_since or 0, vm.uuid) for vm in vms)
        spare = [(since, uuid) for since, uuid in idle if uuid not in result.needed]
        due = [uuid for since, uuid in spare if view.now - since >= settings.after]
        victims = tuple(due[: max(0, len(idle) - settings.keep)])
        shapes = result.purchase.shapes
        ask = Ask(len(shapes) or -len(victims), shapes, victims)
        return AskStep(ask, _reason(share, result, self._idle(idle, spare)), result)

    def _idle(self, idle: list[tuple[float, str]], spare: list[tuple[float, str]]) -> str:
        if not idle:
            return ""
        settings = self.settings
        keep = f", keep {settings.keep}" if settings.keep else ""
        return f"{counted(len(idle), 'unclaimed VM')}, {len(spare)} unneeded (retire after {settings.after} s{keep})"


def _is_idle(vm: VM) -> bool:
    return (
        vm.state in UNCLAIMED and vm.idle_since is not None and not (vm.asked_to_retire or vm.retire_seen or vm.claims)
    )


def _reason(share: Share, result: FitResult, idle: str) -> str:
    return "; ".join([purchase_reason(share, result), *([idle] if idle else []), *unserved_reasons(share, result)])
