"""Find the attributes that a startd will show, from the HTCondor configuration in user-data. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.userdata.document import read_cloud_config

_SETTING = re.compile(r"\s*([A-Za-z_][\w.]*)\s*=\s*(.*?)\s*")
_LISTS = ("startd_attrs", "startd_exprs")
_VARIABLE = re.compile(r"\$\([^)]*\)")


def startd_attributes(user_data: bytes) -> dict[str, str]:
    """Return attributes and their ClassAd expressions from the configuration files in user-data.

    START is included if it is set. Values with references to other settings, ``$(…)``, or to facts of the machine,
    ``{{ … }}``, are left out: only a running machine shows them.
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
    """Yield the lines of all HTCondor configuration files in user-data, with continued lines joined."""
    for entry in read_cloud_config(user_data).get("write_files", ()):
        if isinstance(entry, dict) and str(entry.get("path", "")).startswith("/etc/condor/config.d/"):
            yield from re.sub(r"\\\n", " ", str(entry.get("content", ""))).splitlines()
