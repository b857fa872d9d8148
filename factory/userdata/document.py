"""The user-data document as cloud-init reads it: cloud-config in YAML, alone or in a MIME message. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import yaml

# libyaml's loader is ten times as fast, which counts when a hundred VMs start at once.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(document: str | bytes) -> Any:
    """Parse a YAML document.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return yaml.load(document, _LOADER)  # noqa: S506  both are safe loaders


def write_multipart(config: str, scripts: Sequence[str]) -> bytes:
    """Return a MIME multi-part message of a cloud-config template and scripts."""
    message = MIMEMultipart(boundary="==apf==")
    message.attach(MIMEText(config, "jinja2", "utf-8"))
    for script in scripts:
        message.attach(MIMEText(script, "x-shellscript", "utf-8"))
    return message.as_bytes()


def read_cloud_config(user_data: bytes) -> dict[str, Any]:
    """Return the cloud-config document in user-data; empty if there is none."""
    if not user_data.startswith(b"#"):
        parts = (part.get_payload(decode=True) for part in message_from_bytes(user_data).walk())
        user_data = next((part for part in parts if isinstance(part, bytes) and b"#cloud-config" in part[:80]), b"")
    document = load_yaml(user_data)
    return document if isinstance(document, dict) else {}
