"""User-data of a VM: layered cloud-config documents composed into one. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from factory.userdata.document import load_yaml, write_multipart
from factory.userdata.jinja import Quoted, TemplateError, check_template, literals, quote_jinja

MAX_BYTES = 16384
"""EC2 takes no more."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Puts between double quotes what can only stand there."""


_Dumper.add_representer(
    Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')
)

_MACRO = re.compile(r"@([a-z_]+)@")

_TEMPLATE = re.compile(r"##\s*template:\s*jinja\s*", re.IGNORECASE)
_OPENS = re.compile(r"\{([{%#])")
"""Where Jinja begins to read something into a text."""
_LITERAL = "apfLiteral"
"""Behind such a place that means nothing, until the document is text: so that YAML quotes it as it must."""
_NAMES = {"{": "apf_opens_expression", "%": "apf_opens_statement", "#": "apf_opens_comment"}
_ONLY_IN_VALUES = "; layers are merged before the machine fills them in, so {% … %} may stand within values only"
_WIDTH = 4 * MAX_BYTES
"""Lines are never broken: a break within an expression is none to Jinja."""


class UserDataError(Exception):
    """The user-data can't be made; the message says which layer and why."""


def fill_layer(name: str, template: str, values: Mapping[str, str]) -> str:
    """The text of the layer of this name with each ``@…@`` replaced.

    Raises:
        UserDataError: a name has no value, or a value would break out of its line.
    """

    def value(match: re.Match[str]) -> str:
        text = values.get(match[1])
        if text is None:
            place = f"{name}:{template.count(chr(10), 0, match.start()) + 1}"
            raise UserDataError(f"{place}: @{match[1]}@ has no value; known: {', '.join(sorted(values))}")
        if any(ord(c) < 32 or c in '"\\' for c in text):
            raise UserDataError(f"the value of @{match[1]}@ must not have quotes, backslashes or line breaks")
        return text

    return _MACRO.sub(value, template)


def parse_layer(name: str, text: str) -> dict[str, Any]:
    """A cloud-config document.

    Raises:
        UserDataError: it is none.
    """
    if _first_line(text).strip() != "#cloud-config":
        raise UserDataError(
            f"{name}: a layer is a cloud-config document, its first line must be '#cloud-config', or a script, '#!'"
        )
    if not is_template(text) and any(map(_TEMPLATE.fullmatch, text.splitlines())):
        raise UserDataError(f"{name}: '## template: jinja' counts in the first line only; put it there")
    try:
        document = load_yaml(text)
    except yaml.YAMLError as error:
        raise UserDataError(f"{name}{_not_yaml(error)}{_hint(text, str(error))}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UserDataError(f"{name}: a cloud-config document is a mapping, not a {type(document).__name__}")
    changed: dict[str, Any]
    if not is_template(text):
        changed = _texts(document, _meant_literally)
        return changed
    if text.count("{%") > str(document).count("{%"):
        raise UserDataError(f"{name}: a statement of Jinja stands in a comment of YAML{_ONLY_IN_VALUES}")
    try:
        changed = _texts(document, quote_jinja)
    except TemplateError as error:
        raise UserDataError(f"{name}: Jinja refuses it: {error}") from None
    return changed


def _not_yaml(error: yaml.YAMLError) -> str:
    """Line and reason, to follow the name of the layer."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": not YAML: {' '.join(str(error).split())}"
    why = " ".join(filter(None, (error.context, error.problem)))
    return f":{error.problem_mark.line + 1}: not YAML: {why}"


def _hint(text: str, error: str) -> str:
    """What to do about a template that is not YAML before it is filled in."""
    if not is_template(text):
        return ""
    if "unhashable" in error:
        return "; put {{ … }} between quotes"
    return _ONLY_IN_VALUES if "{%" in text else ""


def _first_line(text: str) -> str:
    """The first one that is neither empty nor a comment for cloud-init."""
    return next((line for line in text.splitlines() if line.strip() and not line.startswith("##")), "")


def is_template(text: str) -> bool:
    """Whether a layer says that ``{{ … }}`` in it is for cloud-init to fill in."""
    return _TEMPLATE.fullmatch(text.partition("\n")[0]) is not None


def _meant_literally(text: str) -> str:
    """The text with each place marked where Jinja would read something into it."""
    return _OPENS.sub(rf"\g<0>{_LITERAL}", text)


def _texts(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_texts(each, change) for each in value]
    if isinstance(value, dict):
        return {_texts(key, change): _texts(each, change) for key, each in value.items()}
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
    values = {_NAMES[sign]: f'"{{{sign}"' for sign in used} | literals(text)
    variables = "".join(f"#{{% set {name} = {value} %}}.\n" for name, value in values.items())
    return f"## template: jinja\n#cloud-config\n{variables}{text}"


def merge_layers(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Two layers in one: lists are joined, mappings merged, anything else is the upper layer's."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(below, list) and isinstance(value, list):
            merged[key] = below + value
        elif isinstance(below, dict) and isinstance(value, dict):
            merged[key] = merge_layers(below, value)
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
    config = compose_config(layers)
    scripts = [text for _, text in layers if is_script(text)]
    data = write_multipart(config, scripts) if scripts else config.encode()
    if len(data) > MAX_BYTES:
        raise UserDataError(f"user-data has {len(data)} bytes, EC2 takes {MAX_BYTES}; make the layers smaller")
    return data


def compose_config(layers: Sequence[tuple[str, str]]) -> str:
    """The part of it that is a cloud-config document, a Jinja template.

    Raises:
        UserDataError: a layer is neither.
    """
    document: dict[str, Any] = {}
    for name, text in layers:
        if not is_script(text):
            document = merge_layers(document, parse_layer(name, text))
    return _template(yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=_WIDTH))


def jinja_errors(layers: Sequence[tuple[str, str]]) -> list[str]:
    """Where cloud-init's Jinja refuses these layers, and why; it would then do nothing at all on the machine.

    Layers that can't be composed for another reason are none of its business.
    """
    try:
        check_template(_without_header(compose_config(layers)))
    except UserDataError:
        whole = []
    except TemplateError as error:
        whole = [f"the layers together are no template that Jinja takes: {error}"]
    else:
        return []
    return [each for name, text in layers if is_template(text) for each in _refused(name, text)] or whole


def _refused(name: str, text: str) -> Iterator[str]:
    try:
        check_template(_without_header(text))
    except TemplateError as error:
        yield f"{name}:{error.line + 1}: Jinja refuses it: {error}"


def _without_header(text: str) -> str:
    """As cloud-init hands it to Jinja: without the first line, which says that it is a template."""
    return text.partition("\n")[2]
