"""Whether HTCondor's Python bindings are there, without which the factory sees nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec

from factory.plugin.finding import Finding


def check_bindings() -> Iterator[Finding]:
    """Nothing, if this Python can import them."""
    missing = [name for name in ("htcondor2", "classad2") if find_spec(name) is None]
    if missing:
        text = (
            f"{sys.executable} has no {' and no '.join(missing)}, HTCondor's Python bindings; install HTCondor's own "
            "package of them and make the venv with --system-site-packages, or install apf[bindings]"
        )
        yield Finding("error", text)
