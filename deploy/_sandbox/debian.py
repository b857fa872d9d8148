"""The root: a Debian with HTCondor, made once by mmdebstrap."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .places import HOME_INSIDE, Missing, building, cache, locked, prune, say
from .tools import need, run

PACKAGES = ("condor", "python3-venv", "ca-certificates", "procps", "iproute2")
SUITES = ("trixie", "forky")
HOSTNAME = "sandbox"
HOSTS = ("localhost", f"{HOSTNAME}.localdomain {HOSTNAME}", "ec2.us-east-1.localhost ec2.eu-west-1.localhost")
"""An EC2 emulator needs such a name: ec2_gahp takes service and region from it."""
LOCK_FILE = "etc/hostname"
"""Locked by those who run in the root."""
RECIPE = 2
"""Raise it when the root is to be built anew for another reason than its packages."""


def suite() -> str:
    """The Debian suite that was asked for."""
    name = os.environ.get("SANDBOX_SUITE") or SUITES[0]
    if name not in SUITES:
        raise Missing(f"SANDBOX_SUITE={name} is unknown: use {' or '.join(SUITES)}")
    return name


def root() -> Path:
    """Directory of the root for the suite, built if it is not there."""
    name = suite()
    recipe = hashlib.sha256(repr((PACKAGES, RECIPE)).encode()).hexdigest()[:8]
    target = cache() / f"root-{name}-{recipe}"
    if not target.is_dir():
        with locked(f"root-{name}"):
            if not target.is_dir():
                _build(name, target)
                prune((old for old in cache().glob(f"root-{name}-*") if old != target), LOCK_FILE)
    return target


def _build(name: str, target: Path) -> None:
    mmdebstrap = need("mmdebstrap", "mmdebstrap")
    # forky's release file may be past its date, and a snapshot's always is.
    options = [
        '--aptopt=Acquire::Check-Valid-Until "false"',
        *(f"--aptopt={line}" for line in _apt_options()),
    ]
    command = [mmdebstrap, "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", *options]
    source = f"deb {mirror()} {name} main"
    advice = (
        "see the lines above; it needs a Debian mirror that serves this suite (SANDBOX_MIRROR sets another)"
    )
    say(f"building a Debian root with HTCondor ({name}); this happens once")
    with building(target) as scratch:
        if os.geteuid() == 0:
            run([*command, name, str(scratch), source], "mmdebstrap", advice)
        else:
            _build_unprivileged(command, name, source, scratch, advice)
        _settle(scratch)


def _build_unprivileged(command: list[str], name: str, source: str, scratch: Path, advice: str) -> None:
    """Run mmdebstrap in a user namespace, by way of a tar file so that every file belongs to this user."""
    need("newuidmap", "uidmap")
    tar = scratch.with_suffix(".tar")
    try:
        run([*command, "--mode=unshare", name, str(tar), source], "mmdebstrap", advice)
        unpack = ["tar", "-x", "--no-same-owner", "--exclude=./dev/*", "-f", str(tar), "-C", str(scratch)]
        run(unpack, "unpacking the Debian root", f"is there room in {scratch.parent}?")
    finally:
        tar.unlink(missing_ok=True)


def _settle(scratch: Path) -> None:
    """What the sandbox's /etc says: who we are, our own name, and no name server at all.

    With a name server in it that nobody answers for, every import of htcondor2 waits for its time-out.
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


def mirror() -> str:
    """The Debian mirror to build from: SANDBOX_MIRROR, or where this host's own apt gets Debian."""
    if given := os.environ.get("SANDBOX_MIRROR"):
        return given
    for uri, suite_, components in _apt_sources():
        if "main" in components and re.fullmatch(r"[a-z]+", suite_) and re.search(r"/debian(/|$)", uri):
            return uri
    raise Missing("this host's apt names no Debian mirror: set SANDBOX_MIRROR to the URL of one")


def _apt_sources() -> Iterator[tuple[str, str, list[str]]]:
    """(URI, suite, components) of every binary source of the host's apt, in both of its formats."""
    directory = Path("/etc/apt")
    for path in [directory / "sources.list", *sorted((directory / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        if path.suffix == ".sources":
            yield from _stanzas(text)
        elif path.suffix == ".list":
            for line in text.splitlines():
                if found := re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]*)", line):
                    uri, suite_, components = found.groups()
                    yield from ((real, suite_, components.split()) for real in _real(uri))


def _stanzas(text: str) -> Iterator[tuple[str, str, list[str]]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = {
            key.lower(): value.split()
            for key, value in re.findall(r"^([\w-]+):(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"])[0].lower() not in (
            "no",
            "false",
            "0",
        ):
            for uri in fields.get("uris", []):
                for suite_ in fields.get("suites", []):
                    yield from ((real, suite_, fields.get("components", [])) for real in _real(uri))


def _real(uri: str) -> Iterator[str]:
    """The URI itself, or the mirrors listed in the file that a mirror+file: URI names."""
    if not uri.startswith("mirror+file:"):
        yield uri
        return
    listed = Path(uri.removeprefix("mirror+file:"))
    if listed.is_file():
        yield from (
            line.split()[0] for line in listed.read_text().splitlines() if line.strip() and line[0] != "#"
        )


def _apt_options() -> list[str]:
    """How the host's apt reaches its mirrors (proxy, certificates); mmdebstrap itself ignores it."""
    if not shutil.which("apt-config"):
        return []
    said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    return [line for line in said.stdout.splitlines() if re.match(r'Acquire::https?::\S+ "[^"]', line)]
