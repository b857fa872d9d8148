"""How pip is set up on the host, said in a way that also holds inside the sandbox."""

from __future__ import annotations

import os
from configparser import ConfigParser
from configparser import Error as BadConfig
from pathlib import Path

SYSTEM = {
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib64",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "usr",
    "var",
}
PASSED = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "NETRC",
)


def environment() -> dict[str, str]:
    """PIP_* variables that say what the host's pip.conf files and PIP_* variables say, and how to get out."""
    home = Path.home()
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    files += [home / ".pip/pip.conf", config_home / "pip/pip.conf"]
    if given := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(given))
    values: dict[str, str] = {}
    for path in files:
        config = ConfigParser(interpolation=None)
        try:
            config.read(path)
        except (BadConfig, OSError):
            continue
        for section in ("global", "install"):
            if config.has_section(section):
                values |= {
                    f"PIP_{key.upper().replace('-', '_')}": " ".join(value.split())
                    for key, value in config[section].items()
                }
    values |= {key: value for key, value in os.environ.items() if key.startswith("PIP_") and key != "PIP_CONFIG_FILE"}
    values |= {key: value for key, value in os.environ.items() if key.upper() in PASSED}
    for key in (
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_CACHE_DIR",
        "PIP_PYTHON",
    ):
        values.pop(key, None)
    return values


def local_paths(values: dict[str, str]) -> list[Path]:
    """Directories and files of the host that these settings name (certificates, local indexes).

    An index may point beside itself, so outside the system's directories the top directory is what counts.
    """
    found: set[Path] = set()
    for word in " ".join(values.values()).split():
        name = word.removeprefix("file://")
        if name.startswith("/") and Path(name).exists():
            top = Path(name).parts[1]
            found.add(Path(name) if top in SYSTEM else Path("/", top))
    return sorted(found)
