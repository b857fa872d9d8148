"""Long configuration files of every kind that could make reading slow, for tests of growth and for benchmarks."""

from __future__ import annotations

from collections.abc import Callable

from factory.config.files.scan import MAX_BYTES, MAX_LINE
from tests.rig.configs import queue

HEAD = queue().replace("[Q]", "[DEFAULT]")


def many_queues(count: int) -> str:
    """Return a file of ``count`` valid queues that buy VMs."""
    lines = (
        "schedplugin = Ready, Scale, MaxToRun",
        "sched.ready.offset = 1",
        "sched.scale.factor = 0.5",
        "sched.maxtorun.maximum = 5000",
        "batchsubmit.condorec2.gridresource = https://ec2.example.org/",
        "batchsubmit.condorec2.ami_id = ami-1",
        "batchsubmit.condorec2.spot_price = 0.156",
        "batchsubmit.condorec2.lease = 2d",
        "batchsubmit.condorec2.tag_Owner = me",
    )
    one = queue(*lines).replace("= CondorLocal", "= CondorEC2").replace("schedplugin = Ready\n", "", 1)
    return "".join(one.replace("[Q]", f"[Q{number}]") for number in range(count))


def _long(head: str, *lines: str, part: float) -> str:
    """Return ``head`` and lines of each kind, numbered: 10,000 in all, or the part of them that a file may have."""
    room, texts = int(part * MAX_BYTES) - len(head), [head]
    for line in lines:
        size = room // len(lines)
        for number in range(int(part * 10_000) // len(lines)):
            text = line.format(number) + "\n"
            size -= len(text)
            if size < 0:
                break
            texts.append(text)
    return "".join(texts)


_KINDS = {
    "keys": ("[Q]\n", "key{} = v"),
    "interpolations of themselves": ("[Q]\n", "k{0} = %(k{0})s%(k{0})s"),
    "interpolations of a long value": ("[Q]\na = 1\n", "x{} = " + "%(a)s" * 12_000),
    "default keys and queues": (HEAD, "k{} = v", "[{}]"),
    "queues": (HEAD, "[{}]"),
    "misspelled keys": (HEAD + "[Q]\n", "sched.redy.offset{} = 1"),
    "attributes": (HEAD + "[Q]\n", "batchsubmit.condorlocal.condor_attributes.A{} = 1"),
    "the same section": ("[Q]\n", "[Q]"),
    "the same key": ("[Q]\n", "k = v"),
    "continued lines": ("[Q]\nk = v\n", "  more"),
    "blanks": ("[Q]\n", "x" + " " * (MAX_LINE - 10) + "y"),
    "comment signs": ("[Q]\n", "x = " + ";" * (MAX_LINE - 10)),
}

LONG_FILES: dict[str, Callable[[float], str]] = {
    name: lambda part, kind=kind: _long(*kind, part=part)  # type: ignore[misc]
    for name, kind in _KINDS.items()
}
"""Kind of file → text of a file of this kind, as a part of the longest that is read."""
