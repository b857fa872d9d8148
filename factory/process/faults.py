"""What a plugin's fault may look like, for those who must go on without it."""

from __future__ import annotations


class PluginHung(BaseException):
    """A plugin did not come back and was interrupted (:mod:`factory.watchdog`).

    No ``Exception``, so that a plugin that catches all of these can't go on for ever.
    """


FAULTS = (BaseException,)
"""What is caught around every call of a plugin, which may raise anything, such as ``asyncio.CancelledError``: it stops
its own queue's part of the round, and nothing else."""


def fault(error: BaseException) -> str:
    """A fault as one line; also one whose own text can't be had."""
    try:
        text = " ".join(str(error).split())
    except FAULTS:
        text = "(its message can't be shown)"
    kind = type(error).__name__
    return f"{kind}: {text[:300]}" if text else kind
