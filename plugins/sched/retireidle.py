"""RetireIdle: retire VMs that have been idle for some time."""

from pydantic import Field

from factory.plugin import UNCLAIMED, VM, Ask, AskPlugin, AskStep, Duration, Info, PluginSettings, View, counted


class RetireIdle(AskPlugin):
    """Name VMs to retire that have been idle for long, unless the chain adds machines (n > 0).

    A VM is idle if its state is ``idle`` or ``joined``, the time since which it is unclaimed is known, and it was not
    asked to retire. The ``keep`` VMs that became idle last stay. The others that have been idle for ``after`` are
    named, longest idle first, after the victims of earlier plugins.

    n_out = min(n, -victims): at least as many retire as were asked for, the named ones first. The submit plugin
    chooses the rest in its own order, without regard to ``keep``.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        after: Duration = Field(default=900, ge=0)
        """Time for which a VM must be unclaimed before it retires."""
        keep: int = Field(default=0, ge=0)
        """Number of idle VMs to keep for the next jobs."""

    settings: Settings

    def step_ask(self, ask: Ask, view: View) -> AskStep:
        if ask.n > 0:
            return AskStep(ask, f"no VM retires while the chain adds {ask.n}")
        idle = sorted((vm.idle_since, vm.uuid) for vm in view.batch.vms if vm.idle_since is not None and _is_idle(vm))
        spare = idle[: max(0, len(idle) - self.settings.keep)]
        due = [uuid for since, uuid in spare if view.now - since >= self.settings.after]
        victims = ask.victims + tuple(uuid for uuid in due if uuid not in ask.victims)
        n_out = min(ask.n, -len(victims))
        return AskStep(Ask(n_out, victims=victims), self._reason(len(idle), len(due)))

    def _reason(self, idle: int, due: int) -> str:
        if not idle:
            return "no VM is idle"
        keep = f", keep {self.settings.keep}" if self.settings.keep else ""
        retire = f"{due or 'none'} of {counted(idle, 'idle VM')} {'retire' if due > 1 else 'retires'}"
        return f"{retire} (after {self.settings.after} s{keep})"


def _is_idle(vm: VM) -> bool:
    return vm.state in UNCLAIMED and not vm.asked_to_retire and not vm.retire_seen and vm.claims == 0
