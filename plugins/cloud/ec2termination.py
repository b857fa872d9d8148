"""Terminate EC2 instances and delete key pairs. Worker processes import this module and no plugin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from factory.model.cloud import ENDED, STOPPED, Account, CloudAct, InstanceRow
from factory.process.faults import fault
from plugins.cloud.ec2instances import ec2_client, instance_row

_AT_ONCE = 100
"""Instances in one request. A filter takes 200 values, TerminateInstances 1000 (API reference)."""
_CHANGED = "not done: the instance has changed or ended since the audit"


@dataclass(frozen=True)
class _Failure:
    text: str
    of_all: bool
    """The failure concerns all instances: the cloud is busy or broken, or rejects our credentials."""


@dataclass(frozen=True)
class EC2Termination(CloudAct):
    """Termination of instances and deletion of key pairs in one account."""

    account: Account
    factory_id: str
    rows: tuple[InstanceRow, ...]
    key_pairs: tuple[str, ...] = ()
    within_s: float = 30
    """No request starts later than this after the first."""

    @property
    def address(self) -> str:
        return self.account.url

    def perform(self) -> dict[str, str | None]:
        """Terminate the instances whose tags have not changed and that have not ended; return errors by id.

        An id is missing if there was no time to try.
        """
        client = ec2_client(self.account.url, self.account.access_key, self.account.secret_key)
        until = time.monotonic() + self.within_s
        errors: dict[str, str | None] = {}
        for start in range(0, len(self.rows), _AT_ONCE):
            if time.monotonic() < until:
                errors |= self._terminate(client, self.rows[start : start + _AT_ONCE], until)
        errors |= self._one_by_one(self.key_pairs, until, lambda name: client.delete_key_pair(KeyName=name))
        return errors

    def _terminate(self, client: Any, rows: Sequence[InstanceRow], until: float) -> dict[str, str | None]:
        described: list[InstanceRow] = []
        failure = _failure(lambda: described.extend(self._describe(client, rows)))
        if failure is not None:
            return {each.id: failure.text for each in rows}
        now = {each.id: each for each in described if each.state not in ENDED}
        same = [each.id for each in rows if each.id in now and _unchanged(each, now[each.id])]
        errors: dict[str, str | None] = {each.id: _CHANGED for each in rows if each.id not in same}
        if not same:
            return errors
        # One protected or unknown instance makes the whole request fail.
        failure = _failure(lambda: client.terminate_instances(InstanceIds=same))
        if failure is None or failure.of_all or len(same) == 1:
            return errors | dict.fromkeys(same, None if failure is None else failure.text)
        return errors | self._one_by_one(same, until, lambda name: client.terminate_instances(InstanceIds=[name]))

    def _describe(self, client: Any, rows: Sequence[InstanceRow]) -> Iterator[InstanceRow]:
        ours = [
            {"Name": "tag:apf:factory", "Values": [self.factory_id]},
            {"Name": "instance-id", "Values": [each.id for each in rows]},
        ]
        for group in client.describe_instances(Filters=ours)["Reservations"]:
            yield from map(instance_row, group["Instances"])

    def _one_by_one(self, names: Sequence[str], until: float, act: Callable[[str], object]) -> dict[str, str | None]:
        """Act on each name and return errors by name, until time is over or a failure concerns all."""
        errors: dict[str, str | None] = {}
        for name in names:
            if time.monotonic() >= until:
                break
            failure = _failure(lambda: act(name))  # noqa: B023 - called at once
            errors[name] = None if failure is None else failure.text
            if failure is not None and failure.of_all:
                break
        return errors


def _unchanged(chosen: InstanceRow, now: InstanceRow) -> bool:
    """True if the instance has the same tags as when it was chosen, and a stopped one was not restarted."""
    same_tags = (chosen.vm, chosen.queue, chosen.schedd) == (now.vm, now.queue, now.schedd)
    return same_tags and (chosen.state not in STOPPED or now.state in STOPPED)


def _failure(act: Callable[[], object]) -> _Failure | None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        act()
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        busy = "Throttl" in code or code == "RequestLimitExceeded"
        return _Failure(fault(error), busy or status >= 500 or code == "AuthFailure")
    except BotoCoreError as error:
        return _Failure(fault(error), of_all=True)
    return None
