"""Settings of a local cloud, its credentials and its endpoint."""

from dataclasses import dataclass
from pathlib import Path

from localcloud.machine import Flavour

ACCESS_KEY = "AKIALOCALCLOUD000001"
SECRET_KEY = "local-cloud-secret"  # noqa: S105 - it opens nothing but a local cloud
"""Credentials that every local cloud accepts."""

READY = "ready.json"
"""Name of the file in the cloud's directory that appears when the API answers."""


def url_of(port: int, region: str = "us-east-1") -> str:
    """Return the endpoint for ec2_gahp, which takes service and region from the host name."""
    return f"http://ec2.{region}.localhost:{port}/"


@dataclass(frozen=True)
class CloudSettings:
    """Settings of a local cloud; durations in seconds."""

    directory: Path
    flavour: Flavour = Flavour.AMAZON
    boot_delay_s: float = 1.0
    shutdown_delay_s: float = 1.0
    keep_terminated_s: float = 3600.0
    """Time that DescribeInstances shows a terminated instance."""
    starts_at_once: int = 4
    """Maximum number of machines that start at once; more would slow each other down."""
    start_gap_s: float = 0.5
    """Time that a machine counts as starting after its condor_master has started."""
