"""Reading queues.conf into typed settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory.config.installed_plugins import Registry
    from factory.config.queues import Config
    from factory.plugin.base import Plugin

    Plugins = Registry | Mapping[str, Mapping[str, type[Plugin]]] | None

# Plugins import factory.config.types and so this module: what knows plugins is imported when it is needed.


def load(paths: Sequence[Path], registry: Plugins = None) -> Config:
    """The configuration in these files and directories.

    ``registry`` has the plugins, by category and name; without it they are those that are installed.

    Raises:
        factory.config.problems.ConfigError: with everything that is wrong, errors and warnings.
    """
    from factory.config.build import build

    return build(paths, _registry(registry))


def explain(name: str, registry: Plugins = None) -> str:
    """What a key means, with its type, unit, default and plugin; or what a plugin does, with its keys.

    Raises:
        LookupError: nothing is called so; the text says what may have been meant.
    """
    from factory.config.explain_key import explain_key

    return explain_key(name, _registry(registry))


def _registry(plugins: Plugins) -> Registry:
    from factory.config.installed_plugins import Registry, installed

    if plugins is None:
        return installed()
    return plugins if isinstance(plugins, Registry) else Registry.of(plugins)
