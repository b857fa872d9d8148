"""Which keys anything reads, and what to say of one that nothing reads."""

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

CHOICE = {
    "wmsstatus": "wmsstatusplugin",
    "batchstatus": "batchstatusplugin",
    "sched": "schedplugin",
    "batchsubmit": "batchsubmitplugin",
}
"""The key of a queue that names its plugins of a category."""

FREE = "x-"
"""Keys that start so are the user's own."""

MAX_NEAREST = 50
"""How often a nearest key is looked for: it takes a while, and a file with more typing errors is none."""


@dataclass(frozen=True)
class Owner:
    """The plugin that a key's prefix names, and the key if that plugin has it."""

    category: str
    plugin: str
    key: Key | None

    @property
    def prefix(self) -> str:
        """What the plugin's keys start with."""
        return f"{self.category}.{self.plugin.lower()}."


@dataclass(frozen=True)
class KeyVerdict:
    """What to say of a key that nothing read."""

    text: str
    severity: Literal["error", "warning"] = "error"


class Keys:
    """The keys of everything installed."""

    def __init__(self, registry: Registry, referenced: AbstractSet[str] = frozenset()) -> None:
        self.registry = registry
        self.referenced = referenced
        self._looked = 0

    def owner(self, name: str) -> Owner | None:
        """The installed plugin whose prefix a key has.

        Raises:
            PluginError: that plugin can't be imported.
        """
        category, _, rest = name.partition(".")
        lower, _, rest = rest.partition(".")
        plugin = self.registry.by_key(category, lower) if rest and category in CHOICE else None
        if plugin is None:
            return None
        return Owner(category, plugin, schema(self.registry.get(category, plugin).Settings).find(rest))

    def is_read(self, name: str) -> bool:
        """Whether a queue, or a plugin that is installed, reads this key."""
        owner = self.owner_or_none(name)
        return schema(QueueSettings).find(name) is not None or (owner is not None and owner.key is not None)

    def owner_or_none(self, name: str) -> Owner | None:
        """The same, None also for a plugin that can't be imported."""
        try:
            return self.owner(name)
        except PluginError:
            return None

    def unread_in_monitor(self, name: str, plugin: type[Plugin]) -> KeyVerdict | None:
        """Of a key in a section of monitorConf."""
        if name.startswith(FREE) or name in self.referenced:
            return None
        names = [key.shown for key in schema(plugin.Settings).keys]
        return KeyVerdict("no such key" + self.nearest(name, names))

    def unread_in_queue(self, name: str, value: str, default: bool) -> KeyVerdict | None:
        """Of a key in a queue's section or in ``[DEFAULT]`` that the queue's plugins did not read."""
        if name.startswith(FREE) or name in self.referenced or schema(QueueSettings).find(name):
            return None
        try:
            owner = self.owner(name)
        except PluginError as error:
            return None if default else KeyVerdict(f"is not read: {error}", "warning")
        if owner is not None and owner.key is not None:
            text = f"is not read: {CHOICE[owner.category]} does not name {owner.plugin}"
            return None if default else KeyVerdict(text, "warning")
        if default and schema(FactorySettings).find(name):
            return None
        if refused := old.refused_queue_key(name):
            return KeyVerdict(refused, "warning" if value.strip() in old.SAY_NOTHING else "error")
        if dead := old.dead_queue_key(name):
            return KeyVerdict(f"is not read any more: {dead}", "warning")
        if schema(FactorySettings).find(name) or name in old.FACTORY_TO_QUEUES or old.dead_factory_key(name):
            return KeyVerdict("belongs into [Factory]")
        if owner is not None:
            names = [owner.prefix + key.shown for key in self._keys_of(owner.category, owner.plugin)]
            return KeyVerdict(f"{owner.plugin} has no such key" + self.nearest(name, names))
        return KeyVerdict("no such key" + self.nearest(name, self._like(name)))

    def unread_in_factory(self, name: str) -> KeyVerdict | None:
        """Of a key in [Factory] that is none of its settings."""
        if name.startswith(FREE) or name in self.referenced:
            return None
        if text := old.dead_factory_key(name):
            return KeyVerdict(f"is not read any more: {text}", "warning")
        names = [key.name for key in schema(FactorySettings).keys]
        if schema(QueueSettings).find(name) or self.owner_or_none(name):
            return KeyVerdict("is a key of queues; put it into a queue's section or into [DEFAULT]")
        return KeyVerdict("no such key in [Factory]" + self.nearest(name, names))

    def nearest(self, name: str, candidates: Iterable[str]) -> str:
        """``; did you mean …?``, or nothing."""
        self._looked += 1
        if self._looked > MAX_NEAREST or len(name) > 100:
            return ""
        names = list(candidates)
        lower = {known.lower(): known for known in reversed(names)}
        near = difflib.get_close_matches(name.lower(), lower, 1, 0.7)
        return f"; did you mean {lower[near[0]]}?" if near else ""

    def all(self) -> Iterator[str]:
        """Every key that a queue's section may have, plugin by plugin."""
        yield from (key.shown for key in schema(QueueSettings).keys)
        for category in CHOICE:
            yield from self._under(category)

    def _like(self, name: str) -> Iterator[str]:
        category = name.partition(".")[0].lower()
        return self._under(category) if category in CHOICE else self.all()

    def _under(self, category: str) -> Iterator[str]:
        for plugin in self.registry.names(category):
            for key in self._keys_of(category, plugin):
                yield f"{category}.{plugin.lower()}.{key.shown}"

    def _keys_of(self, category: str, plugin: str) -> tuple[Key, ...]:
        try:
            return schema(self.registry.get(category, plugin).Settings).keys
        except PluginError:
            return ()
