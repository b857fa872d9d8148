"""What ends instances of EC2. A worker process imports this, and no plugin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from factory.model.cloud import ENDED, STOPPED, Account, CloudAct, InstanceRow
from factory.process.faults import fault
from plugins.cloud.ec2instances import ec2_client, instance_row

_AT_ONCE = 100
"""Instances of one request. A filter takes 200 values, TerminateInstances a thousand (API reference)."""
_CHANGED = "not done: it has changed since"


@dataclass(frozen=True)
class _Failure:
    text: str
    of_all: bool
    """Another instance would fare no better now: the cloud is busy, broken, or does not know us."""


@dataclass(frozen=True)
class EC2Termination(CloudAct):
    """Ends instances and deletes key pairs of one account."""

    account: Account
    factory_id: str
    rows: tuple[InstanceRow, ...]
    key_pairs: tuple[str, ...] = ()
    within_s: float = 30
    """No request begins later than that."""

    @property
    def address(self) -> str:
        return self.account.url

    def perform(self) -> dict[str, str | None]:
        """Only what still is as it was chosen, by its tags, and has not ended by itself, is ended."""
        client = ec2_client(self.account.url, self.account.access_key, self.account.secret_key)
        until = time.monotonic() + self.within_s
        ends: dict[str, str | None] = {}
        for start in range(0, len(self.rows), _AT_ONCE):
            if time.monotonic() < until:
                ends |= self._ended(client, self.rows[start : start + _AT_ONCE], until)
        ends |= self._singly(self.key_pairs, until, lambda name: client.delete_key_pair(KeyName=name))
        return ends

    def _ended(self, client: Any, rows: Sequence[InstanceRow], until: float) -> dict[str, str | None]:
        there: list[InstanceRow] = []
        failure = _failure(lambda: there.extend(self._described(client, rows)))
        if failure is not None:
            return {each.id: failure.text for each in rows}
        now = {each.id: each for each in there if each.state not in ENDED}
        same = [each.id for each in rows if each.id in now and _as_chosen(each, now[each.id])]
        ends: dict[str, str | None] = {each.id: _CHANGED for each in rows if each.id not in same}
        if not same:
            return ends
        # The request fails as a whole because of one instance that is protected, or that the cloud does not know.
        failure = _failure(lambda: client.terminate_instances(InstanceIds=same))
        if failure is None or failure.of_all or len(same) == 1:
            return ends | dict.fromkeys(same, None if failure is None else failure.text)
        return ends | self._singly(same, until, lambda name: client.terminate_instances(InstanceIds=[name]))

    def _described(self, client: Any, rows: Sequence[InstanceRow]) -> Iterator[InstanceRow]:
        mine = [
            {"Name": "tag:apf:factory", "Values": [self.factory_id]},
            {"Name": "instance-id", "Values": [each.id for each in rows]},
        ]
        for group in client.describe_instances(Filters=mine)["Reservations"]:
            yield from map(instance_row, group["Instances"])

    def _singly(self, names: Sequence[str], until: float, act: Callable[[str], object]) -> dict[str, str | None]:
        """What became of each, as far as there was time and sense in going on."""
        ends: dict[str, str | None] = {}
        for name in names:
            if time.monotonic() >= until:
                break
            failure = _failure(lambda: act(name))  # noqa: B023 - called here and now
            ends[name] = None if failure is None else failure.text
            if failure is not None and failure.of_all:
                break
        return ends


def _as_chosen(chosen: InstanceRow, now: InstanceRow) -> bool:
    """One that was chosen because it had stopped must not have been started again."""
    tags = (chosen.vm, chosen.queue, chosen.schedd) == (now.vm, now.queue, now.schedd)
    return tags and (chosen.state not in STOPPED or now.state in STOPPED)


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
