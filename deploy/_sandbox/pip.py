"""The host's pip settings, in a form that also holds inside the sandbox."""

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
CARRIED = Path("/run/host")
"""Place inside where files of the host's system directories are shown."""
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
    """Return the host's pip.conf files and PIP_* variables as PIP_* variables, and its proxy variables."""
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


def carried(values: dict[str, str]) -> tuple[dict[str, str], dict[Path, Path]]:
    """Return the settings as they hold inside, and the files they name: path on the host → path inside.

    Such files are certificates, constraints and local indexes. Files in the system's own directories are shown under
    ``CARRIED``, because inside these directories belong to another system and are read-only. Elsewhere the whole top
    directory is shown at its own path, because an index may refer to files beside it.
    """
    shown: dict[Path, Path] = {}

    def inside(word: str) -> str:
        name = word.removeprefix("file://")
        if not name.startswith("/") or not Path(name).exists():
            return word
        top = Path(name).parts[1]
        if top not in SYSTEM:
            shown[Path("/", top)] = Path("/", top)
            return word
        shown[Path(name)] = place = CARRIED / name[1:]
        return word.removesuffix(name) + str(place)

    settings = {key: " ".join(inside(word) for word in value.split()) for key, value in values.items()}
    return settings, shown
