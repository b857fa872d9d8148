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

_TEMPLATE = re.compile(r"##\s*template:\s*jinja\s*", re.IGNORECASE)
_OPENS = re.compile(r"\{([{%#])")
"""Where Jinja begins to read something into a text."""
_LITERAL = "apfLiteral"
"""Behind such a place that means nothing, until the document is text: so that YAML quotes it as it must."""
_NAMES = {"{": "apf_opens_expression", "%": "apf_opens_statement", "#": "apf_opens_comment"}


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
    first = _first_line(text)
    if first.strip() != "#cloud-config":
        raise UserDataError(f"{name}: a layer is a cloud-config document, its first line must be '#cloud-config'")
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UserDataError(f"{name}: a cloud-config document is a mapping, not a {type(document).__name__}")
    return document if is_template(text) else _meant_literally(document)


def _first_line(text: str) -> str:
    """The first one that is neither empty nor a comment for cloud-init."""
    return next((line for line in text.splitlines() if line.strip() and not line.startswith("##")), "")


def is_template(text: str) -> bool:
    """Whether a layer says that ``{{ … }}`` in it is for cloud-init to fill in."""
    return _TEMPLATE.fullmatch(text.partition("\n")[0]) is not None


def _meant_literally(value: Any) -> Any:
    """The value with each place marked where Jinja would read something into it."""
    if isinstance(value, str):
        return _OPENS.sub(rf"\g<0>{_LITERAL}", value)
    if isinstance(value, list):
        return [_meant_literally(each) for each in value]
    if isinstance(value, dict):
        return {_meant_literally(key): _meant_literally(each) for key, each in value.items()}
    return value


def _template(document: str) -> str:
    """A YAML document as a template that comes out with the marked places as they were.

    By variables: they need no quotes, which would have to fit those that YAML has put around them.
    """
    used: dict[str, None] = {}

    def variable(match: re.Match[str]) -> str:
        used[match[1]] = None
        return f"{{{{ {_NAMES[match[1]]} }}}}"

    text = re.sub(_OPENS.pattern + _LITERAL, variable, document)
    # A comment in YAML. Cloud-init's Jinja swallows the line break behind a statement, but not one behind a full stop.
    variables = "".join(f'#{{% set {_NAMES[sign]} = "{{{sign}" %}}.\n' for sign in used)
    return f"## template: jinja\n#cloud-config\n{variables}{text}"


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

    cloud-config layers are merged into one document, a Jinja template. In a layer that begins with
    ``## template: jinja`` what stands in ``{{ … }}`` is filled in on the machine; in every other one it stays as it is.
    With scripts among the layers the whole becomes a MIME multi-part message, as cloud-init reads it.

    Raises:
        UserDataError: a layer is neither, or the whole is too large for EC2.
    """
    document: dict[str, Any] = {}
    for name, text in layers:
        if not is_script(text):
            document = merge(document, parse_layer(name, text))
    config = _template(yaml.dump(document, Dumper=_DUMPER, sort_keys=False, width=10_000))
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
