"""Composed user-data keeps the meaning of each layer, also where its text looks like Jinja."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
import yaml
from hypothesis import given, reject
from hypothesis import strategies as st

from factory.userdata.compose import UserDataError, compose, jinja_errors
from factory.userdata.startd_attributes import startd_attributes
from localcloud import userdata

OURS = """## template: jinja
#cloud-config
write_files:
- {path: /etc/ours, content: 'Id = "{{ v1.instance_id }}"'}
"""
FACTS = {"v1": {"instance_id": "i-1"}}

SHELL = r"""#!/bin/bash
for name in "${#names[@]}" '{%s}' {{a,b},c} "{#x#}"; do docker ps --format '{{.Names}}: {{"{{"}}'; done
printf '%s\n' "{{ v1.instance_id }}" "{% raw %}" '"'
{{{%}}}
"""
"""Shell code has every character pair with which Jinja begins."""


def layer(document: Any, template: bool = False) -> tuple[str, str]:
    head = "## template: jinja\n#cloud-config\n" if template else "#cloud-config\n"
    return "site", head + yaml.safe_dump(document, sort_keys=False)


def as_read(*layers: tuple[str, str]) -> userdata.UserData:
    """Read composed layers with the local cloud's parser, which renders Jinja as cloud-init does."""
    return userdata.parse(compose([("ours", OURS), *layers]), FACTS)


def files(read: userdata.UserData) -> dict[str, str]:
    return {file.path: file.content.decode() for file in read.files}


def test_jinja_look_alikes_in_plain_layers_stay_literal() -> None:
    commands = ["docker ps --format '{{.Names}}'", "echo ${#names[@]}", ["echo", "{%"], "{{", "{#", "{", "{{{", "x {{"]
    site = layer({"write_files": [{"path": "/run.sh", "content": SHELL}], "runcmd": commands})
    read = as_read(site)
    assert files(read) == {"/etc/ours": 'Id = "i-1"', "/run.sh": SHELL}
    assert read.recorded["runcmd"] == commands
    assert not read.warnings


def test_only_template_layers_are_rendered_on_the_machine() -> None:
    document = {"write_files": [{"path": "/id", "content": "{{ v1.instance_id }} {% if true %}{{ 1 + 1 }}{% endif %}"}]}
    other = layer({"write_files": [{"path": "/raw", "content": "{{ v1.instance_id }}"}]})
    read = as_read(layer(document, template=True), other)
    assert files(read) == {"/etc/ours": 'Id = "i-1"', "/id": "i-1 2", "/raw": "{{ v1.instance_id }}"}


@pytest.mark.parametrize(
    "header", ["##template:jinja", "## Template: Jinja", "##  template: jinja  ", "## template: jinja\r"]
)
def test_template_header_is_accepted_in_every_form_of_cloud_init(header: str) -> None:
    text = f"{header}\n#cloud-config\nwrite_files:\n- {{path: /id, content: '{{{{ v1.instance_id }}}}'}}\n"
    assert files(as_read(("site", text)))["/id"] == "i-1"
    other = text.replace(header, "## nothing of the kind")
    assert files(as_read(("site", other)))["/id"] == "{{ v1.instance_id }}"


NATIVE = r"""## template: jinja
#cloud-config
write_files:
- path: /a
  content: |
    addr={{ ds.meta_data['local-ipv4'] }}
    zone={{ v1.zone | default("some\\where") }} {# it's "known" #}
    {% if v1.zone == "a" -%}
      first

    {% elif v1
      .zone == 'b' %}

    second
    {% endif %}
    {% raw %}{{ "as it is" }}{% endraw %}
    umlaut {{ "ü" }} \ ü "quoted" 'too' {{ 'a' if true }}
runcmd:
- echo {{ v1['instance_id'] }}
- [echo, "{% for x in ['p', \"q\"] %}{{ x }}{% endfor %}", "{{ 'end' }}"]
"""


