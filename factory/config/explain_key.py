"""Explain a key, or a plugin and its keys, for ``apf check --explain KEY``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from factory.config.fill import autopyfactory as old
from factory.config.fill.known_keys import PLUGIN_KEY, USER_PREFIX, KnownKeys
from factory.config.fill.schema import Key, schema
from factory.config.installed_plugins import CATEGORIES, PluginError, Registry
from factory.plugin.base import Plugin
from factory.settings.factory import FactorySettings
from factory.settings.queue import MonitorSettings, QueueSettings
from factory.settings.types import Settings

_CATEGORY_OF = {key: category for category, key in (*PLUGIN_KEY.items(), ("monitor", "monitorplugin"))}
"""Category of the plugins that a key names."""
_DURATION = "seconds, or a number with s, m, h, d or w"


class UnknownKey(LookupError):
    """There is no such key or plugin; the text may name the nearest one."""


def explain_key(name: str, registry: Registry) -> str:
    """Return the description of a key, or of a plugin and its keys.

    Raises:
        UnknownKey: there is no such key or plugin.
    """
    name = name.strip()
    texts = [
        *_settings(name, registry),
        *_plugin_keys(name, registry),
        *_plugins(name, registry),
        *_dead(name, registry),
    ]
    if not texts:
        keys = KnownKeys(registry)
        others = [key.name for model in (FactorySettings, MonitorSettings) for key in schema(model).keys]
        names = [*keys.queue_keys(), *others, *_plugin_names(registry)]
        raise UnknownKey(f"there is no key or plugin {name!r}{keys.nearest(name, names)}")
    return "\n\n".join(texts)


def purpose(plugin: type[Plugin]) -> str:
    """Return a plugin's docstring."""
    return inspect.cleandoc(plugin.__doc__ or "")


def _settings(name: str, registry: Registry) -> Iterator[str]:
    """Explain a key of [Factory], of every queue, or of every section of monitorConf; it may be in several."""
    plain = name.removeprefix("Factory.").removeprefix("[Factory] ")
    places: tuple[tuple[type[Settings], str, str], ...] = (
        (FactorySettings, plain, "[Factory]"),
        (QueueSettings, name, "every queue"),
        (MonitorSettings, name, "every section of monitorConf"),
    )
    for model, spelling, place in places:
        if key := schema(model).find(spelling):
            yield _about(key, key.shown, place, _CATEGORY_OF.get(key.name, ""), registry)
    if name.startswith(USER_PREFIX):
        yield f"{name}\n    Keys that start with {USER_PREFIX} are yours; apf reads them only as %({name})s in others."


def _plugin_keys(name: str, registry: Registry) -> Iterator[str]:
    """Explain a key of a plugin, as it is written in the section of a queue or of a monitor."""
    keys = KnownKeys(registry)
    try:
        owner = keys.owner(name)
    except PluginError as error:
        yield str(error)
        return
    if owner is not None and owner.key is not None:
        plugin = registry.get(owner.category, owner.plugin)
        place = f"{owner.category} plugin {owner.plugin}: {purpose(plugin).splitlines()[0]}"
        yield _about(owner.key, owner.prefix + owner.key.shown, place)
    for monitor in registry.names("monitor"):
        try:
            key = schema(registry.get("monitor", monitor).Settings).find(name)
        except PluginError:
            continue
        if key is not None:
            yield _about(key, key.shown, f"monitor plugin {monitor}, in a section of monitorConf")


def _about(key: Key, name: str, place: str, category: str = "", registry: Registry | None = None) -> str:
    names = registry.names(category) if registry is not None and category else []
    lines = [
        name,
        f"    {key.meaning or 'No description.'}",
        f"    type      {key.type}" + (f" ({_DURATION})" if key.type.startswith("duration") else ""),
        f"    unit      {key.unit}" if key.unit else "",
        f"    default   {key.default}",
        f"    plugins   {', '.join(names)}" if names else "",
        f"    read by   {place}",
        f"    formerly  {', '.join(key.old)}" if key.old else "",
    ]
    return "\n".join(line for line in lines if line)


def _plugin_names(registry: Registry) -> list[str]:
    return [name for category in CATEGORIES for name in registry.names(category)]


def _plugins(name: str, registry: Registry) -> Iterator[str]:
    """Explain a plugin, named ``MaxToRun``, ``sched.MaxToRun`` or ``sched.maxtorun``."""
    for category in CATEGORIES:
        rest = name.removeprefix(f"{category}.").rstrip(".")
        plugin = rest if rest in registry.names(category) else registry.by_key(category, rest)
        if plugin is None or (plugin != rest and rest == name):
            continue
        try:
            plugin_class = registry.get(category, plugin)
        except PluginError as error:
            yield str(error)
            continue
        prefix = f"{category}.{plugin.lower()}." if category in PLUGIN_KEY else ""
        text = [f"{plugin} ({category} plugin)", *("    " + line for line in purpose(plugin_class).splitlines())]
        text += [f"\n{_about(key, prefix + key.shown, plugin)}" for key in schema(plugin_class.Settings).keys]
        yield "\n".join(line.rstrip() for line in text)


def _dead(name: str, registry: Registry) -> Iterator[str]:
    """Explain a key or plugin of AutoPyFactory that is no longer read."""
    if targets := old.FACTORY_TO_QUEUES.get(name):
        yield f"{name}\n    Old key of [Factory], read as the default of {' and '.join(targets)} in every queue."
    elif text := old.dead_factory_key(name):
        yield f"{name}\n    Old key of [Factory], no longer read: {text}."
    if text := old.refused_queue_key(name):
        yield f"{name}\n    Old key of queues, an error: it {text}."
    elif (text := old.dead_queue_key(name)) and not KnownKeys(registry).is_read(name):
        yield f"{name}\n    Old key of queues, no longer read: {text}."
    for (category, plugin), text in old.PLUGINS.items():
        if plugin == name and plugin not in registry.names(category):
            yield f"{plugin}\n    Old {category} plugin that {text}."
