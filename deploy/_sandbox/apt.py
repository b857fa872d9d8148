"""The settings of this host's apt: the Debian mirror, and how to reach it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from .places import Missing


def mirror() -> str:
    """Return the Debian mirror to build from: SANDBOX_MIRROR, or the one that this host's apt uses."""
    if given := os.environ.get("SANDBOX_MIRROR"):
        return given
    listed = _ask("apt-get", "update", "--print-uris")
    found: list[str] = re.findall(r"^'(\S*debian\S*)/dists/[a-z]+/main/binary-", listed, re.MULTILINE)
    if not found:
        raise Missing("this host's apt names no Debian mirror: set SANDBOX_MIRROR to the URL of one")
    return found[0]


def options() -> list[str]:
    """Return the host's apt options for proxy and certificates; mmdebstrap does not read them itself."""
    return re.findall(r'^Acquire::https?::\S+ ".+";$', _ask("apt-config", "dump"), re.MULTILINE)


def _ask(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
