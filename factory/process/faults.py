"""Faults of plugins, for callers that go on without the plugin."""

from __future__ import annotations


class PluginHung(BaseException):
    """A plugin did not return and was interrupted (:mod:`factory.service.watchdog`).

    It is not an ``Exception``, so that a plugin that catches all exceptions can't run forever.
    """


FAULTS = (BaseException,)
"""Exceptions to catch around a call of a plugin, which may raise anything, such as ``asyncio.CancelledError``.

A fault stops the part of the round of its own queue, and nothing else."""


def fault(error: BaseException) -> str:
    """Return a fault as one line, also if its ``__str__`` fails."""
    try:
        text = " ".join(str(error).split())
    except FAULTS:
        text = "(no message: str() of the error failed)"
    kind = type(error).__name__
    return f"{kind}: {text[:300]}" if text else kind
