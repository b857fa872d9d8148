"""How a local cloud is reached: its address, its credentials, and the file that says so."""

ACCESS_KEY = "AKIALOCALCLOUD000001"
SECRET_KEY = "local-cloud-secret"  # noqa: S105 - it opens nothing but a local cloud
"""The credentials that every local cloud accepts."""

READY = "ready.json"
"""Name of the file, in the cloud's directory, that appears when the API answers."""


def url_of(port: int, region: str = "us-east-1") -> str:
    """The endpoint as ec2_gahp needs it: it takes service and region from the host name."""
    return f"http://ec2.{region}.localhost:{port}/"
