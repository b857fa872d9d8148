"""What ends instances of EC2. A worker process imports this, and no plugin."""

from __future__ import annotations

from dataclasses import dataclass

from factory.clouds import ENDED, Account, CloudAct, InstanceRow
from plugins.cloud.ec2instances import ec2_client, row


@dataclass(frozen=True)
class EC2Termination(CloudAct):
    """Ends instances and deletes key pairs of one account."""

    account: Account
    factory_id: str
    rows: tuple[InstanceRow, ...]
    key_pairs: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return self.account.url

    def perform(self) -> tuple[str, ...]:
        """Only what still has the tags by which it was chosen, and has not ended by itself, is ended."""
        client = ec2_client(self.account.url, self.account.access_key, self.account.secret_key)
        done = []
        if self.rows:
            chosen = {each.id: (each.vm, each.queue, each.schedd) for each in self.rows}
            mine = [
                {"Name": "tag:apf:factory", "Values": [self.factory_id]},
                {"Name": "instance-id", "Values": sorted(chosen)},
            ]
            found = client.describe_instances(Filters=mine)["Reservations"]
            rows = [row(each) for group in found for each in group["Instances"]]
            same = [r.id for r in rows if r.state not in ENDED and chosen.get(r.id) == (r.vm, r.queue, r.schedd)]
            if same:
                client.terminate_instances(InstanceIds=same)
                done += same
        for name in self.key_pairs:
            client.delete_key_pair(KeyName=name)
            done.append(name)
        return tuple(done)
