"""The root: a Debian with HTCondor, built once by mmdebstrap."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
from pathlib import Path

from . import apt
from .places import HOME_INSIDE, Missing, building, cache, locked, prune, say
from .tools import run

PACKAGES = ("condor", "python3-venv", "ca-certificates", "procps", "iproute2", "faketime")
SUITES = ("trixie", "forky")
HOSTNAME = "sandbox"
HOSTS = ("localhost", f"{HOSTNAME}.localdomain {HOSTNAME}", "ec2.us-east-1.localhost ec2.eu-west-1.localhost")
"""Names of the loopback. An EC2 emulator needs the last two: ec2_gahp takes service and region from them."""
SUBUID = Path("/etc/subuid")
LOCK_FILE = "/etc/hostname"
"""Its path inside; locked by those who run in the root."""
USUAL = "usually 30 to 90 seconds"
RECIPE = 2
"""Raise it to build the root anew for another reason than its packages."""


def suite() -> str:
    """Return the requested Debian suite."""
    name = os.environ.get("SANDBOX_SUITE") or SUITES[0]
    if name not in SUITES:
        raise Missing(f"SANDBOX_SUITE={name} is unknown: use {' or '.join(SUITES)}")
    return name


def target() -> Path:
    """Return the directory of the root for the suite, present or not."""
    recipe = hashlib.sha256(repr((PACKAGES, RECIPE)).encode()).hexdigest()[:8]
    return cache() / f"root-{suite()}-{recipe}"


def tools() -> tuple[str, ...]:
    """Return the tools that build a root."""
    return ("mmdebstrap",) if os.geteuid() == 0 else ("mmdebstrap", "newuidmap")


def check() -> None:
    """Check that this user may build, before anything long begins."""
    if os.geteuid() == 0:
        return
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Missing(f"user id {os.geteuid()} has no name here: be a user of /etc/passwd, or root") from None
    try:
        lines = SUBUID.read_text().splitlines()
    except OSError:  # as on an image without passwd's subordinate ids
        lines = []
    if not any(line.startswith(f"{user}:") for line in lines):
        ids = "100000-165535"
        raise Missing(f"{user} has no sub-uids: as root, run: usermod --add-subuids {ids} --add-subgids {ids} {user}")


def build(target: Path) -> None:
    """Build the root, unless another process does."""
    with locked(f"root-{suite()}", USUAL):
        if target.is_dir():
            return
        say(f"building a Debian root with HTCondor, once on this machine ({suite()}): {USUAL}")
        with building(target) as scratch:
            _debootstrap(scratch)
            _settle(scratch)
        prune((old for old in cache().glob(f"root-{suite()}-*") if old != target), LOCK_FILE[1:])


def _debootstrap(scratch: Path) -> None:
    # forky's release file may be past its date, and a snapshot's always is.
    options = ['Acquire::Check-Valid-Until "false"', *apt.options()]
    command = ["mmdebstrap", "--quiet", "--variant=minbase"]
    command += [f"--include={','.join(PACKAGES)}", *(f"--aptopt={option}" for option in options)]
    source = f"deb {apt.mirror()} {suite()} main"
    advice = "it needs a Debian mirror that answers and has this suite; SANDBOX_MIRROR names another"
    if os.geteuid() == 0:
        run([*command, suite(), str(scratch), source], "mmdebstrap", advice)
        return
    # Built in a user namespace, then unpacked from a tar file: every file then belongs to this user.
    tar = scratch.with_suffix(".tar")
    try:
        run([*command, "--mode=unshare", suite(), str(tar), source], "mmdebstrap", advice)
        unpack = ["tar", "-x", "--no-same-owner", "--exclude=./dev/*", "-f", str(tar), "-C", str(scratch)]
        run(unpack, "unpacking the Debian root", f"is there room in {scratch.parent}?")
    finally:
        tar.unlink(missing_ok=True)


def _settle(scratch: Path) -> None:
    """Write the sandbox's /etc: its user, its host name, and no name server at all.

    With a name server that does not answer, every import of htcondor2 waits for its time-out.
    """
    etc = scratch / "etc"
    for name, user in (
        ("passwd", f"apf:x:1000:1000:apf:{HOME_INSIDE}:/bin/bash\n"),
        ("group", "apf:x:1000:\n"),
    ):
        path = etc / name
        path.write_text(path.read_text() + user)
    for name, text in (
        ("hostname", f"{HOSTNAME}\n"),
        ("hosts", "".join(f"127.0.0.1 {names}\n" for names in HOSTS)),
        ("resolv.conf", ""),
    ):
        path = etc / name
        path.unlink(missing_ok=True)
        path.write_text(text)
    shutil.rmtree(scratch / "var" / "cache" / "apt", ignore_errors=True)
