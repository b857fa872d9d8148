"""From sections to queues, and from files to a valid :class:`Config`, or everything that is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from factory.config import old
from factory.config.everything import FACTORY, Everything, read_everything
from factory.config.form import MAX_ERRORS, Form, Problems, TooMany
from factory.config.keys import CHOICE, FREE
from factory.config.plugins import PluginError, Registry
from factory.config.read import Section, local_path
from factory.config.scan import DEFAULT
from factory.config.settings import Config, ConfigError, Problem, Queue, QueueSettings
from factory.config.types import Settings, parse_switch, split_list
from factory.plugin import Plugin

QUEUE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+=-]{0,99}")
"""What a queue may be called: its name goes into ClassAd strings, tags and names of directories."""


def build(paths: Sequence[Path], registry: Registry) -> Config:
    """Read these files and directories.

    Raises:
        ConfigError: with everything that is wrong.
    """
    if not paths:
        raise ConfigError([Problem("--conf", None, None, None, "names no file")])
    problems = Problems()
    try:
        everything = read_everything(_local(paths), registry, problems)
        builder = _Builder(everything, registry, problems)
        sound = [queue for queue in map(builder.queue, everything.queues.values()) if queue is not None]
        builder.check_defaults()
        builder.check_names(str(paths[0]))
    except TooMany:
        more = Problem(str(paths[0]), None, None, None, f"has more than {MAX_ERRORS} errors; these are the first")
        raise ConfigError([*problems.all(), more]) from None
    found = problems.all()
    if any(problem.severity == "error" for problem in found):
        raise ConfigError(found)
    running = [queue for queue in sound if queue.settings.enabled and everything.factory.enable_queues]
    names = {queue.name for queue in running}
    return Config(
        factory=everything.factory,
        queues=tuple(sorted(running, key=lambda queue: queue.settings.priority)),
        disabled=tuple(name for name in everything.queues if name not in names),
        stopped=tuple(queue for queue in sound if queue.name not in names),
        warnings=tuple(found),
    )


def _local(paths: Sequence[Path]) -> list[Path]:
    try:
        return [local_path(str(path)) for path in paths]
    except ValueError as error:
        raise ConfigError([Problem("--conf", None, None, None, str(error))]) from None


def _enabled(section: Section) -> bool:
    """Whether a queue is to run; also if that can't be told, so that the error is one."""
    if "enabled" not in section:
        return False
    try:
        return bool(parse_switch(Form(section, Problems()).value("enabled") or "True"))
    except ValueError:
        return section["enabled"].value.strip() not in ("None", "none")


