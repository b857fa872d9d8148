"""Checks of the files that the configuration names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from factory.plugin.finding import Finding

_MAX_SECRET_BYTES = 65536


def readable(path: Path, section: str, key: str) -> Iterator[Finding]:
    """Yield a finding unless the factory's account can read this file from any working directory."""
    if not path.is_absolute():
        text = f"{path} is relative to where apf is started, which is / for a service; write the absolute path"
        yield Finding("error", text, section, key)
        return
    try:
        status = path.stat()
    except OSError as error:
        yield Finding("error", f"{path}: {error.strerror}; write the path of an existing file", section, key)
        return
    if not stat.S_ISREG(status.st_mode):
        yield Finding("error", f"{path} is not a regular file; write the path of a file", section, key)
    elif not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        yield Finding(
            "error", f"this account can't read {path}; run: chown <the factory's account> {path}", section, key
        )


def secret(path: Path, section: str, key: str) -> Iterator[Finding]:
    """Yield a finding unless only the factory's account can read this file, and the file has content."""
    if not path.is_absolute():  # it may be the secret itself, so it is not shown
        yield Finding("error", "is not an absolute path; write the key into a file and set its path here", section, key)
        return
    found = list(readable(path, section, key))
    if found:
        yield from found
        return
    status = path.stat()
    who = {stat.S_IRWXO: "others", stat.S_IRWXG: "its group"}
    open_to = [name for bits, name in who.items() if status.st_mode & bits]
    if open_to:
        text = (
            f"{path} can be read by {' and '.join(open_to)} (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"run: chmod 0600 {path}"
        )
        yield Finding("error", text, section, key)
    if not 0 < status.st_size <= _MAX_SECRET_BYTES or not path.read_bytes().strip():
        yield Finding(
            "error", f"{path} has no key: it is empty or larger than {_MAX_SECRET_BYTES:,} bytes", section, key
        )
