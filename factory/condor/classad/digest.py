"""Digests that identify ads and expressions."""

from __future__ import annotations

import hashlib


def short_digest(text: str) -> str:
    """Return 12 hexadecimal digits that stand for a text in a key."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def digest_of(text: str) -> bytes:
    """Return 16 bytes that stand for the text of an ad, which has some thousand characters."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
