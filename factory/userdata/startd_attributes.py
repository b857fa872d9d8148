"""What user-data makes a startd show: attributes that its HTCondor configuration puts into the machine's ad. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.userdata.document import read_cloud_config

_SETTING = re.compile(r"\s*([A-Za-z_][\w.]*)\s*=\s*(.*?)\s*")
_LISTS = ("startd_attrs", "startd_exprs")
_VARIABLE = re.compile(r"\$\([^)]*\)")


def startd_attributes(user_data: bytes) -> dict[str, str]:
    """Attributes and ClassAd expressions from the configuration files of a cloud-config document.

    START is one of them if it is set. What refers to other settings, ``$(…)``, or to what only the machine
    knows, ``{{ … }}``, is left out: only a running machine can tell.
    """
    values: dict[str, tuple[str, str]] = {}
    listed = ["START"]
    for line in _lines(user_data):
        match = _SETTING.fullmatch(line)
        if match is None:
            continue
        name, value = match[1].removeprefix("STARTD."), match[2]
        if name.lower() in _LISTS:
            listed += re.split(r"[\s,]+", _VARIABLE.sub("", value))
        values[name.lower()] = (name, value)
    known = (values[name.lower()] for name in listed if name.lower() in values)
    return {name: value for name, value in known if value and "$(" not in value and "{{" not in value}


def _lines(user_data: bytes) -> Iterator[str]:
    """Lines of all files of HTCondor's configuration that it writes; a backslash at the end joins lines."""
    for entry in read_cloud_config(user_data).get("write_files", ()):
        if isinstance(entry, dict) and str(entry.get("path", "")).startswith("/etc/condor/config.d/"):
            yield from re.sub(r"\\\n", " ", str(entry.get("content", ""))).splitlines()
