"""Build a valid :class:`Config` from files, or report everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from factory.config.all_files import ParsedFiles, read_all_files
from factory.config.files.scan import DEFAULT
from factory.config.files.sections import Section, local_path
from factory.config.fill import section_names as names
from factory.config.fill.known_keys import PLUGIN_KEY, USER_PREFIX
from factory.config.fill.section import MAX_ERRORS, Problems, SectionReader, TooManyErrors
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
    """Return the configuration in these files and directories.

    Raises:
        ConfigError: with all errors and warnings.
    """
    if not paths:
        raise ConfigError([Problem("--conf", None, None, None, "names no file; give the path of queues.conf")])
    problems = Problems()
    try:
        files = read_all_files(_local(paths), registry, problems)
        builder = _Builder(files, PluginMaker(registry, files.factory), problems)
        sections = [section for name, section in files.queues.items() if not names.is_misspelt(name)]
        valid = [queue for queue in map(builder.queue, sections) if queue is not None]
        builder.check_defaults()
        names.check_section_names(files.queues, problems)
    except TooManyErrors:
        text = f"has more than {MAX_ERRORS} errors; correct these first, then run apf check again"
        raise ConfigError([*problems.all(), Problem(str(paths[0]), None, None, None, text)]) from None
    found = problems.all()
    if any(problem.severity == "error" for problem in found):
        raise ConfigError(found)
    if not files.queues:
        text = "has no queue; add a [section] for each queue"
        found.append(Problem(str(paths[0]), None, None, None, text, "warning"))
    enabled = [queue for queue in valid if queue.settings.enabled and files.factory.enable_queues]
    enabled_names = {queue.name for queue in enabled}
    return Config(
        factory=files.factory,
        queues=tuple(sorted(enabled, key=lambda queue: queue.settings.priority)),
        disabled=tuple(name for name in files.queues if name not in enabled_names),
        disabled_queues=tuple(queue for queue in valid if queue.name not in enabled_names),
        warnings=tuple(found),
    )


def _local(paths: Sequence[Path]) -> list[Path]:
    try:
        return [local_path(str(path)) for path in paths]
    except ValueError as error:
        raise ConfigError([Problem("--conf", None, None, None, str(error))]) from None


def _is_enabled(section: Section) -> bool:
    """True if the queue runs, or if ``enabled`` can't be read, so that this is reported as an error."""
    if "enabled" not in section:
        return False
    try:
        return bool(parse_switch(SectionReader(section, Problems()).value("enabled") or "True"))
    except ValueError:
        return section["enabled"].value.strip() not in ("None", "none")


def _templates(queue: str, sched: Sequence[SchedPlugin], batchsubmit: BatchSubmitPlugin) -> tuple[Template, ...] | None:
    """Return the machine ads a queue's new VMs would have, or None if its chain does not use job groups."""
    if not any(Info.DEMAND in plugin.needs for plugin in sched):
        return None
    extra = tuple((name, text) for plugin in sched for name, text in plugin.machine_attributes().items())
    templates = batchsubmit.templates()
    return tuple(replace(template, attributes=template.attributes + extra, queue=queue) for template in templates)


class _Builder:
    """Builds queues from sections."""

    def __init__(self, files: ParsedFiles, maker: PluginMaker, problems: Problems) -> None:
        self.files = files
        self.maker = maker
        self.problems = problems
        self.monitors = Monitors(files, maker, problems)
        self.unusable: set[tuple[str, ...]] = set()
        """Category and lower-case name of the plugins that are named but can't be used."""

    def queue(self, section: Section) -> Queue | None:
        """Return the queue of a section, enabled or not; None if the section has errors."""
        reader = SectionReader(section, self.problems, lenient=not _is_enabled(section))
        if not names.QUEUE.fullmatch(section.name):
            reader.error(names.RULE)
        if "enabled" not in section:
            reader.warn("does not run, because it has no key enabled; write enabled = True or enabled = False")
        settings = reader.fill(QueueSettings, name=section.name)
        made = {category: self._plugins(reader, category, settings) for category in PLUGIN_KEY}
        monitors = self.monitors.for_queue(reader, settings) if settings else []
        for key in section.own:
            if key not in reader.seen:
                self._report_unread(reader, key)
        if reader.failed or settings is None:
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
            text=tuple(sorted(reader.used.items())),
        )

    def _plugins(self, reader: SectionReader, category: str, settings: QueueSettings | None) -> list[Any]:
        """Return the plugins of a category that the queue names."""
        key = PLUGIN_KEY[category]
        written = reader.used.get(key)
        if written is None or written in ("None", "none"):
            return []
        if category == "batchstatus":
            written = self.maker.matching_batchstatus(written, reader.used.get(PLUGIN_KEY["batchsubmit"], ""), reader)
        plugin_names = split_list(written) if category == "sched" else (written,) if written else ()
        if not plugin_names and category != "wmsstatus":
            instead = "Null to add nothing" if category == "sched" else " or ".join(self.maker.registry.names(category))
            reader.error(f"names no plugin; write {instead}", key)
        made = [self._plugin(reader, category, name, settings) for name in plugin_names]
        return [plugin for plugin in made if plugin is not None]

    def _plugin(self, reader: SectionReader, category: str, name: str, settings: QueueSettings | None) -> Plugin | None:
        key = PLUGIN_KEY[category]
        try:
            plugin = self.maker.find(category, name)
        except PluginError as error:
            self.unusable.add((category, name.lower()))
            reader.error(str(error), key)
            return None
        plugin_settings = reader.fill(plugin.Settings, f"{category}.{name.lower()}.")
        if plugin_settings is None or settings is None:
            return None
        made = self.maker.make(plugin, settings, plugin_settings, reader, key, f"{category} plugin {name}")
        if made is not None:
            made.name = name
        return made

    def _belongs_to_unusable(self, key: str) -> bool:
        """True for a key of a plugin that can't be used, which is reported already."""
        return tuple(key.lower().split(".")[:2]) in self.unusable

    def _report_unread(self, reader: SectionReader, key: str) -> None:
        """Report a key of the section that nothing read, unless it is the user's own."""
        if self._belongs_to_unusable(key):
            return
        verdict = self.files.keys.unread_in_queue(key, reader.value_or_text(key), default=False)
        if verdict is not None:
            reader.add(verdict.severity, verdict.text, key)
        elif not key.startswith(USER_PREFIX):
            reader.check_references(key)

    def check_defaults(self) -> None:
        """Report the keys of each ``[DEFAULT]`` that no queue can read."""
        for defaults in self.files.defaults:
            for key, entry in defaults.items():
                if self._belongs_to_unusable(key):
                    continue
                verdict = self.files.keys.unread_in_queue(key, entry.value, default=True)
                if verdict is not None:
                    self.problems.add(Problem(entry.file, entry.line, DEFAULT, key, verdict.text, verdict.severity))
