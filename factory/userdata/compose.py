"""Compose the user-data of a VM from layers: cloud-config documents and scripts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from factory.userdata.document import load_yaml, write_multipart
from factory.userdata.jinja import Quoted, TemplateError, check_template, literals, quote_jinja

MAX_BYTES = 16384
"""EC2's limit for user-data."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """YAML dumper that puts :class:`Quoted` texts between double quotes."""


_Dumper.add_representer(
    Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')
)

_MACRO = re.compile(r"@([a-z_]+)@")

_TEMPLATE = re.compile(r"##\s*template:\s*jinja\s*", re.IGNORECASE)
_OPENS = re.compile(r"\{([{%#])")
"""Characters with which a Jinja construct begins."""
_LITERAL = "apfLiteral"
"""Mark behind such characters in literal text. It stays until the document is dumped, so that YAML quotes correctly."""
_NAMES = {"{": "apf_opens_expression", "%": "apf_opens_statement", "#": "apf_opens_comment"}
_ONLY_IN_VALUES = "; layers are merged before the machine renders them: use {% … %} only inside values"
_WIDTH = 4 * MAX_BYTES
"""Line width that never breaks a line: YAML would break inside Jinja expressions."""


class UserDataError(Exception):
    """The user-data can't be composed; the message names the layer and the cause."""


def fill_layer(name: str, template: str, values: Mapping[str, str]) -> str:
    """Return the text of a layer with each ``@…@`` replaced by its value.

    Raises:
        UserDataError: a name has no value, or a value has characters that could end its string or line.
    """

    def value(match: re.Match[str]) -> str:
        text = values.get(match[1])
        if text is None:
            place = f"{name}:{template.count(chr(10), 0, match.start()) + 1}"
            raise UserDataError(f"{place}: @{match[1]}@ is unknown; known: {', '.join(sorted(values))}")
        if any(ord(c) < 32 or c in '"\\' for c in text):
            raise UserDataError(f"the value of @{match[1]}@ contains quotes, backslashes or line breaks; remove them")
        return text

    return _MACRO.sub(value, template)


