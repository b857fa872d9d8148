"""Source: a factory's instances and key pairs in EC2. Worker processes import this module and no plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from factory.model.cloud import CloudRows, InstanceRow
from factory.model.source import Source
from factory.model.status import Unknown
from factory.process.faults import fault

_REGION = re.compile(r"(?:^|\.)(?:ec2|compute)[.-]([a-z]{2}(?:-[a-z]+)+-\d)\.")
_DEFAULT_REGION = "us-east-1"
_KEY_PAIR = "SSH_*"


@dataclass(frozen=True, kw_only=True)
class EC2Instances(Source):
    """Instances tagged ``apf:factory`` with this factory's id."""

    STAGE = 2

    url: str
    access_key: Path | None
    secret_key: Path | None
    factory_id: str

    @property
    def key(self) -> str:
        return f"instances in {self.url}" + (f" by {self.access_key}" if self.access_key else "")

    @property
    def address(self) -> str:
        return self.url

    def fetch(self) -> CloudRows:
        """List instances, page by page, and key pairs."""
        client = ec2_client(self.url, self.access_key, self.secret_key)
        ours = [{"Name": "tag:apf:factory", "Values": [self.factory_id]}]
        pages = client.get_paginator("describe_instances").paginate(Filters=ours, PaginationConfig={"PageSize": 500})
        rows = [instance_row(each) for page in pages for group in page["Reservations"] for each in group["Instances"]]
        return CloudRows(tuple(rows), self._key_pairs(client))

    def _key_pairs(self, client: Any) -> tuple[str, ...] | Unknown:
        """Return the names of key pairs. An account that can't list them still lists instances."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            key_pairs = client.describe_key_pairs(Filters=[{"Name": "key-name", "Values": [_KEY_PAIR]}])["KeyPairs"]
        except ClientError as error:  # the code, since Amazon's message differs each time
            return Unknown(f"key pairs beside {self.key}: {error.response['Error']['Code']} (DescribeKeyPairs)")
        except BotoCoreError as error:
            return Unknown(f"key pairs beside {self.key}: {fault(error)}")
        return tuple(sorted(str(each["KeyName"]) for each in key_pairs))


def ec2_client(url: str, access_key: Path | None, secret_key: Path | None) -> Any:
    """Return a boto3 client with the credentials in these files, or with those of this host if there are none."""
    import boto3
    from botocore.config import Config

    credentials = {}
    if access_key is not None and secret_key is not None:
        credentials = {
            "aws_access_key_id": access_key.read_text(encoding="utf-8").strip(),
            "aws_secret_access_key": secret_key.read_text(encoding="utf-8").strip(),
        }
    config = Config(connect_timeout=10, read_timeout=30, retries={"max_attempts": 2})
    return boto3.client(
        "ec2", endpoint_url=local_endpoint(url), region_name=region_of(url), config=config, **credentials
    )


def region_of(url: str) -> str:
    """Return the region in the host name of an endpoint, as ec2_gahp does."""
    match = _REGION.search(urlsplit(url).hostname or "")
    return match.group(1) if match else _DEFAULT_REGION


def local_endpoint(url: str) -> str:
    """Return the endpoint with a host below ``localhost`` replaced by 127.0.0.1, since such names may not resolve."""
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".localhost"):
        return url
    return parts._replace(netloc="127.0.0.1" + (f":{parts.port}" if parts.port else "")).geturl()


def instance_row(instance: Mapping[str, Any]) -> InstanceRow:
    """Return a row from an instance as boto3 describes it; pure."""
    tags = _tags(instance.get("Tags", ()))
    return InstanceRow(
        id=str(instance["InstanceId"]),
        state=str(instance["State"]["Name"]),
        vm=tags.get("apf:vm", ""),
        queue=tags.get("apf:queue", ""),
        type=str(instance.get("InstanceType", "")),
        zone=str(instance.get("Placement", {}).get("AvailabilityZone", "")),
        launched=instance["LaunchTime"].timestamp() if "LaunchTime" in instance else 0.0,
        schedd=tags.get("apf:schedd", ""),
        lease_max=float(lease_max) if (lease_max := tags.get("apf:lease-max", "")).isdigit() else None,
    )


def _tags(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
