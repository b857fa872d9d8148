"""Short digests that tell ads and expressions apart."""

from __future__ import annotations

import hashlib


def short_digest(text: str) -> str:
    """Stands for a text in a key."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def digest_of(text: str) -> bytes:
    """Stands for an ad, which has some thousand characters."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