def parse_layer(name: str, text: str) -> dict[str, Any]:
    """Parse a cloud-config layer.

    Raises:
        UserDataError: it is not cloud-config, not YAML or not valid Jinja.
    """
    if _first_line(text).strip() != "#cloud-config":
        raise UserDataError(f"{name}: the first line must be '#cloud-config', or '#!…' for a script")
    if not is_template(text) and any(map(_TEMPLATE.fullmatch, text.splitlines())):
        raise UserDataError(f"{name}: '## template: jinja' has no effect here; move it to the first line")
    try:
        document = load_yaml(text)
    except yaml.YAMLError as error:
        raise UserDataError(f"{name}{_not_yaml(error)}{_hint(text, str(error))}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UserDataError(f"{name}: a cloud-config document must be a mapping, not a {type(document).__name__}")
    changed: dict[str, Any]
    if not is_template(text):
        changed = _map_texts(document, _mark_literals)
        return changed
    if text.count("{%") > str(document).count("{%"):
        raise UserDataError(f"{name}: a Jinja statement is in a YAML comment{_ONLY_IN_VALUES}")
    try:
        changed = _map_texts(document, quote_jinja)
    except TemplateError as error:
        raise UserDataError(f"{name}: Jinja syntax error: {error}") from None
    return changed


def _not_yaml(error: yaml.YAMLError) -> str:
    """Return line and cause, to follow the name of the layer."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": not YAML: {' '.join(str(error).split())}"
    why = " ".join(filter(None, (error.context, error.problem)))
    return f":{error.problem_mark.line + 1}: not YAML: {why}"


def _hint(text: str, error: str) -> str:
    """Return advice for a template that is not YAML before it is rendered."""
    if not is_template(text):
        return ""
    if "unhashable" in error:
        return "; write quotes around {{ … }}"
    return _ONLY_IN_VALUES if "{%" in text else ""


def _first_line(text: str) -> str:
    """Return the first line that is neither empty nor a ``##`` comment for cloud-init."""
    return next((line for line in text.splitlines() if line.strip() and not line.startswith("##")), "")


def is_template(text: str) -> bool:
    """True if a layer declares itself a Jinja template, which cloud-init renders on the machine."""
    return _TEMPLATE.fullmatch(text.partition("\n")[0]) is not None


def _mark_literals(text: str) -> str:
    """Mark each place where literal text looks like Jinja."""
    return _OPENS.sub(rf"\g<0>{_LITERAL}", text)


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return the value with each string in it changed, also nested ones and keys."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(each, change) for each in value]
    if isinstance(value, dict):
        return {_map_texts(key, change): _map_texts(each, change) for key, each in value.items()}
    return value


def _template(document: str) -> str:
    """Return a YAML document as a Jinja template that renders the marked places literally.

    It uses variables, because quotes would have to match those that YAML has put around the text.
    """
    used: dict[str, None] = {}

    def variable(match: re.Match[str]) -> str:
        used[match[1]] = None
        return f"{{{{ {_NAMES[match[1]]} }}}}"

    text = re.sub(_OPENS.pattern + _LITERAL, variable, document)
    # These lines are YAML comments. Cloud-init's Jinja drops the line break after a statement, so a full stop follows.
    values = {_NAMES[sign]: f'"{{{sign}"' for sign in used} | literals(text)
    variables = "".join(f"#{{% set {name} = {value} %}}.\n" for name, value in values.items())
    return f"## template: jinja\n#cloud-config\n{variables}{text}"


def merge_layers(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two layers: lists are concatenated, mappings merged, any other value is the upper layer's."""
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
    """True if a layer is a script (``#!``) for cloud-init to run, not a cloud-config document."""
    return text.startswith("#!")


def compose(layers: Sequence[tuple[str, str]]) -> bytes:
    """Compose one user-data document from named layers, the lowest first.

    cloud-config layers are merged into one document, a Jinja template. The machine renders ``{{ … }}`` in a layer that
    begins with ``## template: jinja``; in any other layer it stays as it is. With scripts among the layers the result
    is a MIME multi-part message for cloud-init.

    Raises:
        UserDataError: a layer is neither cloud-config nor a script, or the result is too large for EC2.
    """
    config = compose_config(layers)
    scripts = [text for _, text in layers if is_script(text)]
    data = write_multipart(config, scripts) if scripts else config.encode()
    if len(data) > MAX_BYTES:
        raise UserDataError(f"user-data has {len(data)} bytes, EC2 accepts {MAX_BYTES}; make the layers smaller")
    return data


def compose_config(layers: Sequence[tuple[str, str]]) -> str:
    """Compose the cloud-config layers into one document, a Jinja template.

    Raises:
        UserDataError: a layer is neither cloud-config nor a script.
    """
    document: dict[str, Any] = {}
    for name, text in layers:
        if not is_script(text):
            document = merge_layers(document, parse_layer(name, text))
    return _template(yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=_WIDTH))


def jinja_errors(layers: Sequence[tuple[str, str]]) -> list[str]:
    """Return the syntax errors that cloud-init's Jinja finds; cloud-init would then ignore the whole document.

    Other errors of the layers are left to :func:`compose`.
    """
    try:
        check_template(_without_header(compose_config(layers)))
    except UserDataError:
        whole = []
    except TemplateError as error:
        whole = [f"Jinja syntax error in the composed layers: {error}"]
    else:
        return []
    return [each for name, text in layers if is_template(text) for each in _syntax_errors(name, text)] or whole


def _syntax_errors(name: str, text: str) -> Iterator[str]:
    try:
        check_template(_without_header(text))
    except TemplateError as error:
        yield f"{name}:{error.line + 1}: Jinja syntax error: {error}"


def _without_header(text: str) -> str:
    """Return the text that cloud-init gives to Jinja: all but the first line, which declares the template."""
    return text.partition("\n")[2]
