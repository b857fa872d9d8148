"""Location of the HTCondor that is installed on this host."""

import os
import shutil
import subprocess
from pathlib import Path

_PARTS = ("RELEASE_DIR", "BIN", "SBIN", "LIB", "LIBEXEC", "SHARE")


class NoHTCondor(RuntimeError):
    """HTCondor is not on PATH."""


def installed_parts() -> dict[str, str]:
    """Return the configuration macros that locate the installation; CONDOR_CONFIG is ignored.

    Raises NoHTCondor.
    """
    tool = shutil.which("condor_config_val")
    master = shutil.which("condor_master")
    if tool is None or master is None:
        raise NoHTCondor(
            "condor_master or condor_config_val is not on PATH; install HTCondor, or run in the sandbox: make shell"
        )
    environment = {key: value for key, value in os.environ.items() if key != "CONDOR_CONFIG"}
    asked = subprocess.run([tool, *_PARTS], env=environment, capture_output=True, text=True, timeout=30, check=False)
    lines = asked.stdout.splitlines()
    if asked.returncode == 0 and len(lines) == len(_PARTS):
        return dict(zip(_PARTS, lines, strict=True))
    release = Path(master).resolve().parents[1]
    return {"RELEASE_DIR": str(release), "BIN": f"{release}/bin", "SBIN": f"{release}/sbin"}
