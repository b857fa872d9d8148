"""What setup.cfg puts into the wheel; `make package` builds it and tries it."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_every_package_with_data_is_found_and_no_test_is() -> None:
    setuptools = pytest.importorskip("setuptools")
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    ways = {"find:": setuptools.find_packages, "find_namespace:": setuptools.find_namespace_packages}
    find, chosen = ways[setup["options"]["packages"].strip()], setup["options.packages.find"]
    found = set(find(str(ROOT), include=chosen["include"].split(), exclude=chosen["exclude"].split()))
    assert set(setup["options.package_data"]) <= found
    assert not any("__pycache__" in name for name in found)
    assert {name.partition(".")[0] for name in found} == {"factory", "plugins", "localcloud", "submit_templates", "etc"}
