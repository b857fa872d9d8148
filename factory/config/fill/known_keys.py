"""Look up which settings model reads a key, and report keys that none reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from factory.config.fill import autopyfactory as old
from factory.config.fill.schema import Key, schema
from factory.config.installed_plugins import PluginError, Registry
from factory.plugin.base import Plugin
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings

PLUGIN_KEY = {
    "wmsstatus": "wmsstatusplugin",
    "batchstatus": "batchstatusplugin",
    "sched": "schedplugin",
    "batchsubmit": "batchsubmitplugin",
}
"""The key of a queue that names its plugins, by category."""

USER_PREFIX = "x-"
"""Prefix of keys that belong to the user; the factory never reads them."""

MAX_SUGGESTIONS = 50
"""Limit on searches for the nearest key, which are slow."""


@dataclass(frozen=True)
class KeyOwner:
    """The plugin that a key's prefix names; ``key`` is None if the plugin has no such key."""

    category: str
    plugin: str
    key: Key | None

    @property
    def prefix(self) -> str:
        """Prefix of the plugin's keys."""
        return f"{self.category}.{self.plugin.lower()}."


@dataclass(frozen=True)
class KeyVerdict:
    """Message about a key that nothing reads."""

    text: str
    severity: Literal["error", "warning"] = "error"


class KnownKeys:
    """Keys of [Factory], of queues and of the installed plugins."""

    def __init__(self, registry: Registry, referenced: AbstractSet[str] = frozenset()) -> None:
        self.registry = registry
        self.referenced = referenced
        """Keys that another value uses as ``%(key)s``."""
        self._searches = 0

    def owner(self, name: str) -> KeyOwner | None:
        """Return the installed plugin whose prefix the key has.

        Raises:
            PluginError: that plugin can't be imported.
        """
        category, _, rest = name.partition(".")
        lower, _, rest = rest.partition(".")
        plugin = self.registry.by_key(category, lower) if rest and category in PLUGIN_KEY else None
        if plugin is None:
            return None
        return KeyOwner(category, plugin, schema(self.registry.get(category, plugin).Settings).find(rest))

    def is_read(self, name: str) -> bool:
        """True if queues or an installed plugin read this key."""
        owner = self.owner_or_none(name)
        return schema(QueueSettings).find(name) is not None or (owner is not None and owner.key is not None)

    def owner_or_none(self, name: str) -> KeyOwner | None:
        """Return the owner of a key, or None if its plugin can't be imported."""
        try:
            return self.owner(name)
        except PluginError:
            return None

    def unread_in_monitor(self, name: str, plugin: type[Plugin]) -> KeyVerdict | None:
        """Return the message about an unread key in a section of monitorConf."""
        if name.startswith(USER_PREFIX) or name in self.referenced:
            return None
        names = [key.shown for key in schema(plugin.Settings).keys]
        return KeyVerdict("no such key" + self.suggestion(name, names))

    def unread_in_queue(self, name: str, value: str, default: bool) -> KeyVerdict | None:
        """Return the message about an unread key in a queue's section or, with ``default``, in ``[DEFAULT]``."""
        if name.startswith(USER_PREFIX) or name in self.referenced or schema(QueueSettings).find(name):
            return None
        try:
            owner = self.owner(name)
        except PluginError as error:
            return None if default else KeyVerdict(f"is not read: {error}", "warning")
        if owner is not None and owner.key is not None:
            choice = PLUGIN_KEY[owner.category]
            text = f"is not read: {choice} does not name {owner.plugin}; add it there, or remove this key"
            return None if default else KeyVerdict(text, "warning")
        if default and schema(FactorySettings).find(name):
            return None
        if refused := old.refused_queue_key(name):
            return KeyVerdict(refused, "warning" if value.strip() in old.HARMLESS_VALUES else "error")
        if dead := old.dead_queue_key(name):
            return KeyVerdict(f"is no longer read: {dead}", "warning")
        if schema(FactorySettings).find(name) or name in old.FACTORY_TO_QUEUES or old.dead_factory_key(name):
            return KeyVerdict("belongs in [Factory]; move it there")
        if owner is not None:
            names = [owner.prefix + key.shown for key in self._keys_of(owner.category, owner.plugin)]
            return KeyVerdict(f"{owner.plugin} has no such key" + self.suggestion(name, names))
        return KeyVerdict("no such key" + self.suggestion(name, self._candidates(name)))

    def unread_in_factory(self, name: str) -> KeyVerdict | None:
        """Return the message about an unread key in [Factory]."""
        if name.startswith(USER_PREFIX) or name in self.referenced:
            return None
        if text := old.dead_factory_key(name):
            return KeyVerdict(f"is no longer read: {text}", "warning")
        names = [key.name for key in schema(FactorySettings).keys]
        if schema(QueueSettings).find(name) or self.owner_or_none(name):
            return KeyVerdict("is a key of queues; move it to a queue's section or to [DEFAULT]")
        return KeyVerdict("no such key in [Factory]" + self.suggestion(name, names))

    def suggestion(self, name: str, candidates: Iterable[str]) -> str:
        """Return the end of an error message: the nearest candidate or, without one, the other way out."""
        near = self.nearest(name, candidates)
        return near or f"; remove it, or start it with {USER_PREFIX} to keep it for yourself"

    def nearest(self, name: str, candidates: Iterable[str]) -> str:
        """Return ``; did you mean …?`` with the nearest candidate, or an empty text."""
        self._searches += 1
        if self._searches > MAX_SUGGESTIONS or len(name) > 100:
            return ""
        names = list(candidates)
        lower = {known.lower(): known for known in reversed(names)}
        near = difflib.get_close_matches(name.lower(), lower, 1, 0.7)
        return f"; did you mean {lower[near[0]]}?" if near else ""

    def queue_keys(self) -> Iterator[str]:
        """Yield every key that a queue's section may have, plugin by plugin."""
        yield from (key.shown for key in schema(QueueSettings).keys)
        for category in PLUGIN_KEY:
            yield from self._keys_in(category)

    def _candidates(self, name: str) -> Iterator[str]:
        category = name.partition(".")[0].lower()
        return self._keys_in(category) if category in PLUGIN_KEY else self.queue_keys()

    def _keys_in(self, category: str) -> Iterator[str]:
        for plugin in self.registry.names(category):
            for key in self._keys_of(category, plugin):
                yield f"{category}.{plugin.lower()}.{key.shown}"

    def _keys_of(self, category: str, plugin: str) -> tuple[Key, ...]:
        try:
            return schema(self.registry.get(category, plugin).Settings).keys
        except PluginError:
            return ()
