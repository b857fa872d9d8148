"""Faults of a cloud: hooks for a local cloud, and the files through which a scenario sets them.

The file ``faults.json`` in the cloud's directory lists the current faults. Each answer that a fault changes adds a line
to ``hits``, so that a scenario can wait until its fault has struck.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from localcloud.query import ApiRequest, ApiResponse, error
from localcloud.seam import Boot, Drop, Forward

HOOK = f"{__name__}:Faults"
"""Name of the hook for ``CloudProcess(hooks=…)``."""

_FAULTS, _HITS = "faults.json", "hits"


@dataclass(frozen=True)
class Answers:
    """A fault in answers to requests.

    ``how``:

    * error: answer with ``status`` and ``code``; the request is not carried out;
    * garbage: answer with 200 and invalid XML; the request is not carried out;
    * slow: answer correctly after ``seconds``;
    * dropped: the request is not carried out, and the connection is reset after ``seconds``;
    * lost: the request is carried out, and the connection is reset after ``seconds``, before the answer;
    * omit: DescribeInstances does not list instances younger than ``seconds``.
    """

    how: Literal["error", "garbage", "slow", "dropped", "lost", "omit"]
    actions: tuple[str, ...] = ()
    """Affected actions; empty: all."""
    agent: str = ""
    """Text in the User-Agent of affected requests."""
    status: int = 503
    code: str = ""
    seconds: float = 0
    one_in: int = 1
    """Every n-th of these requests is affected."""


@dataclass(frozen=True)
class Boots:
    """A fault in the boot of machines.

    ``how``: never (HTCondor does not start), late (by ``seconds``), off (they shut down after ``seconds`` without
    starting HTCondor), token (with another ``token``), or wrapped (in a command).
    """

    how: Literal["never", "late", "off", "token", "wrapped"]
    seconds: float = 0
    token: str = ""
    wrapper: tuple[str, ...] = ()


class Broken:
    """The faults of the cloud in a directory, as a scenario sets them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def set(self, *faults: Answers | Boots) -> None:
        """Set the current faults; without arguments the cloud works correctly again."""
        text = json.dumps([{"kind": type(fault).__name__, **asdict(fault)} for fault in faults])
        scratch = self._directory / f"{_FAULTS}.new"
        scratch.write_text(text)
        scratch.replace(self._directory / _FAULTS)

    def hits(self, *actions: str) -> int:
        """Return the number of answers and boots that faults have changed so far, of these actions if any are given."""
        path = self._directory / _HITS
        lines = path.read_text().splitlines() if path.exists() else []
        return sum(not actions or line in actions for line in lines)


class Faults:
    """The hook in the process of the cloud."""

    def __init__(self) -> None:
        self._directory = Path(sys.argv[sys.argv.index("--dir") + 1])
        self._guard = threading.Lock()
        self._seen = 0

    def request(self, request: ApiRequest, forward: Forward) -> ApiResponse:
        for fault in self._set("Answers"):
            if fault["actions"] and request.action not in fault["actions"]:
                continue
            if fault["agent"] not in request.environ.get("HTTP_USER_AGENT", ""):
                continue
            if fault["how"] == "omit" and request.action != "DescribeInstances":
                continue
            with self._guard:
                self._seen += 1
                if self._seen % fault["one_in"]:
                    continue
            return self._spoilt(Answers(**fault), request, forward)
        return forward(request)

    def _spoilt(self, fault: Answers, request: ApiRequest, forward: Forward) -> ApiResponse:
        if fault.how == "omit":
            response, left_out = _without_fresh(forward(request), fault.seconds)
            if left_out:
                self._hit(request.action)
            return response
        if fault.how == "lost":
            forward(request)
        self._hit(request.action)
        match fault.how:
            case "lost" | "dropped":
                time.sleep(fault.seconds)
                raise Drop
            case "error":
                return error(fault.status, fault.code, "A fault of the test.")
            case "garbage":
                return ApiResponse(200, b"\x00\xff<html><body>It works!</bo")
        time.sleep(fault.seconds)
        return forward(request)

    def boot(self, boot: Boot) -> Boot:
        for fault in self._set("Boots"):
            self._hit("boot")
            match fault["how"]:
                case "never":
                    boot = replace(boot, joins=False)
                case "late":
                    boot = replace(boot, wrapper=("/bin/sh", "-c", f'sleep {fault["seconds"]}; exec "$@"', "late"))
                case "off":
                    boot = replace(boot, wrapper=("/bin/sh", "-c", f"sleep {fault['seconds']}; exit 0", "off"))
                case "token":
                    boot = replace(boot, user_data=_with_token(boot.user_data, fault["token"]))
                case "wrapped":
                    boot = replace(boot, wrapper=tuple(fault["wrapper"]))
        return boot

    def _set(self, kind: str) -> list[dict[str, Any]]:
        try:
            faults = json.loads((self._directory / _FAULTS).read_text())
        except FileNotFoundError:
            return []
        of_kind = [fault for fault in faults if fault.pop("kind") == kind]
        for fault in of_kind:
            if "actions" in fault:
                fault["actions"] = tuple(fault["actions"])
        return of_kind

    def _hit(self, what: str) -> None:
        with self._guard, (self._directory / _HITS).open("a") as hits:
            hits.write(f"{what}\n")


def _without_fresh(response: ApiResponse, seconds: float) -> tuple[ApiResponse, int]:
    """Return the answer without instances launched within the last ``seconds``, and their number."""
    root = ET.fromstring(response.body)  # noqa: S314 - moto's own answer
    namespace = root.tag.partition("}")[0].removeprefix("{")
    ET.register_namespace("", namespace)
    name = f"{{{namespace}}}"
    left_out = 0
    for reservations in root.iter(f"{name}reservationSet"):
        for reservation in list(reservations):
            times = [each.text or "" for each in reservation.iter(f"{name}launchTime")]
            if any(time.time() - _epoch(text) < seconds for text in times):
                reservations.remove(reservation)
                left_out += 1
    if not left_out:
        return response, 0
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root)
    return replace(response, body=body), left_out


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


_TOKEN = re.compile(r"eyJ[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+")


def _with_token(user_data: bytes, token: str) -> bytes:
    """Return the user-data with another token."""
    changed, found = _TOKEN.subn(token, user_data.decode())
    assert found, "the user-data has no token in plain text"
    return changed.encode()
