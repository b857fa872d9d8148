"""EC2: list and terminate a factory's instances with the credentials of the queue."""

from __future__ import annotations

from collections.abc import Iterable

from factory.plugin import Account, CloudAct, CloudPlugin, InstanceRow, Source
from plugins.cloud.ec2instances import EC2Instances
from plugins.cloud.ec2termination import EC2Termination


class EC2(CloudPlugin):
    """Amazon's EC2 API, and APIs compatible with it."""

    def instances(self, account: Account) -> Source:
        """Return a source that calls DescribeInstances, by tag and page by page, and DescribeKeyPairs."""
        return EC2Instances(
            url=account.url,
            access_key=account.access_key,
            secret_key=account.secret_key,
            factory_id=self.factory.id,
            deadline_s=self.factory.deadline,
            maxage_s=self.factory.maxage,
        )

    def terminate(self, account: Account, instances: Iterable[InstanceRow], key_pairs: Iterable[str] = ()) -> CloudAct:
        """Return an act that checks tags again, then calls TerminateInstances and DeleteKeyPair."""
        within_s = self.factory.deadline / 2
        return EC2Termination(account, self.factory.id, tuple(instances), tuple(key_pairs), within_s)
