"""Boot of a machine: lay out its root from image and user-data, then start condor_master under a guard."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from localcloud import image, userdata
from localcloud.hardware import Hardware
from localcloud.instancedata import instance_data
from localcloud.machine import Facts
from localcloud.seam import Boot

GRACE_S = 5.0
"""Time limit of HTCondor's fast shutdown; after it, all processes are killed."""

_GUARD = Path(__file__).with_name("guard.py")


class Console:
    """The machine's console.log, returned by GetConsoleOutput. Never contains content of user-data."""

    def __init__(self, root: Path) -> None:
        self.path = root / "console.log"

    def say(self, text: str) -> None:
        """Add one line."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self.path.open("a") as console:
            console.write(f"[{stamp}] {text}\n")

    def read(self) -> str:
        """Return the whole text; empty before the first boot."""
        return self.path.read_text(errors="replace") if self.path.exists() else ""


def prepare(
    root: Path, boot: Boot, size: Hardware, parts: Mapping[str, str], console: Console
) -> userdata.UserData | None:
    """Lay out the machine's root and apply its user-data; return None if HTCondor must not start.

    Errors go to the console and the instance runs on, as on a real machine.
    """
    facts = boot.facts
    image.lay_out(root)
    disk_gb = size.disk_gb + facts.disk_gb
    config = image.condor_config(root, facts.hostname, size, disk_gb, parts)
    (root / image.CONFIG).write_text(config)
    console.say(f"cloud-init: {facts.instance_id} {facts.instance_type} in {facts.zone}, image {facts.image_id}")
    try:
        document = userdata.parse(boot.user_data, instance_data(facts))
    except userdata.InvalidUserData as error:
        console.say(f"cloud-init: {error}")
        console.say("cloud-init: user-data not applied; HTCondor is not started, as it has no pool")
        return None
    for warning in document.warnings:
        console.say(f"cloud-init: warning: {warning}")
    try:
        _write(root, document, console)
    except OSError as error:
        console.say(f"cloud-init: write_files: {error.strerror}: {_inside(root, error.filename)}")
        return None
    if not document.files:
        console.say("cloud-init: user-data writes no file; HTCondor is not started, as it has no pool")
        return None
    return document


def _write(root: Path, document: userdata.UserData, console: Console) -> None:
    for file in document.files:
        target = image.host_path(root, file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        opener = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if file.append else os.O_TRUNC)
        with open(os.open(target, opener, 0o600), "wb") as out:
            out.write(file.content)
        target.chmod(file.mode)
        console.say(f"cloud-init: wrote {file.path} ({len(file.content)} bytes, {file.mode:04o})")
    if document.recorded:
        record = root / "var/lib/cloud/recorded.json"
        record.write_text(json.dumps(document.recorded, default=str, indent=1))
        for key in document.recorded:
            console.say(f"cloud-init: {key} recorded, not run")


def _inside(root: Path, filename: str | None) -> str:
    return str(filename).removeprefix(str(root))


class Power:
    """A machine's power supply: condor_master under its guard."""

    def __init__(self, guard: asyncio.subprocess.Process, pid: int) -> None:
        self._guard = guard
        self.pid = pid
        self.status: int | None = None
        """Exit status of condor_master, or minus the signal that ended it; None while it runs."""
        self.off = asyncio.ensure_future(self._watch())
        """Done when no process of the machine is left."""

    @classmethod
    async def on(cls, root: Path, boot: Boot) -> "Power":
        """Start condor_master of a prepared machine. Raises OSError."""
        master = shutil.which("condor_master") or "condor_master"
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(root),
            "LANG": "C.UTF-8",
            "CONDOR_CONFIG": str(root / image.CONFIG),
            **boot.environment,
        }
        command = [sys.executable, "-I", "-S", str(_GUARD), str(GRACE_S), *boot.wrapper, master, "-f"]
        with open(root / "console.log", "ab") as console:
            guard = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=console,
                cwd=root,
                env=environment,
                start_new_session=True,
            )
        assert guard.stdout is not None
        _, _, pid = (await guard.stdout.readline()).partition(b" ")
        return cls(guard, int(pid))

    async def _watch(self) -> None:
        assert self._guard.stdout is not None
        async for line in self._guard.stdout:
            what, _, number = line.partition(b" ")
            if what == b"status":
                self.status = int(number)
        await self._guard.wait()

    def order(self, word: str) -> None:
        """Send an order to the guard: ``stop`` (fast shutdown, killed after GRACE_S) or ``kill`` (killed now)."""
        assert self._guard.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._guard.stdin.write(f"{word}\n".encode())


def boot_of(facts: Facts, delay_s: float) -> Boot:
    """Return the boot before any hook has changed it."""
    return Boot(facts=facts, user_data=facts.user_data, delay_s=delay_s)
