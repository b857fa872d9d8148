"""Where the HTCondor that is installed here keeps its parts."""

import os
import shutil
import subprocess
from pathlib import Path

_PARTS = ("RELEASE_DIR", "BIN", "SBIN", "LIB", "LIBEXEC", "SHARE")


class NoHTCondor(RuntimeError):
    """There is no HTCondor on PATH."""


def installed_parts() -> dict[str, str]:
    """The configuration macros that locate the installation, whatever CONDOR_CONFIG says at the moment.

    Raises NoHTCondor.
    """
    tool = shutil.which("condor_config_val")
    master = shutil.which("condor_master")
    if tool is None or master is None:
        raise NoHTCondor("condor_master and condor_config_val are not on PATH: install HTCondor or enter the sandbox")
    environment = {key: value for key, value in os.environ.items() if key != "CONDOR_CONFIG"}
    asked = subprocess.run([tool, *_PARTS], env=environment, capture_output=True, text=True, timeout=30, check=False)
    lines = asked.stdout.splitlines()
    if asked.returncode == 0 and len(lines) == len(_PARTS):
        return dict(zip(_PARTS, lines, strict=True))
    release = Path(master).resolve().parents[1]
    return {"RELEASE_DIR": str(release), "BIN": f"{release}/bin", "SBIN": f"{release}/sbin"}
