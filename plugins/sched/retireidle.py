"""RetireIdle: retire VMs that have been unclaimed for some time."""

from pydantic import Field

from factory.plugin import UNCLAIMED, VM, Ask, AskPlugin, AskStep, Duration, Info, PluginSettings, View, counted


class RetireIdle(AskPlugin):
    """Name VMs to retire that have been unclaimed for long, unless the chain adds machines (n > 0).

    Unclaimed VMs are those in state ``idle`` or ``joined`` that were not asked to retire, if the time since which they
    are unclaimed is known. The ``keep`` VMs that were claimed last stay. The others that have been unclaimed for
    ``after`` are named, longest unclaimed first, after the victims of earlier plugins.

    n_out = min(n, -victims): at least as many retire as were asked for, the named ones first. The submit plugin
    chooses the rest in its own order, without regard to ``keep``.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        after: Duration = Field(default=900, ge=0)
        """Time for which a VM must be unclaimed before it retires."""
        keep: int = Field(default=0, ge=0)
        """Number of unclaimed VMs to keep for the next jobs."""

    settings: Settings

    def step_ask(self, ask: Ask, view: View) -> AskStep:
        if ask.n > 0:
            return AskStep(ask, f"no VM retires while the chain adds {ask.n}")
        unclaimed = sorted(
            (vm.idle_since, vm.uuid) for vm in view.batch.vms if vm.idle_since is not None and _is_unclaimed(vm)
        )
        spare = unclaimed[: max(0, len(unclaimed) - self.settings.keep)]
        due = [uuid for since, uuid in spare if view.now - since >= self.settings.after]
        victims = ask.victims + tuple(uuid for uuid in due if uuid not in ask.victims)
        n_out = min(ask.n, -len(victims))
        return AskStep(Ask(n_out, victims=victims), self._reason(len(unclaimed), len(due)))

    def _reason(self, unclaimed: int, due: int) -> str:
        if not unclaimed:
            return "no VM is unclaimed"
        keep = f", keep {self.settings.keep}" if self.settings.keep else ""
        retire = f"{due or 'none'} of {counted(unclaimed, 'unclaimed VM')} {'retire' if due > 1 else 'retires'}"
        return f"{retire} (after {self.settings.after} s{keep})"


def _is_unclaimed(vm: VM) -> bool:
    return vm.state in UNCLAIMED and not vm.asked_to_retire and not vm.retire_seen and vm.claims == 0
