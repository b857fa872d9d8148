"""Read queues.conf into typed settings, with every error at its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory.config.installed_plugins import Registry
    from factory.config.queues import Config
    from factory.plugin.base import Plugin

    Plugins = Registry | Mapping[str, Mapping[str, type[Plugin]]] | None

# Imported inside the functions, so that a light module of this package loads without the plugin API.


def load(paths: Sequence[Path], registry: Plugins = None) -> Config:
    """Return the configuration in these files and directories.

    ``registry`` holds the plugins by category and name; without it the installed ones are used.

    Raises:
        factory.config.problems.ConfigError: with all errors and warnings.
    """
    from factory.config.build import build

    return build(paths, _registry(registry))


def describe_key(name: str, registry: Plugins = None) -> str:
    """Return the description of a key, or of a plugin and its keys.

    Raises:
        LookupError: there is no such key or plugin; the text names the nearest one.
    """
    from factory.config.explain_key import explain_key

    return explain_key(name, _registry(registry))


def _registry(plugins: Plugins) -> Registry:
    from factory.config.installed_plugins import Registry, installed

    if plugins is None:
        return installed()
    return plugins if isinstance(plugins, Registry) else Registry.of(plugins)
