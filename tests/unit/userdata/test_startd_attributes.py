"""Attributes that a startd will show, found in user-data before a machine runs."""

from factory.userdata.compose import compose
from factory.userdata.startd_attributes import startd_attributes

CONFIG = """#cloud-config
write_files:
  - path: /etc/condor/config.d/50-site
    content: |
      # HasCvmfs = false
      HasCvmfs = true
      Site = "BNL"
      Load = $(HALF)
      Instance = "{{ v1.instance_id }}"
      Hidden = 1
      START = TARGET.Owner == "eve" && \\
        TARGET.RequestCpus > 1
      STARTD_ATTRS = $(STARTD_ATTRS) HasCvmfs, Site Load Instance Missing
  - path: /etc/motd
    content: "Site = 3"
"""
EXPECTED = {"HasCvmfs": "true", "Site": '"BNL"', "START": 'TARGET.Owner == "eve" &&    TARGET.RequestCpus > 1'}


def test_finds_listed_attributes_and_start_without_machine_facts() -> None:
    assert startd_attributes(compose([("site", CONFIG)])) == EXPECTED


def test_document_with_scripts_is_read() -> None:
    assert startd_attributes(compose([("site", CONFIG), ("script", "#!/bin/sh\ntrue\n")])) == EXPECTED


def test_document_without_files_shows_no_attributes() -> None:
    assert startd_attributes(b"#cloud-config\nruncmd: []\n") == {}
