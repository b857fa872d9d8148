"""Check that the factory can use its ``statedir``, without creating it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from factory.plugin.finding import Finding
from factory.settings.factory import FactorySettings
from factory.state.directory import StateDir


def check_statedir(factory: FactorySettings) -> Iterator[Finding]:
    """Yield errors unless the directory is private and writable or, if missing, can be created."""
    path = StateDir(factory.statedir, factory.id).path
    if not path.is_absolute():
        yield _wrong(f"{factory.statedir} is a relative path; write an absolute one")
        return
    try:
        status = path.stat()
    except FileNotFoundError:
        existing = next(parent for parent in path.parents if parent.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            yield _wrong(
                f"can't create {path}: {existing} is not a directory writable by this account; "
                f"run: install -d -m 0700 -o {factory.owner} {factory.statedir}"
            )
        return
    except OSError as error:
        yield _wrong(f"{path}: {error.strerror}; write a directory that belongs to the factory's account")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield _wrong(f"{path} is not a directory; remove it, or write another statedir")
    elif status.st_uid != os.geteuid():
        yield _wrong(
            f"{path} belongs to uid {status.st_uid}, not to this account (uid {os.geteuid()}); run apf as that "
            "account, or write another statedir"
        )
    elif stat.S_IMODE(status.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        yield _wrong(f"{path} is open to others (mode {mode}) and contains tokens; run: chmod 0700 {path}")
    elif not os.access(path, os.W_OK | os.X_OK):
        yield _wrong(f"{path} is not writable by this account; run: chmod 0700 {path}")


def _wrong(text: str) -> Finding:
    return Finding("error", text, "Factory", "statedir")
