"""The bubble: the bwrap command that puts a process into the Debian root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from . import debian, packages, pip, venv
from .packages import Shell
from .places import CHECKOUT, HOME_INSIDE, PACKAGES_INSIDE, VENV_INSIDE, Missing, cache
from .tools import run

UID = "1000"
NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts")
KEPT = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TZ", "CI", "KEEP")
KEPT_PREFIXES = ("APF_", "SANDBOX_", "PYTEST_", "HYPOTHESIS_", "MPL")
TAKEN = ("bin", "dev", "etc", "lib", "lib64", "packages", "proc", "sbin", "usr", "venv")
"""Top directories of the sandbox itself; a checkout can't be in one of them."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def enter(root: Path, entered: venv.Venv) -> list[str]:
    """Return the command that enters; the words after it run inside, with no network but a loopback."""
    command = [*_base(root), "--unshare-net"]
    command += ["--ro-bind", str(entered.directory), VENV_INSIDE]
    command += ["--ro-bind", str(entered.packages.directory), PACKAGES_INSIDE]
    for path in (debian.LOCK_FILE, f"{VENV_INSIDE}/{venv.LOCK_FILE}", f"{PACKAGES_INSIDE}/{packages.LOCK_FILE}"):
        command += ["--lock-file", path]
    command += _end()
    # The arguments are passed by way of a file: ps then shows the command that runs, not how it got here.
    arguments = os.memfd_create("bwrap", 0)
    os.write(arguments, b"".join(argument.encode() + b"\0" for argument in command[1:]))
    os.lseek(arguments, 0, os.SEEK_SET)
    os.set_inheritable(arguments, True)
    return [command[0], "--args", str(arguments), "--"]


def check_place() -> None:
    """Check that the checkout can have its own path inside."""
    top = CHECKOUT.parts[1]
    if top in TAKEN:
        raise Missing(f"{CHECKOUT} can't be shown inside the sandbox, which has a /{top} of its own: move the checkout")


def check_kernel() -> None:
    """Check that this kernel lets us enter, before anything long begins."""
    command = ["bwrap", *NAMESPACES, "--unshare-net", "--ro-bind", "/", "/"]
    said = subprocess.run([*command, "--proc", "/proc", "true"], capture_output=True, text=True, check=False)
    if said.returncode != 0:
        raise Missing(
            f"no user namespaces here ({said.stderr.strip()}): as root, allow them with "
            "sysctl -w user.max_user_namespaces=10000, or kernel.unprivileged_userns_clone=1, or "
            "kernel.apparmor_restrict_unprivileged_userns=0; in a container, start it with --privileged"
        )


def builder(root: Path) -> Shell:
    """Return the shell that builds a venv: the same bubble, with the host's network, names and pip settings."""
    settings, shown = pip.carried(pip.environment())
    downloads = cache() / "pip"

    def shell(directory: Path, inside: str, command: list[str], what: str, advice: str) -> None:
        downloads.mkdir(exist_ok=True)
        opened = ["--bind", str(directory), inside]
        opened += ["--bind", str(downloads), f"{HOME_INSIDE}/.cache/pip"]
        for path in (Path("/etc/resolv.conf"), Path("/etc/hosts"), CERTIFICATES):
            if path.exists():
                opened += ["--ro-bind", str(path.resolve()), str(path)]
        for path, place in shown.items():
            if place not in CHECKOUT.parents:
                opened += ["--ro-bind", str(path.resolve()), str(place)]
        for key, value in settings.items():
            opened += ["--setenv", key, value]
        run([*_base(root), *opened, *_end(), "--", *command], what, advice)

    return shell


def _base(root: Path) -> list[str]:
    command = ["bwrap", "--die-with-parent", *NAMESPACES]
    command += ["--uid", UID, "--gid", UID, "--hostname", debian.HOSTNAME, "--clearenv"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if (root / name).is_symlink():
            command += ["--symlink", os.readlink(root / name), f"/{name}"]
    command += ["--ro-bind", str(root / "usr"), "/usr", "--ro-bind", str(root / "etc"), "/etc"]
    command += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp", "--tmpfs", "/run"]
    command += ["--tmpfs", "/var", "--symlink", "/tmp", "/var/tmp", "--symlink", "/run", "/var/run"]
    command += ["--tmpfs", HOME_INSIDE, "--bind", str(CHECKOUT), str(CHECKOUT)]
    for key, value in _environment().items():
        command += ["--setenv", key, value]
    return command


def _end() -> list[str]:
    here = Path.cwd()
    inside = here if here.is_relative_to(CHECKOUT) else CHECKOUT
    return ["--remount-ro", "/", "--chdir", str(inside)]


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key in KEPT or key.startswith(KEPT_PREFIXES)}
    return kept | {
        "APF_SANDBOX": "1",
        "HOME": HOME_INSIDE,
        "USER": "apf",
        "LOGNAME": "apf",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PATH": f"{VENV_INSIDE}/bin:/usr/local/bin:/usr/bin:/usr/sbin",
        "VIRTUAL_ENV": VENV_INSIDE,
    }