@pytest.mark.parametrize("zone", ["a", "b", "c"])
def test_quotes_and_line_breaks_in_jinja_survive_yaml(zone: str) -> None:
    facts = {"v1": {"instance_id": "i-1", "zone": zone}, "ds": {"meta_data": {"local-ipv4": "10.0.0.1"}}}
    read = userdata.parse(compose([("ours", OURS), ("site", NATIVE), layer({"runcmd": ["last {{x}}"]})]), facts)
    middle = {"a": "first\n\n", "b": "\nsecond\n", "c": ""}[zone]
    text = f'addr=10.0.0.1\nzone={zone} {middle}{{{{ "as it is" }}}}umlaut ü \\ ü "quoted" \'too\' a\n'
    assert files(read)["/a"] == text
    assert read.recorded["runcmd"] == ["echo i-1", ["echo", "pq", "end"], "last {{x}}"]


templates = st.lists(
    st.sampled_from(
        ["{{ v1['id'] }}", '{{ "x" }}', "{% if v1 %}", "{% endif %}", "{# '\" #}", "\n", " ", "a", "\\", '"']
    ),
    max_size=12,
).map("".join)


@given(templates)
def test_composed_template_renders_like_its_text(text: str) -> None:
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)  # noqa: S701  no HTML
    try:
        expected = environment.from_string(text).render(v1={"id": "i"})
    except jinja2.TemplateSyntaxError:
        reject()
    made = compose([("ours", OURS), layer({"write_files": [{"path": "/x", "content": text}]}, template=True)])
    assert files(userdata.parse(made, {"v1": {"id": "i", "instance_id": "i-1"}}))["/x"] == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{{ v1.zone }", "unexpected '}'"),
        ("{{ v1 zone }}", "expected token 'end of print statement', got 'zone'"),
        ("{% if v1.zone %}", "Unexpected end of template"),
        ("{{ v1.zone | upper_case }}", "No filter named 'upper_case'"),
        ("{% nothing %}", "unknown tag 'nothing'"),
    ],
)
def test_jinja_errors_are_found_with_their_line(line: str, why: str) -> None:
    text = f'## template: jinja\n#cloud-config\nruncmd:\n- date\n- "{line}"\n'
    found = jinja_errors([("ours", OURS), ("site.yaml", text)])
    assert len(found) == 1
    assert found[0].startswith(("site.yaml:5: Jinja syntax error: ", "site.yaml:6: Jinja syntax error: "))
    assert why in found[0]
    assert jinja_errors([("ours", OURS), ("site.yaml", text.replace("## template: jinja\n", ""))]) == []


def test_jinja_statements_outside_values_are_rejected() -> None:
    head = "## template: jinja\n#cloud-config\n"
    with pytest.raises(UserDataError, match=r"site: a Jinja statement is in a YAML comment; .* only inside values"):
        compose([("site", head + "# {% if v1.zone %}\nruncmd: [date]\n# {% endif %}\n")])
    with pytest.raises(UserDataError, match=r"site:3: not YAML: .* only inside values"):
        compose([("site", head + "{% if v1.zone %}\nruncmd: [date]\n{% endif %}\n")])


texts = st.text(st.sampled_from("{{{{%#}}'\"\\ \n\t:-ax&*!|>`@,[]?é"), max_size=30)


@given(st.lists(texts, max_size=4), st.dictionaries(texts, texts, max_size=2), texts)
def test_any_literal_text_is_unchanged_on_the_machine(
    commands: list[str], mapping: dict[str, str], content: str
) -> None:
    document = {"write_files": [{"path": "/x", "content": content}], "runcmd": commands, "bootcmd": [mapping]}
    made = compose([("ours", OURS), layer(document)])
    read = userdata.parse(made, FACTS)
    assert files(read) == {"/etc/ours": 'Id = "i-1"', "/x": content}
    assert (read.recorded["runcmd"], read.recorded["bootcmd"]) == (commands, [mapping])
    assert yaml.safe_load(made.decode()).keys() >= {"write_files"}, "it is YAML before it is rendered, too"


def test_document_without_jinja_look_alikes_gets_no_variables() -> None:
    assert b"apf_opens" not in compose([("vm.yaml", OURS)])


def test_startd_attributes_are_found_beside_jinja_look_alikes() -> None:
    config = 'Site = "BNL"\nOdd = "{{x}}"\nSTARTD_ATTRS = Site Odd\n'
    made = compose([("ours", OURS), layer({"write_files": [{"path": "/etc/condor/config.d/50", "content": config}]})])
    assert startd_attributes(made) == {"Site": '"BNL"'}, "facts of the machine are left out"
