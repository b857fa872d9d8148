"""A key, or a plugin with its keys, in words: ``apf check --explain KEY``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from factory.config.fill import autopyfactory as old
from factory.config.fill.known_keys import CHOICE, FREE, Keys
from factory.config.fill.schema import Key, schema
from factory.config.installed_plugins import CATEGORIES, PluginError, Registry
from factory.plugin.base import Plugin
from factory.settings.factory import FactorySettings
from factory.settings.queue import MonitorSettings, QueueSettings
from factory.settings.types import Settings

_CHOICES = {key: category for category, key in (*CHOICE.items(), ("monitor", "monitorplugin"))}
"""The category of plugins that a key chooses from."""
DURATION = "seconds, or a number with s, m, h, d or w"


class UnknownKey(LookupError):
    """Nothing is called so; the text may say what is."""


def explain_key(name: str, registry: Registry) -> str:
    """What a key means, or what a plugin does and which keys it has.

    Raises:
        UnknownKey: it is neither.
    """
    name = name.strip()
    found = [
        *_settings(name, registry),
        *_plugin_keys(name, registry),
        *_plugins(name, registry),
        *_dead(name, registry),
    ]
    if not found:
        keys = Keys(registry)
        others = [key.name for model in (FactorySettings, MonitorSettings) for key in schema(model).keys]
        names = [*keys.all(), *others, *_plugin_names(registry)]
        raise UnknownKey(f"no key or plugin {name!r}{keys.nearest(name, names)}")
    return "\n\n".join(found)


def purpose(plugin: type[Plugin]) -> str:
    """A plugin's docstring."""
    return inspect.cleandoc(plugin.__doc__ or "")


def _settings(name: str, registry: Registry) -> Iterator[str]:
    """A key of [Factory], of every queue or of every section of monitorConf; one may be several."""
    plain = name.removeprefix("Factory.").removeprefix("[Factory] ")
    places: tuple[tuple[type[Settings], str, str], ...] = (
        (FactorySettings, plain, "[Factory]"),
        (QueueSettings, name, "every queue"),
        (MonitorSettings, name, "every section of monitorConf"),
    )
    for model, spelling, place in places:
        if key := schema(model).find(spelling):
            yield _about(key, key.shown, place, _CHOICES.get(key.name, ""), registry)
    if name.startswith(FREE):
        yield f"{name}\n    Keys that start with {FREE} are the user's own; only %({name})s in other keys reads it."


def _plugin_keys(name: str, registry: Registry) -> Iterator[str]:
    """A key of a plugin, as it stands in a queue's section or, of a monitor, in its own."""
    keys = Keys(registry)
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
        f"    type      {key.type}" + (f" ({DURATION})" if key.type.startswith("duration") else ""),
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
    """A plugin: ``MaxToRun``, ``sched.MaxToRun`` or ``sched.maxtorun``."""
    for category in CATEGORIES:
        rest = name.removeprefix(f"{category}.").rstrip(".")
        plugin = rest if rest in registry.names(category) else registry.by_key(category, rest)
        if plugin is None or (plugin != rest and rest == name):
            continue
        try:
            found = registry.get(category, plugin)
        except PluginError as error:
            yield str(error)
            continue
        prefix = f"{category}.{plugin.lower()}." if category in CHOICE else ""
        text = [f"{plugin} ({category} plugin)", *("    " + line for line in purpose(found).splitlines())]
        text += [f"\n{_about(key, prefix + key.shown, plugin)}" for key in schema(found.Settings).keys]
        yield "\n".join(line.rstrip() for line in text)


def _dead(name: str, registry: Registry) -> Iterator[str]:
    """A key or plugin of AutoPyFactory that is not read any more."""
    if targets := old.FACTORY_TO_QUEUES.get(name):
        yield f"{name}\n    Old key of [Factory]: the default of {' and '.join(targets)} in every queue."
    elif text := old.dead_factory_key(name):
        yield f"{name}\n    Old key of [Factory], not read any more: {text}."
    if text := old.refused_queue_key(name):
        yield f"{name}\n    Old key of queues, refused: it {text}."
    elif (text := old.dead_queue_key(name)) and not Keys(registry).is_read(name):
        yield f"{name}\n    Old key of queues, not read any more: {text}."
    for (category, plugin), text in old.PLUGINS.items():
        if plugin == name and plugin not in registry.names(category):
            yield f"{plugin}\n    Old {category} plugin that {text}."
