"""Fit: the machines that the waiting jobs can use, no more and no fewer."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from factory.fit.reasons import buying_words, other_words
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
)


class Fit(AskPlugin):
    """Place the jobs that wait on the room there is, then on the VMs on their way; add machines for the rest.

    n_out > 0: the machines for jobs that have room nowhere, each of the shape with the least cost for the jobs on it,
    the most valuable first, so that a cap after this one cuts the least valuable; owners take turns.

    Victims: the queue's VMs that no waiting job can use and that have been wholly unclaimed for ``after``, longest idle
    first, as long as ``keep`` unclaimed ones stay. n_out < 0, for them, if nothing is to be added; else they leave
    beside what is added, so that they hold no place under a cap.

    Nothing is bought for jobs that no shape can serve, for jobs that do not start though room that fits them stands
    free (they are stuck; one machine an hour probes), and for a schedd that could not start more. Whatever n was.
    """

    needs = frozenset({Info.WMS, Info.BATCH, Info.DEMAND})

    class Settings(PluginSettings):
        after: Duration = Field(default=900, ge=0)
        """How long a VM that no job can use must have been wholly unclaimed before it goes."""
        keep: int = Field(default=0, ge=0)
        """Unclaimed VMs to keep, warm for the next jobs."""
        minlife: Duration = Field(default=600, ge=0)
        """The room of a machine that leaves within this is not counted."""
        stuck: Duration = Field(default=300, ge=0)
        """Jobs that wait for so long while room that fits them stands free are stuck; three negotiation cycles."""
        unmaterialised: Switch = False
        """Whether to buy also for jobs of late-materialising clusters that the schedd has not made yet."""
        machine: Annotated[dict[str, str], Named("machine.")] = Field(default_factory=dict)
        """``sched.fit.machine.<Attr>``: what new machines show, as a ClassAd expression, beyond what is known."""

        @field_validator("machine")
        @classmethod
        def _machine(cls, value: dict[str, str]) -> dict[str, str]:
            for name, expression in value.items():
                if not ATTRIBUTE.fullmatch(name):
                    raise ValueError(f"{name!r} is no name of an attribute; write letters, digits and _")
                checked_expression(expression)
            return value

    settings: Settings

    def machine_attributes(self) -> Mapping[str, str]:
        """As the settings say."""
        return self.settings.machine

    def step_ask(self, ask: Ask, view: View) -> AskStep:
        settings, share = self.settings, view.demand
        terms = FitSettings(settings.minlife, settings.stuck, settings.unmaterialised)
        verdict = plan_purchase(share, terms)
        if share.closed is not None:
            return AskStep(Ask(), _reason(share, verdict, ""), verdict)
        idle = sorted((vm.idle_since or 0, vm.uuid) for vm in view.batch.vms if _is_idle(vm))
        spare = [(since, uuid) for since, uuid in idle if uuid not in verdict.needed]
        due = [uuid for since, uuid in spare if view.now - since >= settings.after]
        victims = tuple(due[: max(0, len(idle) - settings.keep)])
        shapes = verdict.purchase.shapes
        ask = Ask(len(shapes) or -len(victims), shapes, victims)
        return AskStep(ask, _reason(share, verdict, self._idle(idle, spare)), verdict)

    def _idle(self, idle: list[tuple[float, str]], spare: list[tuple[float, str]]) -> str:
        if not idle:
            return ""
        keep = f", {self.settings.keep} to be kept" if self.settings.keep else ""
        return f"{len(idle)} idle{keep}, {len(spare)} of them for no job, which go after {self.settings.after} s"


def _is_idle(vm: VM) -> bool:
    return (
        vm.state in UNCLAIMED and vm.idle_since is not None and not (vm.asked_to_leave or vm.retire_seen or vm.claims)
    )


def _reason(share: Share, verdict: FitResult, idle: str) -> str:
    return "; ".join([buying_words(share, verdict), *([idle] if idle else []), *other_words(share, verdict)])
