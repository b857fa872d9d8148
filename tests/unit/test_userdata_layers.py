"""Layers of user-data become one document that says what each of them said, whatever it has in common with Jinja."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from factory.startdattrs import startd_attributes
from factory.userdata import compose
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
"""Shell has all of the places where Jinja begins to read."""


def layer(document: Any, template: bool = False) -> tuple[str, str]:
    head = "## template: jinja\n#cloud-config\n" if template else "#cloud-config\n"
    return "site", head + yaml.safe_dump(document, sort_keys=False)


def as_read(*layers: tuple[str, str]) -> userdata.UserData:
    """By the parser of the local cloud, which renders with Jinja as cloud-init does."""
    return userdata.parse(compose([("ours", OURS), *layers]), FACTS)


def files(read: userdata.UserData) -> dict[str, str]:
    return {file.path: file.content.decode() for file in read.files}


def test_what_looks_like_jinja_in_a_layer_that_is_no_template_stays_as_it_is() -> None:
    commands = ["docker ps --format '{{.Names}}'", "echo ${#names[@]}", ["echo", "{%"], "{{", "{#", "{", "{{{", "x {{"]
    site = layer({"write_files": [{"path": "/run.sh", "content": SHELL}], "runcmd": commands})
    read = as_read(site)
    assert files(read) == {"/etc/ours": 'Id = "i-1"', "/run.sh": SHELL}
    assert read.recorded["runcmd"] == commands
    assert not read.warnings


def test_a_layer_that_says_so_is_filled_in_on_the_machine_whatever_the_others_are() -> None:
    document = {"write_files": [{"path": "/id", "content": "{{ v1.instance_id }} {% if true %}{{ 1 + 1 }}{% endif %}"}]}
    other = layer({"write_files": [{"path": "/raw", "content": "{{ v1.instance_id }}"}]})
    read = as_read(layer(document, template=True), other)
    assert files(read) == {"/etc/ours": 'Id = "i-1"', "/id": "i-1 2", "/raw": "{{ v1.instance_id }}"}


@pytest.mark.parametrize(
    "header", ["##template:jinja", "## Template: Jinja", "##  template: jinja  ", "## template: jinja\r"]
)
def test_the_header_may_be_written_as_cloud_init_takes_it(header: str) -> None:
    text = f"{header}\n#cloud-config\nwrite_files:\n- {{path: /id, content: '{{{{ v1.instance_id }}}}'}}\n"
    assert files(as_read(("site", text)))["/id"] == "i-1"
    other = text.replace(header, "## nothing of the kind")
    assert files(as_read(("site", other)))["/id"] == "{{ v1.instance_id }}"


texts = st.text(st.sampled_from("{{{{%#}}'\"\\ \n\t:-ax&*!|>`@,[]?é"), max_size=30)


@given(st.lists(texts, max_size=4), st.dictionaries(texts, texts, max_size=2), texts)
def test_any_text_comes_out_as_it_went_in(commands: list[str], mapping: dict[str, str], content: str) -> None:
    document = {"write_files": [{"path": "/x", "content": content}], "runcmd": commands, "bootcmd": [mapping]}
    made = compose([("ours", OURS), layer(document)])
    read = userdata.parse(made, FACTS)
    assert files(read) == {"/etc/ours": 'Id = "i-1"', "/x": content}
    assert (read.recorded["runcmd"], read.recorded["bootcmd"]) == (commands, [mapping])
    assert yaml.safe_load(made.decode()).keys() >= {"write_files"}, "it is YAML before it is filled in, too"


def test_a_document_without_such_places_has_no_word_more() -> None:
    assert b"apf_opens" not in compose([("vm.yaml", OURS)])


def test_what_a_startd_will_show_is_found_beside_such_places() -> None:
    config = 'Site = "BNL"\nOdd = "{{x}}"\nSTARTD_ATTRS = Site Odd\n'
    made = compose([("ours", OURS), layer({"write_files": [{"path": "/etc/condor/config.d/50", "content": config}]})])
    assert startd_attributes(made) == {"Site": '"BNL"'}, "what only the machine knows is left out"
