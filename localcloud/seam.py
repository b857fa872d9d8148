"""The seam for faults: the one place where every request passes, and the one where every boot passes.

A hook is any callable of the shape below; ``--hook MODULE:NAME`` adds one to a local cloud, and ``NAME`` is called
without arguments to make an object with ``request`` or ``boot`` or both. Hooks are nested in the order given, the
first one outermost.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from localcloud.machine import Facts
from localcloud.query import ApiRequest, ApiResponse

Forward = Callable[[ApiRequest], ApiResponse]
"""Hands a request on, to the next hook and in the end to the cloud."""


class Drop(Exception):
    """Raised by a request hook: close the connection without an answer."""


@runtime_checkable
class RequestHook(Protocol):
    """Sees every API request, in the thread that serves it."""

    def request(self, request: ApiRequest, forward: Forward) -> ApiResponse:
        """Answer a request: with ``forward(request)``, or later, or changed, or without it, or raise Drop."""


@dataclass(frozen=True)
class Boot:
    """A boot that is about to happen."""

    facts: Facts
    user_data: bytes = field(repr=False)
    delay_s: float
    """Time in ``pending``."""
    joins: bool = True
    """False: the machine runs, but HTCondor is never started on it."""
    fails: bool = False
    """True: it does not start, and stays in OpenStack's state ERROR until it is terminated."""
    wrapper: tuple[str, ...] = ()
    """Put before condor_master's command line: a command that in the end becomes what follows it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to condor_master's environment."""


@runtime_checkable
class BootHook(Protocol):
    """Sees every boot, before its delay starts."""

    def boot(self, boot: Boot) -> Boot:
        """Return the boot as it shall be: often ``dataclasses.replace(boot, …)``."""


Hook = RequestHook | BootHook


@dataclass(frozen=True)
class Seam:
    """All hooks of a local cloud."""

    hooks: tuple[Hook, ...] = ()

    @classmethod
    def load(cls, names: Iterable[str]) -> "Seam":
        """Make the hooks named ``MODULE:NAME``. Raises ImportError, AttributeError or TypeError for a bad name."""
        hooks = []
        for name in names:
            module, _, attribute = name.partition(":")
            hook = getattr(importlib.import_module(module), attribute)()
            if not isinstance(hook, RequestHook | BootHook):
                raise TypeError(f"{name} has neither a method request nor a method boot")
            hooks.append(hook)
        return cls(tuple(hooks))

    def wrap(self, answer: Forward) -> Forward:
        """Put all request hooks around ``answer``."""
        for hook in reversed(self.hooks):
            if isinstance(hook, RequestHook):
                answer = _around(hook, answer)
        return answer

    def boot(self, boot: Boot) -> Boot:
        """Pass a boot through all boot hooks."""
        for hook in self.hooks:
            if isinstance(hook, BootHook):
                boot = hook.boot(boot)
        return boot


def _around(hook: RequestHook, forward: Forward) -> Forward:
    return lambda request: hook.request(request, forward)
