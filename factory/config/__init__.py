"""Reading queues.conf into typed settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory.config.plugins import Registry
    from factory.config.settings import Config
    from factory.plugin import Plugin

# Plugins import factory.config.types and so this module: what knows plugins is imported when it is needed.


def load(paths: Sequence[Path], registry: Registry | Mapping[str, Mapping[str, type[Plugin]]] | None = None) -> Config:
    """The configuration in these files and directories.

    ``registry`` has the plugins, by category and name; without it they are those that are installed.

    Raises:
        factory.config.settings.ConfigError: with everything that is wrong, errors and warnings.
    """
    from factory.config.build import build
    from factory.config.plugins import Registry, installed

    if registry is None:
        registry = installed()
    return build(paths, registry if isinstance(registry, Registry) else Registry.of(registry))
