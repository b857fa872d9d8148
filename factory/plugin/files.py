"""Files that the configuration names: that they are there, and who can read them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from factory.plugin.finding import Finding

_MAX_SECRET_BYTES = 65536


def readable(path: Path, section: str, key: str) -> Iterator[Finding]:
    """Nothing, if the account of the factory can read this file, wherever it was started."""
    if not path.is_absolute():
        text = f"{path} is looked for where apf is started, which is / for a service; write the whole path"
        yield Finding("error", text, section, key)
        return
    try:
        status = path.stat()
    except OSError as error:
        yield Finding("error", f"{path}: {error.strerror}; give the path of a file that is there", section, key)
        return
    if not stat.S_ISREG(status.st_mode):
        yield Finding("error", f"{path} is no regular file", section, key)
    elif not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        yield Finding("error", f"{path} can't be read by this account; chown it to the factory's account", section, key)


def secret(path: Path, section: str, key: str) -> Iterator[Finding]:
    """Nothing, if the account of the factory, and nobody else, can read this file, and something is in it."""
    if not path.is_absolute():  # perhaps the secret itself, which nobody may see
        yield Finding("error", "is not the whole path of a file; write the key into one and give that", section, key)
        return
    found = list(readable(path, section, key))
    if found:
        yield from found
        return
    status = path.stat()
    who = {stat.S_IRWXO: "others", stat.S_IRWXG: "its group"}
    open_to = [name for bits, name in who.items() if status.st_mode & bits]
    if open_to:
        text = f"{path} is open to {' and '.join(open_to)} (mode {stat.S_IMODE(status.st_mode):04o}); chmod 0600 {path}"
        yield Finding("error", text, section, key)
    if not 0 < status.st_size <= _MAX_SECRET_BYTES or not path.read_bytes().strip():
        yield Finding("error", f"{path} holds no key: it is empty or far too large", section, key)
