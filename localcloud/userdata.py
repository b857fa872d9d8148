"""User-data as cloud-init parses it: jinja, cloud-config, MIME multi-part. Pure."""

import base64
import binascii
import email
import gzip
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jinja2
import yaml

MISSING_PREFIX = "CI_MISSING_JINJA_VAR/"
"""Text that cloud-init writes for a template variable that does not exist."""

_JINJA_HEADER = re.compile(r"##\s*template:\s*jinja\s*$", re.IGNORECASE)
_NOT_RUN = ("bootcmd", "runcmd", "packages", "package_update", "package_upgrade", "users", "ssh_authorized_keys")
_ENCODINGS = {
    "": (),
    "text/plain": (),
    "gz": ("gz",),
    "gzip": ("gz",),
    "b64": ("b64",),
    "base64": ("b64",),
    "gz+b64": ("b64", "gz"),
    "gzip+b64": ("b64", "gz"),
    "gz+base64": ("b64", "gz"),
    "gzip+base64": ("b64", "gz"),
}


class InvalidUserData(ValueError):
    """The document cannot be used. The message names the place, never the content, which may hold a token."""


@dataclass(frozen=True)
class WriteFile:
    """One entry of ``write_files``, decoded."""

    path: str
    content: bytes
    mode: int = 0o644
    append: bool = False


@dataclass(frozen=True)
class PowerState:
    """``power_state``: the machine powers off or reboots ``delay_s`` after its set-up."""

    mode: str
    delay_s: float


@dataclass(frozen=True)
class UserData:
    """A parsed document. ``recorded`` holds the parts that the local cloud does not run."""

    files: tuple[WriteFile, ...] = ()
    power_state: PowerState | None = None
    recorded: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class _Missing(jinja2.Undefined):
    """A variable that is not in the instance-data, rendered as cloud-init does; iterates as empty."""

    def __str__(self) -> str:
        return f"{MISSING_PREFIX}{self._undefined_name}"


def parse(raw: bytes, instance_data: Mapping[str, Any]) -> UserData:
    """Parse user-data as cloud-init does on a machine with this instance-data.

    Raises InvalidUserData where cloud-init rejects the document.
    """
    config: dict[str, Any] = {}
    warnings: list[str] = []
    for kind, part in _parts(_inflate(raw)):
        header, _, rest = part.partition("\n")
        is_template = _JINJA_HEADER.match(header.strip()) is not None
        text = _render(rest, instance_data) if is_template else part
        warnings += [f"no instance-data for {name}" for name in re.findall(rf"{MISSING_PREFIX}([\w.]+)", text)]
        first = text.lstrip().partition("\n")[0].strip()
        if first.startswith("#cloud-config") or (kind == "text/cloud-config" and not is_template):
            config |= _cloud_config(text)
        elif first:
            warnings.append(f"user-data part ignored, as it is neither cloud-config nor a template of it ({kind})")
    return UserData(
        files=tuple(_write_file(n, entry) for n, entry in enumerate(_list(config, "write_files"), 1)),
        power_state=_power_state(config.get("power_state"), warnings),
        recorded={key: config[key] for key in _NOT_RUN if key in config},
        warnings=tuple(warnings),
    )


def _inflate(raw: bytes) -> bytes:
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error):
        raise InvalidUserData("user-data: has a gzip header but cannot be decompressed") from None


def _parts(raw: bytes) -> list[tuple[str, str]]:
    """Return (content type, text) of each part; a document that is not MIME is one part."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InvalidUserData("user-data: not UTF-8 text") from None
    if not re.match(r"(?i)(content-type:\s*multipart/|mime-version:)", text):
        return [("text/plain", text)]
    parts = []
    for part in email.message_from_string(text).walk():
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            parts.append((part.get_content_type(), payload.decode(errors="replace")))
    return parts


def _render(text: str, instance_data: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(  # noqa: S701 - what is rendered is YAML, not HTML
        undefined=_Missing, trim_blocks=True, keep_trailing_newline=True, extensions=["jinja2.ext.do"]
    )
    try:
        return environment.from_string(text).render(**instance_data)
    except jinja2.TemplateSyntaxError as error:
        raise InvalidUserData(f"user-data: jinja: syntax error in line {error.lineno + 1}") from None
    except (jinja2.TemplateError, TypeError) as error:
        raise InvalidUserData(f"user-data: jinja: {type(error).__name__}") from None


def _cloud_config(text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidUserData(f"cloud-config: not YAML{where}") from None
    except yaml.YAMLError as error:
        raise InvalidUserData(f"cloud-config: not YAML ({type(error).__name__})") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidUserData("cloud-config: not a mapping at the top")
    return document


def _list(config: Mapping[str, Any], key: str) -> list[Any]:
    entries = config.get(key) or []
    if not isinstance(entries, list):
        raise InvalidUserData(f"cloud-config: {key}: not a list")
    return entries


def _write_file(number: int, entry: Any) -> WriteFile:
    where = f"cloud-config: write_files entry {number}"
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise InvalidUserData(f"{where}: has no path")
    content = entry.get("content") or ""
    data = content if isinstance(content, bytes) else str(content).encode()
    encoding = str(entry.get("encoding") or "").strip().lower()
    if encoding not in _ENCODINGS:
        raise InvalidUserData(f"{where}: unknown encoding")
    for step in _ENCODINGS[encoding]:
        try:
            data = base64.b64decode(data) if step == "b64" else gzip.decompress(data)
        except (binascii.Error, OSError, EOFError, zlib.error):
            raise InvalidUserData(f"{where}: content is not {encoding}") from None
    return WriteFile(entry["path"], data, _mode(where, entry.get("permissions")), bool(entry.get("append", False)))


def _mode(where: str, permissions: Any) -> int:
    if permissions is None:
        return WriteFile.mode
    if isinstance(permissions, int):
        return permissions
    try:
        return int(str(permissions), 8)
    except ValueError:
        raise InvalidUserData(f"{where}: permissions are not octal") from None


def _power_state(entry: Any, warnings: list[str]) -> PowerState | None:
    """Parse power_state; like cloud-init, ignore an invalid one with a warning."""
    if entry is None:
        return None
    mode = entry.get("mode") if isinstance(entry, dict) else None
    if mode not in ("poweroff", "halt", "reboot"):
        warnings.append("power_state: mode is not one of poweroff, halt, reboot")
        return None
    condition = entry.get("condition", True)
    if not isinstance(condition, bool):
        warnings.append("power_state: the condition is a command, which is not run; treated as false")
        return None
    delay = str(entry.get("delay", "now")).strip()
    if not re.fullmatch(r"now|\+?\d+", delay):
        warnings.append("power_state: delay is neither 'now' nor a number of minutes")
        return None
    return PowerState(mode, 0.0 if delay == "now" else 60.0 * int(delay)) if condition else None
