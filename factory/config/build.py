"""From sections to queues, and from files to a valid :class:`Config`, or everything that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from factory.config.all_files import Everything, read_everything
from factory.config.files.scan import DEFAULT
from factory.config.files.sections import Section, local_path
from factory.config.fill import section_names as names
from factory.config.fill.known_keys import CHOICE, FREE
from factory.config.fill.section import MAX_ERRORS, Form, Problems, TooMany
from factory.config.installed_plugins import PluginError, Registry
from factory.config.make_plugins import PluginMaker
from factory.config.monitors import Monitors
from factory.config.problems import ConfigError, Problem
from factory.config.queues import Config, Queue
from factory.plugin import Template
from factory.plugin.base import Plugin
from factory.plugin.batchsubmit import BatchSubmitPlugin
from factory.plugin.sched import Info, SchedPlugin
from factory.settings.queue import QueueSettings
from factory.settings.types import parse_switch, split_list


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
        builder = _Builder(everything, PluginMaker(registry, everything.factory), problems)
        sections = [section for name, section in everything.queues.items() if not names.is_misspelt(name)]
        sound = [queue for queue in map(builder.queue, sections) if queue is not None]
        builder.check_defaults()
        names.check_section_name(everything.queues, problems)
    except TooMany:
        more = Problem(str(paths[0]), None, None, None, f"has more than {MAX_ERRORS} errors; these are the first")
        raise ConfigError([*problems.all(), more]) from None
    found = problems.all()
    if any(problem.severity == "error" for problem in found):
        raise ConfigError(found)
    if not everything.queues:
        found.append(Problem(str(paths[0]), None, None, None, "has no queue", "warning"))
    running = [queue for queue in sound if queue.settings.enabled and everything.factory.enable_queues]
    runs = {queue.name for queue in running}
    return Config(
        factory=everything.factory,
        queues=tuple(sorted(running, key=lambda queue: queue.settings.priority)),
        disabled=tuple(name for name in everything.queues if name not in runs),
        disabled_queues=tuple(queue for queue in sound if queue.name not in runs),
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


def _templates(queue: str, sched: Sequence[SchedPlugin], batchsubmit: BatchSubmitPlugin) -> tuple[Template, ...] | None:
    """What the machines of a queue would show, if its chain looks at groups of jobs."""
    if not any(Info.DEMAND in plugin.needs for plugin in sched):
        return None
    said = tuple((name, text) for plugin in sched for name, text in plugin.machine_attributes().items())
    templates = batchsubmit.templates()
    return tuple(replace(template, attributes=template.attributes + said, queue=queue) for template in templates)


class _Builder:
    """Makes queues of sections."""

    def __init__(self, everything: Everything, maker: PluginMaker, problems: Problems) -> None:
        self.everything = everything
        self.maker = maker
        self.problems = problems
        self.monitors = Monitors(everything, maker, problems)
        self.missing: set[tuple[str, ...]] = set()
        """Plugins that are named and can't be used, by category and lower-case name."""

    def queue(self, section: Section) -> Queue | None:
        """The queue of a section, whether it is to run or not; None: something is wrong with it."""
        form = Form(section, self.problems, lenient=not _enabled(section))
        if not names.QUEUE.fullmatch(section.name):
            form.error(names.RULE)
        if "enabled" not in section:
            form.warn("has no key enabled, so the queue does not run; write enabled = True or False")
        settings = form.fill(QueueSettings, name=section.name)
        made = {category: self._plugins(form, category, settings) for category in CHOICE}
        monitors = self.monitors.of(form, settings) if settings else []
        for key in section.own:
            if key not in form.seen:
                self._unread(form, key)
        if form.failed or settings is None:
            return None
        if made["wmsstatus"]:
            made["wmsstatus"][0].templates = _templates(section.name, made["sched"], made["batchsubmit"][0])
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
        if category == "batchstatus":
            written = self.maker.seeing(written, form.used.get(CHOICE["batchsubmit"], ""), form, choice)
        named = split_list(written) if category == "sched" else (written,) if written else ()
        if not named and category != "wmsstatus":
            form.error("names no plugin" + ("; to add nothing, write Null" if category == "sched" else ""), choice)
        made = [self._plugin(form, category, name, settings) for name in named]
        return [plugin for plugin in made if plugin is not None]

    def _plugin(self, form: Form, category: str, name: str, settings: QueueSettings | None) -> Plugin | None:
        choice = CHOICE[category]
        try:
            plugin = self.maker.find(category, name)
        except PluginError as error:
            self.missing.add((category, name.lower()))
            form.error(str(error), choice)
            return None
        filled = form.fill(plugin.Settings, f"{category}.{name.lower()}.")
        if filled is None or settings is None:
            return None
        made = self.maker.make(plugin, settings, filled, form, choice, f"{category} plugin {name}")
        if made is not None:
            made.name = name
        return made

    def _is_of_missing(self, key: str) -> bool:
        """Whether it is a key of a plugin that can't be used, which is enough of an error."""
        return tuple(key.lower().split(".")[:2]) in self.missing

    def _unread(self, form: Form, key: str) -> None:
        """Say what is to be said of a key of the section that nothing read."""
        if self._is_of_missing(key):
            return
        verdict = self.everything.keys.unread_in_queue(key, form.meant(key), default=False)
        if verdict is not None:
            form.tell(verdict.severity, verdict.text, key)
        elif not key.startswith(FREE):
            form.check(key)

    def check_defaults(self) -> None:
        """Say what is to be said of the keys of each ``[DEFAULT]``."""
        for defaults in self.everything.defaults:
            for key, entry in defaults.items():
                if self._is_of_missing(key):
                    continue
                verdict = self.everything.keys.unread_in_queue(key, entry.value, default=True)
                if verdict is not None:
                    self.problems.add(Problem(entry.file, entry.line, DEFAULT, key, verdict.text, verdict.severity))
