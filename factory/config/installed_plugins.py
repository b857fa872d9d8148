"""Find installed plugins: entry points by category and name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from factory.plugin.base import Plugin
from factory.plugin.batchstatus import BatchStatusPlugin
from factory.plugin.batchsubmit import BatchSubmitPlugin
from factory.plugin.cloud import CloudPlugin
from factory.plugin.monitor import MonitorPlugin
from factory.plugin.sched import SchedPlugin
from factory.plugin.wmsstatus import WmsStatusPlugin
from factory.settings.types import Settings

CATEGORIES: Mapping[str, type[Plugin]] = {
    "wmsstatus": WmsStatusPlugin,
    "batchstatus": BatchStatusPlugin,
    "sched": SchedPlugin,
    "batchsubmit": BatchSubmitPlugin,
    "cloud": CloudPlugin,
    "monitor": MonitorPlugin,
}

Loader = Callable[[], object]


class PluginError(Exception):
    """A plugin that is not installed or can't be used; the text gives the reason."""


class Registry:
    """Plugins by category and name, each imported at its first use."""

    def __init__(self, loaders: Mapping[str, Mapping[str, Loader]]) -> None:
        self._loaders = {category: dict(loaders.get(category, {})) for category in CATEGORIES}
        self._loaded: dict[tuple[str, str], type[Plugin] | PluginError] = {}
        self._lower = {(category, name.lower()): name for category, names in self._loaders.items() for name in names}

    @classmethod
    def of(cls, plugins: Mapping[str, Mapping[str, type[Plugin]]]) -> Registry:
        """Return a registry of these classes."""
        return cls(
            {
                category: {name: lambda plugin=plugin: plugin for name, plugin in named.items()}  # type: ignore[misc]
                for category, named in plugins.items()
            }
        )

    @classmethod
    def of_entry_points(cls, points: Mapping[str, list[EntryPoint]]) -> Registry:
        """Return a registry of these entry points, by category."""
        return cls({category: _loaders(found) for category, found in points.items()})

    def names(self, category: str) -> list[str]:
        """Return the sorted names of a category's plugins."""
        return sorted(self._loaders.get(category, {}))

    def by_key(self, category: str, lower: str) -> str | None:
        """Return the name of the plugin whose keys start with ``<category>.<lower>``."""
        return self._lower.get((category, lower))

    def get(self, category: str, name: str) -> type[Plugin]:
        """Return the class of a plugin.

        Raises:
            PluginError: the plugin is not installed, can't be imported, or is not a plugin class.
        """
        loaded = self._loaded.get((category, name))
        if loaded is None:
            try:
                loaded = self._load(category, name)
            except PluginError as error:
                loaded = error
            self._loaded[category, name] = loaded
        if isinstance(loaded, PluginError):
            raise loaded
        return loaded

    def _load(self, category: str, name: str) -> type[Plugin]:
        loader = self._loaders.get(category, {}).get(name)
        if loader is None:
            raise PluginError(f"no {category} plugin {name!r} is installed{self._suggestion(category, name)}")
        try:
            plugin = loader()
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            raise PluginError(f"{category} plugin {name} can't be imported: {reason}") from error
        base = CATEGORIES[category]
        if not (isinstance(plugin, type) and issubclass(plugin, base)):
            raise PluginError(f"{category} plugin {name} is not a subclass of factory.plugin.{base.__name__}")
        if inspect.isabstract(plugin):
            missing = ", ".join(sorted(getattr(plugin, "__abstractmethods__", ())))
            raise PluginError(f"{category} plugin {name} does not define {missing}")
        if not (isinstance(plugin.Settings, type) and issubclass(plugin.Settings, Settings)):
            raise PluginError(
                f"Settings of {category} plugin {name} is not a subclass of factory.plugin.PluginSettings"
            )
        return plugin

    def _suggestion(self, category: str, name: str) -> str:
        words = [self._lower.get((category, word.lower())) for word in name.split()]
        if len(words) > 1 and None not in words:
            return f"; separate the names with commas: {', '.join(map(str, words))}"
        same = self._lower.get((category, name.lower()))
        names = self.names(category)
        near = [same] if same else difflib.get_close_matches(name, names, 1)
        if near:
            return f"; did you mean {near[0]}?"
        return f"; choose from {', '.join(names)}" if names else ""


def _loaders(points: list[EntryPoint]) -> dict[str, Loader]:
    loaders: dict[str, Loader] = {}
    values: dict[str, str] = {}
    for point in points:
        other = values.setdefault(point.name, point.value)
        if other != point.value:
            loaders[point.name] = _ambiguous(point.name, other, point.value)
        else:
            loaders[point.name] = point.load
    return loaders


def _ambiguous(name: str, *values: str) -> Loader:
    def load() -> object:
        raise PluginError(f"two packages provide a plugin {name}: {' and '.join(values)}; uninstall one")

    return load


@cache
def installed() -> Registry:
    """Return the installed plugins; the entry points are read once per process."""
    points = entry_points()
    return Registry.of_entry_points({name: list(points.select(group=f"apf.{name}")) for name in CATEGORIES})