class _Builder:
    """Makes queues of sections."""

    def __init__(self, everything: Everything, registry: Registry, problems: Problems) -> None:
        self.everything = everything
        self.registry = registry
        self.problems = problems
        self.missing: set[tuple[str, str]] = set()
        """Plugins that are named and can't be used, by category and lower-case name."""
        self.monitors: dict[str, tuple[type[Plugin], Settings, dict[str, str]] | None] = {}

    def queue(self, section: Section) -> Queue | None:
        """The queue of a section, whether it is to run or not; None: something is wrong with it."""
        enabled = _enabled(section)
        form = Form(section, self.problems, lenient=not enabled)
        if not QUEUE_NAME.fullmatch(section.name):
            form.error(
                "a queue's name goes into ClassAds, tags and directories: it starts with a letter or digit, "
                "and has at most 100 of the letters of ASCII, digits and _ . : / @ + = -"
            )
        if "enabled" not in section:
            form.warn("has no key enabled, so the queue does not run; write enabled = True or False")
        settings = form.fill(QueueSettings, name=section.name)
        made = {category: self._plugins(form, category, settings) for category in CHOICE}
        monitors = self._monitors(form, settings)
        for key in section.own:
            if key not in form.seen:
                self._unread(form, key)
        if form.failed or settings is None:
            return None
        return Queue(
            settings=settings,
            wmsstatus=next(iter(made["wmsstatus"]), None),
            batchstatus=made["batchstatus"][0],
            sched=tuple(made["sched"]),
            batchsubmit=made["batchsubmit"][0],
            monitors=tuple(monitors),
            text=tuple(sorted(form.used.items())),
        )

    def _plugins(self, form: Form, category: str, settings: QueueSettings | None) -> list[Any]:
        """The plugins of a category that a queue names."""
        choice = CHOICE[category]
        written = form.used.get(choice)
        if written is None or written in ("None", "none"):
            return []
        names = split_list(written) if category == "sched" else (written,) if written else ()
        if not names and category != "wmsstatus":
            form.error("names no plugin" + ("; to add nothing, write Null" if category == "sched" else ""), choice)
        made = [self._plugin(form, category, name, settings) for name in names]
        return [plugin for plugin in made if plugin is not None]

    def _plugin(self, form: Form, category: str, name: str, settings: QueueSettings | None) -> Plugin | None:
        try:
            plugin = self._class(category, name)
        except PluginError as error:
            self.missing.add((category, name.lower()))
            form.error(str(error), CHOICE[category])
            return None
        filled = form.fill(plugin.Settings, f"{category}.{name.lower()}.")
        if filled is None or settings is None:
            return None
        made = self._instance(form, plugin, f"{category} plugin {name}", settings, filled, CHOICE[category])
        if made is not None:
            made.name = name
        return made

    def _class(self, category: str, name: str) -> type[Plugin]:
        if name not in self.registry.names(category) and (category, name) in old.PLUGINS:
            raise PluginError(f"{category} plugin {name} {old.PLUGINS[category, name]}")
        return self.registry.get(category, name)

    def _instance(
        self,
        form: Form,
        plugin: type[Plugin],
        title: str,
        settings: QueueSettings,
        filled: Settings,
        key: str,
    ) -> Plugin | None:
        try:
            return plugin(settings, filled, self.everything.factory)
        except ValueError as error:
            form.error(f"{title}: {error}", key)
        except Exception as error:  # noqa: BLE001  a plugin may raise anything
            form.error(f"{title} can't be made: {type(error).__name__}: {error}", key)
        return None

    def _monitors(self, form: Form, settings: QueueSettings | None) -> list[Any]:
        made = []
        for name in settings.monitorsection if settings else ():
            if self.everything.factory.monitor_conf is None:
                form.warn(f"[{name}] is not looked for: [Factory] has no monitorConf", "monitorsection")
                continue
            section = self.everything.monitors.get(name)
            if section is None:
                near = self.everything.keys.nearest(name, list(self.everything.monitors))
                form.error(f"monitorConf has no section [{name}]{near}", "monitorsection")
                continue
            if name not in self.monitors:
                self.monitors[name] = self._monitor(section)
            known = self.monitors[name]
            if known is None or settings is None:
                form.failed = True
                continue
            plugin, filled, used = known
            form.used |= {f"[{name}] {key}": value for key, value in used.items()}
            made.append(self._instance(form, plugin, f"monitor [{name}]", settings, filled, "monitorsection"))
        return [monitor for monitor in made if monitor is not None]

    def _monitor(self, section: Section) -> tuple[type[Plugin], Settings, dict[str, str]] | None:
        form = Form(section, self.problems)
        name = form.value("monitorplugin") if "monitorplugin" in section else None
        if name is None:
            form.error("is missing: the plugin that this section sets up", "monitorplugin")
            return None
        try:
            plugin = self._class("monitor", name)
        except PluginError as error:
            form.error(str(error), "monitorplugin")
            return None
        filled = form.fill(plugin.Settings)
        for key in section.own:
            if key not in form.seen and (verdict := self.everything.keys.unread_in_monitor(key, plugin)):
                form.tell(verdict.severity, verdict.text, key)
        return None if filled is None else (plugin, filled, form.used)

    def _unread(self, form: Form, key: str) -> None:
        """Say what is to be said of a key of the section that nothing read."""
        if tuple(key.lower().split(".")[:2]) in self.missing:
            return
        verdict = self.everything.keys.unread_in_queue(key, default=False)
        if verdict is not None:
            form.tell(verdict.severity, verdict.text, key)
        elif not key.startswith(FREE):
            form.check(key)

    def check_defaults(self) -> None:
        """Say what is to be said of the keys of each ``[DEFAULT]``."""
        for defaults in self.everything.defaults:
            for key, entry in defaults.items():
                if tuple(key.lower().split(".")[:2]) in self.missing:
                    continue
                verdict = self.everything.keys.unread_in_queue(key, default=True)
                if verdict is not None:
                    self.problems.add(Problem(entry.file, entry.line, DEFAULT, key, verdict.text, verdict.severity))

    def check_names(self, file: str) -> None:
        """Say what is to be said of the names of sections."""
        if not self.everything.queues and not self.problems.all():
            self.problems.add(Problem(file, None, None, None, "has no queue", "warning"))
        directories: dict[str, str] = {}
        for name, section in self.everything.queues.items():
            if name.lower() in (DEFAULT.lower(), FACTORY.lower()):
                right = DEFAULT if name.lower() == DEFAULT.lower() else FACTORY
                text = f"write [{right}]; the spelling matters"
                self.problems.add(Problem(section.file, section.line, name, None, text))
            other = directories.setdefault(name.replace("/", "_").replace(":", "_"), name)
            if other != name:
                text = f"shares the directory of its logs with [{other}], as / and : become _ there"
                self.problems.add(Problem(section.file, section.line, name, None, text, "warning"))
