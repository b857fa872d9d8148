"""Waiting for a condition, with a deadline."""

from localcloud.wait import until

__all__ = ["until"]
