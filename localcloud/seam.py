"""The seam for faults: hooks that see, change or answer every API request and every boot.

``--hook MODULE:NAME`` adds a hook to a local cloud. ``NAME`` is called without arguments and returns an object with a
method ``request``, a method ``boot``, or both. Hooks are nested in the order given, the first one outermost.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from localcloud.machine import Facts
from localcloud.query import ApiRequest, ApiResponse

Forward = Callable[[ApiRequest], ApiResponse]
"""Passes a request to the next hook, and finally to the cloud."""


class Drop(Exception):
    """Raised by a request hook to close the connection without a response."""


@runtime_checkable
class RequestHook(Protocol):
    """A hook that is called with every API request, in the thread that serves it."""

    def request(self, request: ApiRequest, forward: Forward) -> ApiResponse:
        """Answer a request, with or without ``forward(request)``; may delay, change or raise Drop."""


@dataclass(frozen=True)
class Boot:
    """A boot that is about to happen."""

    facts: Facts
    user_data: bytes = field(repr=False)
    delay_s: float
    """Time in ``pending``, in seconds."""
    joins: bool = True
    """False: the machine runs without HTCondor."""
    fails: bool = False
    """True: the machine does not start, and stays in OpenStack's state ERROR until it is terminated."""
    wrapper: tuple[str, ...] = ()
    """Command prepended to condor_master's command line; it must exec the rest of the line."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables added to condor_master's environment."""


@runtime_checkable
class BootHook(Protocol):
    """A hook that is called with every boot, before its delay starts."""

    def boot(self, boot: Boot) -> Boot:
        """Return the boot to carry out, usually ``dataclasses.replace(boot, …)``."""


Hook = RequestHook | BootHook


@dataclass(frozen=True)
class Seam:
    """All hooks of a local cloud."""

    hooks: tuple[Hook, ...] = ()

    @classmethod
    def load(cls, names: Iterable[str]) -> "Seam":
        """Load the hooks named ``MODULE:NAME``. Raises ImportError, AttributeError or TypeError for a bad name."""
        hooks = []
        for name in names:
            module, _, attribute = name.partition(":")
            hook = getattr(importlib.import_module(module), attribute)()
            if not isinstance(hook, RequestHook | BootHook):
                raise TypeError(f"hook {name} has neither a method request nor a method boot")
            hooks.append(hook)
        return cls(tuple(hooks))

    def wrap(self, answer: Forward) -> Forward:
        """Wrap ``answer`` in all request hooks."""
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
