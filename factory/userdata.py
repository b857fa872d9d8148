"""User-data of a VM: layered cloud-config documents composed into one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import yaml

MAX_BYTES = 16384
"""EC2 takes no more."""

# libyaml's are ten times as fast, which counts where a hundred machines start at once.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_MACRO = re.compile(r"@([a-z_]+)@")


class UserDataError(Exception):
    """The user-data can't be made; the message says which layer and why."""


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each ``@name@`` replaced.

    Raises:
        UserDataError: a name has no value, or a value would break out of its line.
    """

    def value(match: re.Match[str]) -> str:
        text = values.get(match[1])
        if text is None:
            raise UserDataError(f"@{match[1]}@ has no value; known: {', '.join(sorted(values))}")
        if any(ord(c) < 32 or c in '"\\' for c in text):
            raise UserDataError(f"the value of @{match[1]}@ must not have quotes, backslashes or line breaks")
        return text

    return _MACRO.sub(value, template)


def parse_layer(name: str, text: str) -> dict[str, Any]:
    """A cloud-config document.

    Raises:
        UserDataError: it is none.
    """
    try:
        document = yaml.load(text, _LOADER)  # noqa: S506  both are safe loaders
    except yaml.YAMLError as error:
        raise UserDataError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("##")), "")
    if first.strip() != "#cloud-config":
        raise UserDataError(f"{name}: a layer is a cloud-config document, its first line must be '#cloud-config'")
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UserDataError(f"{name}: a cloud-config document is a mapping, not a {type(document).__name__}")
    return document


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Two layers in one: lists are joined, mappings merged, anything else is the upper layer's."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(below, list) and isinstance(value, list):
            merged[key] = below + value
        elif isinstance(below, dict) and isinstance(value, dict):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def is_script(text: str) -> bool:
    """Whether a layer is a script (``#!``) that cloud-init runs, rather than a cloud-config document."""
    return text.startswith("#!")


def compose(layers: Sequence[tuple[str, str]]) -> bytes:
    """One user-data document from named layers, the lowest first.

    cloud-config layers are merged into one document; with scripts among the layers the whole becomes a MIME
    multi-part message, as cloud-init reads it.

    Raises:
        UserDataError: a layer is neither, or the whole is too large for EC2.
    """
    document: dict[str, Any] = {}
    for name, text in layers:
        if not is_script(text):
            document = merge(document, parse_layer(name, text))
    config = "## template: jinja\n#cloud-config\n" + yaml.dump(document, Dumper=_DUMPER, sort_keys=False, width=10_000)
    scripts = [text for _, text in layers if is_script(text)]
    data = _multipart(config, scripts) if scripts else config.encode()
    if len(data) > MAX_BYTES:
        raise UserDataError(f"user-data has {len(data)} bytes, EC2 takes {MAX_BYTES}; make the layers smaller")
    return data


def _multipart(config: str, scripts: Sequence[str]) -> bytes:
    message = MIMEMultipart(boundary="==apf==")
    message.attach(MIMEText(config, "jinja2", "utf-8"))
    for script in scripts:
        message.attach(MIMEText(script, "x-shellscript", "utf-8"))
    return message.as_bytes()
