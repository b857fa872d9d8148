"""EC2: what the cloud itself says of a factory's instances, asked with the credentials of the queue."""

from __future__ import annotations

from collections.abc import Iterable

from factory.plugin import Account, CloudAct, CloudPlugin, InstanceRow, Source
from plugins.cloud.ec2instances import EC2Instances
from plugins.cloud.ec2termination import EC2Termination


class EC2(CloudPlugin):
    """Amazon's API, and those that follow it."""

    def instances(self, account: Account) -> Source:
        """DescribeInstances, by tag and page by page, and DescribeKeyPairs."""
        return EC2Instances(
            url=account.url,
            access_key=account.access_key,
            secret_key=account.secret_key,
            factory_id=self.factory.id,
            deadline_s=self.factory.deadline,
            maxage_s=self.factory.maxage,
        )

    def terminate(self, account: Account, instances: Iterable[InstanceRow], key_pairs: Iterable[str] = ()) -> CloudAct:
        """TerminateInstances, after another look at their tags, one by one if need be, and DeleteKeyPair."""
        within_s = self.factory.deadline / 2
        return EC2Termination(account, self.factory.id, tuple(instances), tuple(key_pairs), within_s)
