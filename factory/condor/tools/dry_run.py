"""Make the job ad of a submit description without submitting it, with ``condor_submit -dry-run``."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.condor.tools.run import ToolError, ToolFailed, run_with_errors

_UNUSED = "was unused by condor_submit"
_ERROR = re.compile(r"^ERROR: (.*(?:\n[ \t].*)*)", re.MULTILINE)
"""An error can continue in indented lines, such as the expression that can't be parsed."""


class DryRunError(Exception):
    """condor_submit rejects the description; the message is its own."""


@dataclass(frozen=True)
class DryRun:
    """Output of condor_submit for a description."""

    ad: str
    """The job ad, as the text of a ClassAd."""
    unused: tuple[str, ...]
    """Lines that condor_submit ignores because it does not know them."""


def dry_run(description: str, item: Mapping[str, str], directory: Path) -> DryRun:
    """Return the ad of one job. Files that the description names need not exist.

    Raises:
        DryRunError: the description is wrong.
        ToolError: condor_submit is missing, or HTCondor is not configured here.
    """
    macros = "".join(f"{name} = {value}\n" for name, value in item.items())
    source, ads = directory / "sample.sub", directory / "sample.ads"
    source.write_text(f"{macros}{description}\nqueue 1\n", encoding="utf-8")
    env = {**os.environ, "_CONDOR_SUBMIT_SKIP_FILECHECKS": "true"}
    try:
        _, warnings = run_with_errors(["condor_submit", "-dry-run", str(ads), str(source)], 20, env)
    except ToolFailed as error:
        errors = _ERROR.findall(error.stderr)
        if errors:
            raise DryRunError("; ".join(" ".join(each.split()) for each in errors)) from None
        raise ToolError(str(error)) from None
    unused = tuple(line.split("'")[1] for line in warnings.splitlines() if _UNUSED in line and "'" in line)
    lines = [line for line in ads.read_text(encoding="utf-8").splitlines() if "=" in line]
    return DryRun("[" + "; ".join(lines) + "]", unused)


def dummy_token(subject: str, lifetime_s: int) -> str:
    """Return a text with the form and size of an IDTOKEN; no daemon accepts it."""

    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    now = int(time.time())
    scope = "condor:/ADVERTISE_STARTD condor:/ADVERTISE_MASTER condor:/READ"
    claims = {"exp": now + lifetime_s, "iat": now, "iss": "pool.example", "jti": "0" * 32, "scope": scope}
    return f"{part({'alg': 'HS256', 'kid': 'POOL'})}.{part({**claims, 'sub': f'{subject}@pool.example'})}.{'A' * 43}"
