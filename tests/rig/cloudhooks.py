"""Hooks for a local cloud that tests of the factory break, and what switches them on."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from localcloud.query import ApiRequest, ApiResponse, error
from localcloud.seam import Boot, Forward

REFUSE, NEVER_JOIN, FAIL = "refuse", "never-join", "fail"
"""Files in the cloud's directory. While ``refuse`` is there launches are refused, with the error code that it holds;
while ``never-join`` is there machines run without HTCondor; while ``fail`` is there they end in ERROR."""


def _switch(name: str) -> Path:
    return Path(sys.argv[sys.argv.index("--dir") + 1]) / name


class Broken:
    """Breaks what is switched on."""

    def request(self, request: ApiRequest, forward: Forward) -> ApiResponse:
        if request.action == "RunInstances" and _switch(REFUSE).exists():
            return error(400, _switch(REFUSE).read_text(), "The cloud is as the test wants it.")
        return forward(request)

    def boot(self, boot: Boot) -> Boot:
        return replace(boot, joins=boot.joins and not _switch(NEVER_JOIN).exists(), fails=_switch(FAIL).exists())
