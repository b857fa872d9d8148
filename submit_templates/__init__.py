"""Submit descriptions and cloud-config layers, in the formats of HTCondor and cloud-init."""

from importlib.resources import files


def read(name: str) -> str:
    """Return the text of a template that is part of the package."""
    return (files(__package__) / name).read_text(encoding="utf-8")
