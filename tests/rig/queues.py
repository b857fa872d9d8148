"""Queues for tests, loaded by the real loader from a few keys, and tools for their submit plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from factory.condor.tools.dry_run import dummy_token
from factory.config import load
from factory.config.queues import Queue
from factory.plugin.batchsubmit import JobOwner, Submission, SubmitTools, Token
from factory.settings.factory import FactorySettings

NOW = 1_700_000_000.0
DAY = "2023-11-14"

PILOTS: Mapping[str, object] = {
    "enabled": True,
    "batchstatusplugin": "Condor",
    "batchsubmitplugin": "CondorLocal",
    "schedplugin": "Fixed",
    "executable": "/bin/true",
}
"""A queue of pilots."""

VMS: Mapping[str, object] = {
    "enabled": True,
    "batchstatusplugin": "CondorEC2",
    "batchsubmitplugin": "CondorEC2",
    "schedplugin": "Fixed",
    "batchsubmit.condorec2.gridresource": "https://ec2.us-east-1.amazonaws.com/",
    "batchsubmit.condorec2.ami_id": "ami-1",
    "batchsubmit.condorec2.instance_type": "m5.large",
    "batchsubmit.condorec2.access_key_id": "/keys/access",
    "batchsubmit.condorec2.secret_access_key": "/keys/secret",
}
"""A queue of VMs."""


def make_queue(
    directory: Path,
    keys: Mapping[str, object],
    name: str = "Q",
    factory: Mapping[str, object] | None = None,
    more: str = "",
) -> Queue:
    """Return the queue of a file with these keys; ``factory``: keys of [Factory]; ``more``: text at its end.

    Raises:
        ConfigError: A key is invalid.
    """
    sections = {"Factory": {"factoryId": "f1", "owner": "apf", **(factory or {})}, name: keys}
    text = "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in of_section.items())
        for section, of_section in sections.items()
    )
    path = directory / "queues.conf"
    path.write_text(text + more)
    return load([path]).queues[0]


def submit_tools(directory: Path, queue: Queue | None = None, **changes: object) -> SubmitTools:
    """Return tools without side effects: the n-th VM is ``vm-n``, and tokens are not valid.

    They are for ``queue``; without one, for queue Q of factory f1.
    """
    factory = FactorySettings(id="f1") if queue is None else queue.batchsubmit.factory
    numbers = iter(range(1, 1000))
    values: dict[str, object] = {
        "now": NOW,
        "owner": JobOwner.of_factory(factory, "Q" if queue is None else queue.name, "1 host 2"),
        "userdata": directory / "userdata",
        "pool": "collector:9618",
        "logs": directory / "logs",
        "uuid": lambda: f"vm-{next(numbers)}",
        "token": lambda lifetime_s: Token(dummy_token("apf", lifetime_s), "apf@pool.example"),
    }
    return SubmitTools(**{**values, **changes})  # type: ignore[arg-type]


def commands(submission: Submission) -> dict[str, str]:
    """Return the submit commands of a description; the last of a name wins, as in condor_submit."""
    lines = (line.partition("=") for line in submission.description.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, equals, value in lines if equals}
