"""Instances that no VM job owns, and what a factory's audits say of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from localcloud.process import CloudProcess
from tests.rig.factory import Factory
from tests.rig.wait import until

SCHEDD = "test@pool"
"""Full name of the schedd of the tests' pools."""
AUDITED = {"audit_interval": 2}
"""For [Factory]: an orphan is believed in after seconds."""


@contextmanager
def launched(cloud: CloudProcess, tags: Mapping[str, str], user_data: bytes = b"") -> Iterator[str]:
    """An instance that no VM job started; its tags with _ for a colon, without those that are empty."""
    named = [{"Key": key.replace("_", ":"), "Value": value} for key, value in tags.items() if value]
    client = cloud.client()
    answer = client.run_instances(
        ImageId="ami-12345678", InstanceType="t2.small", MinCount=1, MaxCount=1, UserData=user_data.decode(),
        InstanceInitiatedShutdownBehavior="terminate",
        TagSpecifications=[{"ResourceType": "instance", "Tags": named}],
    )  # fmt: skip
    instance = str(answer["Instances"][0]["InstanceId"])
    yield instance
    client.terminate_instances(InstanceIds=[instance])


def audit(factory: Factory) -> Mapping[str, Any]:
    """What the running factory's last audit found, by name."""
    return {each["name"]: each for each in (factory.status().get("audit") or {}).get("orphans", ())}


def audits(factory: Factory, count: int = 2) -> None:
    """Wait until so many more audits have ended that could ask everybody."""

    def ended() -> float:
        last = factory.status().get("audit") or {}
        return 0.0 if last.get("unknown", True) else float(last["ended"])

    for _ in range(count):
        last = ended()
        until(lambda: ended() > last, "an audit", 30)  # noqa: B023 - called before the next one
