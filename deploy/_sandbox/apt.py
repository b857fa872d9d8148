"""What this host's own apt knows: where Debian is served, and how it is reached."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from .places import Missing


def mirror() -> str:
    """The Debian mirror to build from: SANDBOX_MIRROR, or where this host's own apt gets Debian."""
    if given := os.environ.get("SANDBOX_MIRROR"):
        return given
    listed = _ask("apt-get", "update", "--print-uris")
    found: list[str] = re.findall(r"^'(\S*debian\S*)/dists/[a-z]+/main/binary-", listed, re.MULTILINE)
    if not found:
        raise Missing("this host's apt names no Debian mirror: set SANDBOX_MIRROR to the URL of one")
    return found[0]


def options() -> list[str]:
    """How the host's apt reaches its mirrors (proxy, certificates); mmdebstrap itself doesn't look."""
    return re.findall(r'^Acquire::https?::\S+ ".+";$', _ask("apt-config", "dump"), re.MULTILINE)


def _ask(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
