"""How long a VM may take for each part of its life, and what it is after that. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from factory.model import VM, VMState


@dataclass(frozen=True, slots=True)
class Overdue:
    """A VM that should end."""

    why: str
    since: float
    """When its time was over."""
    faulty: bool
    """It speaks against its shape."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of a queue, in seconds."""

    start_s: float = 1800
    """From the submit to the instance."""
    boot_s: float = 900
    """From the instance that runs to the startd."""
    job_s: float | None = None
    """From the startd to the first claim."""
    lost_s: float = 3600
    """From the last sign of a VM to its end."""

    def stuck(self, vm: VM, now: float) -> str | None:
        """Why nobody should wait for this VM any more, if so."""
        if vm.state is VMState.SUBMITTED and now - vm.submitted > self.start_s / 2:
            return f"no instance for {now - vm.submitted:.0f} s"
        return self.never_claimed(vm, now)

    def never_claimed(self, vm: VM, now: float) -> str | None:
        """Why this VM should retire, if it joined long ago and was never claimed."""
        if self.job_s is None or vm.state is not VMState.JOINED or vm.joined_at is None:
            return None
        waited = now - max(vm.joined_at, vm.unretire_time or 0)
        return f"joined {waited:.0f} s ago and was never claimed" if waited > self.job_s else None

    def overdue(self, vm: VM, absent: float | None, known: bool, now: float) -> Overdue | None:
        """Whether the time of this VM is over (docs/decisions/0009-never-joined.md).

        ``absent``: neither its startd nor its master is in the pool since, as far as was seen. ``known``: its startd
        was seen. A VM was watched if it was absent already when its instance began to run: then no startd of it has
        been there. Of another one nobody knows, and a job may be on it until the job's lease has run out.
        """
        if vm.state is VMState.SUBMITTED:
            over = vm.submitted + self.start_s
            return Overdue(f"no instance after {now - vm.submitted:.0f} s", over, faulty=True) if now > over else None
        if vm.job_status == 1 and vm.grid_status == _ERROR:
            return Overdue("the cloud could not start its instance: it is in ERROR", vm.entered_status, faulty=True)
        if absent is None or vm.instance is None or vm.job_status != 2 or vm.state not in _AWAY:
            return None
        watched = not known and absent <= vm.entered_status
        since = max(absent, vm.entered_status)
        over = since + (self.boot_s if watched else max(self.boot_s, self.lost_s))
        if now <= over:
            return None
        if watched:
            return Overdue(f"its instance runs for {now - since:.0f} s and never joined the pool", over, faulty=True)
        return Overdue(f"no sign of its startd or its master for {now - since:.0f} s", over, faulty=False)


_ERROR = "error"
"""OpenStack keeps an instance that it can't start, against the quota; nothing ever happens to it by itself."""
_AWAY = {VMState.BOOTING, VMState.LOST, VMState.RETIRING}
