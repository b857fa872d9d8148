"""Describe the fields of a settings model as keys of a file: name, old spellings, type, default, meaning."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from factory.settings.types import KeepLines, Named, Settings, format_duration, parse_duration, parse_switch, split_list


@dataclass(frozen=True)
class Key:
    """One key. The name of a ``named`` key is a prefix; in the file it continues with a name the user chooses."""

    name: str
    field: str
    type: str
    default: str
    meaning: str
    named: bool = False
    old: tuple[str, ...] = ()
    empty_is_unset: bool = False
    """True for optional text and paths, where an empty value means no value."""
    keep_lines: bool = False
    unit: str = ""
    right: str = ""
    """Values that the field's pattern accepts, in words."""
    secret: bool = False
    """True if no message may show the value."""

    @property
    def shown(self) -> str:
        """Name of the key in the documentation."""
        return f"{self.name}<NAME>" if self.named else self.name


class Schema:
    """Keys of a model, without the prefix that a plugin's keys have in the file."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self.keys = keys
        self.plain = {spelling: key for key in keys if not key.named for spelling in (key.name, *key.old)}
        self.named = tuple(key for key in keys if key.named)

    def find(self, name: str) -> Key | None:
        """Return the key with this name; old spellings count too."""
        if name in self.plain:
            return self.plain[name]
        for key in self.named:
            if any(name.startswith(prefix) and name != prefix for prefix in (key.name, *key.old)):
                return key
        return None


@cache
def schema(model: type[Settings]) -> Schema:
    """Return the keys of a model in the order of its fields."""
    fields = model.model_fields.items()
    return Schema(tuple(_key(name, field) for name, field in fields if not _extra(field, "internal")))


def _extra(field: FieldInfo, name: str) -> Any:
    extra = field.json_schema_extra
    return extra.get(name) if isinstance(extra, Mapping) else None


def _key(name: str, field: FieldInfo) -> Key:
    parts, optional = _parts(field.annotation, list(field.metadata))
    named = next((part for part in parts if isinstance(part, Named)), None)
    old = _extra(field, "old") or ()
    return Key(
        name=named.prefix if named else field.alias or name,
        field=field.alias or name,
        type=_type(parts),
        default=_default(field, parts),
        meaning=" ".join((field.description or "").split()),
        named=named is not None,
        old=(old,) if isinstance(old, str) else tuple(old),
        keep_lines=any(isinstance(part, KeepLines) for part in parts),
        unit=_extra(field, "unit") or "",
        right=_extra(field, "right") or "",
        secret=bool(_extra(field, "secret")),
        empty_is_unset=not field.is_required() and optional and (str in parts or Path in parts),
    )


def _parts(annotation: Any, metadata: list[Any]) -> tuple[list[Any], bool]:
    """Return the type without ``None``, followed by its annotations, and True if ``None`` was allowed."""
    optional = False
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        optional = len(members) < len(get_args(annotation))
        if len(members) == 1:
            annotation = members[0]
    if notes := getattr(annotation, "__metadata__", ()):
        annotation = annotation.__origin__
    return [annotation, *notes, *metadata], optional


_WORDS: dict[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    bool: "True or False",
}
_BY_VALIDATOR: dict[Any, str] = {
    parse_duration: "duration",
    split_list: "comma list",
    parse_switch: "True or False",
}


def _type(parts: list[Any]) -> str:
    validators = [part.func for part in parts if isinstance(part, BeforeValidator)]
    words = next((_BY_VALIDATOR[func] for func in validators if func in _BY_VALIDATOR), None)
    if words is None and any(isinstance(part, Named) for part in parts):
        words = "text"
    if words is None and get_origin(parts[0]) is Literal:
        words = " | ".join(str(choice) for choice in get_args(parts[0]))
    words = words or _WORDS.get(parts[0]) or str(getattr(parts[0], "__name__", parts[0]))
    bounds = [
        f"{sign} {getattr(part, name)}"
        for part in parts
        for kind, name, sign in ((Ge, "ge", "≥"), (Gt, "gt", ">"), (Le, "le", "≤"), (Lt, "lt", "<"))
        if isinstance(part, kind)
    ]
    return ", ".join((words, *bounds))


def _default(field: FieldInfo, parts: list[Any]) -> str:
    if field.is_required():
        return "required"
    if in_words := _extra(field, "default"):
        return str(in_words)
    if field.default_factory is not None or field.default is None or field.default in ((), "", {}):
        return "none"
    if any(isinstance(part, BeforeValidator) and part.func is parse_duration for part in parts):
        return format_duration(field.default)
    if isinstance(field.default, tuple):
        return ", ".join(map(str, field.default))
    return str(field.default)
