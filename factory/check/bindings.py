"""Check that HTCondor's Python bindings are installed; the factory sees nothing without them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec

from factory.plugin.finding import Finding


def check_bindings() -> Iterator[Finding]:
    """Yield an error if this Python can't import the bindings."""
    missing = [name for name in ("htcondor2", "classad2") if find_spec(name) is None]
    if missing:
        text = (
            f"{sys.executable} can't import {' and '.join(missing)} (HTCondor's Python bindings); install HTCondor's "
            "package of them and create the venv with --system-site-packages, or run: pip install 'apf[bindings]'"
        )
        yield Finding("error", text)
