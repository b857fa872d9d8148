"""Hooks for a local cloud that tests of the factory break, and what switches them on."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from localcloud.query import ApiRequest, ApiResponse, error
from localcloud.seam import Boot, Forward

REFUSE, NEVER_JOIN, FAIL, DENY = "refuse", "never-join", "fail", "deny"
"""Files in the cloud's directory. While ``refuse`` is there launches are refused, with the error code that it holds;
while ``never-join`` is there machines run without HTCondor; while ``fail`` is there they end in ERROR. Each line of
``deny`` has an action, an error code and maybe a value: requests of that action, and with that value, are refused."""


def _switch(name: str) -> Path:
    return Path(sys.argv[sys.argv.index("--dir") + 1]) / name


def deny(directory: Path, *lines: str) -> None:
    """From now on deny this and nothing else: lines of ``deny``."""
    scratch = directory / f"{DENY}.new"
    scratch.write_text("\n".join(lines))
    scratch.replace(directory / DENY)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


class Broken:
    """Breaks what is switched on."""

    def request(self, request: ApiRequest, forward: Forward) -> ApiResponse:
        if request.action == "RunInstances" and _switch(REFUSE).exists():
            return error(400, _switch(REFUSE).read_text(), "The cloud is as the test wants it.")
        for action, code, *values in map(str.split, _lines(_switch(DENY))):
            if action == request.action and set(values) <= set(request.params.values()):
                return error(403, code, "The cloud is as the test wants it.")
        return forward(request)

    def boot(self, boot: Boot) -> Boot:
        return replace(boot, joins=boot.joins and not _switch(NEVER_JOIN).exists(), fails=_switch(FAIL).exists())
