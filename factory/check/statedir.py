"""Whether the factory can use its ``statedir``. Makes nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from factory.plugin.finding import Finding
from factory.settings.factory import FactorySettings
from factory.state.directory import StateDir


def check_statedir(factory: FactorySettings) -> Iterator[Finding]:
    """Ours, writable and closed to others; where it is not there yet, it can be made."""
    path = StateDir(factory.statedir, factory.id).path
    if not path.is_absolute():
        yield _wrong(f"{factory.statedir} is another directory wherever apf is started; write the whole path")
        return
    try:
        status = path.stat()
    except FileNotFoundError:
        there = next(parent for parent in path.parents if parent.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            yield _wrong(
                f"{path} can't be made: {there} is not writable by this account; make {factory.statedir} for it"
            )
        return
    except OSError as error:
        yield _wrong(f"{path}: {error.strerror}; set it to a directory of the factory's account")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield _wrong(f"{path} is no directory; remove it, or set another statedir")
    elif status.st_uid != os.geteuid():
        yield _wrong(
            f"{path} belongs to another account (uid {status.st_uid}); run as that one, or set another statedir"
        )
    elif stat.S_IMODE(status.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        yield _wrong(f"{path} is open to others (mode {mode}), and user-data with tokens is in it; chmod 0700 {path}")
    elif not os.access(path, os.W_OK | os.X_OK):
        yield _wrong(f"{path} is not writable by this account; chmod 0700 {path}")


def _wrong(text: str) -> Finding:
    return Finding("error", text, "Factory", "statedir")
