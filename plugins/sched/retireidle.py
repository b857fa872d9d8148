"""RetireIdle: let machines go that nobody has wanted for some time."""

from pydantic import Field

from factory.plugin import UNCLAIMED, VM, Ask, AskPlugin, AskStep, Duration, Info, PluginSettings, View


class RetireIdle(AskPlugin):
    """Unless more machines are wanted (n > 0), name those to retire that have been idle for long.

    Idle is a VM in state ``idle`` or ``joined`` that is known to be wholly unclaimed since some moment, and
    was not asked to leave. The ``keep`` that became idle last stay; of the others those that have been idle
    for ``after`` are named, longest idle first, behind victims that a plugin before this one has named.

    n_out = min(n, -victims): at least what was asked for retires, these first. For the rest the submit plugin
    follows its own order, in which ``keep`` does not bind.
    """

    needs = frozenset({Info.BATCH})

    class Settings(PluginSettings):
        after: Duration = Field(default=900, ge=0)
        """How long a VM must have been wholly unclaimed."""
        keep: int = Field(default=0, ge=0)
        """Idle VMs to keep, warm for the next jobs."""

    settings: Settings

    def step_ask(self, ask: Ask, view: View) -> AskStep:
        if ask.n > 0:
            return AskStep(ask, f"{ask.n} more are wanted")
        idle = sorted((vm.idle_since, vm.uuid) for vm in view.batch.vms if vm.idle_since is not None and _is_idle(vm))
        spare = idle[: max(0, len(idle) - self.settings.keep)]
        due = [uuid for since, uuid in spare if view.now - since >= self.settings.after]
        victims = ask.victims + tuple(uuid for uuid in due if uuid not in ask.victims)
        n_out = min(ask.n, -len(victims))
        return AskStep(Ask(n_out, victims=victims), self._reason(len(idle), len(due)))

    def _reason(self, idle: int, due: int) -> str:
        if not idle:
            return "no VM is idle"
        keep = f", {self.settings.keep} to be kept" if self.settings.keep else ""
        return f"{idle} idle{keep}: {due} to go after {self.settings.after} s"


def _is_idle(vm: VM) -> bool:
    return vm.state in UNCLAIMED and not vm.asked_to_leave and not vm.retire_seen and vm.claims == 0
