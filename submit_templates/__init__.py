"""Submit descriptions and cloud-config layers, as files that any HTCondor user can read."""

from importlib.resources import files


def read(name: str) -> str:
    """Text of a template that is shipped with the package."""
    return (files(__package__) / name).read_text(encoding="utf-8")
