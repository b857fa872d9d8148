"""Create the monitors of a queue from the sections of ``monitorConf`` that its ``monitorsection`` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from factory.config.all_files import ParsedFiles
from factory.config.files.sections import Section
from factory.config.fill.section import Problems, SectionReader
from factory.config.installed_plugins import PluginError
from factory.config.make_plugins import PluginMaker
from factory.plugin.base import Plugin
from factory.settings.queue import MonitorSettings, QueueSettings
from factory.settings.types import Settings

_KEY = "monitorsection"


@dataclass(frozen=True)
class _Monitor:
    """A valid section of monitorConf."""

    plugin: type[Plugin]
    settings: Settings
    used: dict[str, str]


class Monitors:
    """Reads each section of monitorConf once, and creates its plugin for each queue that names it."""

    def __init__(self, files: ParsedFiles, maker: PluginMaker, problems: Problems) -> None:
        self.files = files
        self.maker = maker
        self.problems = problems
        self._sections: dict[str, _Monitor | None] = {}

    def for_queue(self, reader: SectionReader, queue: QueueSettings) -> list[Any]:
        """Return the monitors of a queue, without those that have errors."""
        made = []
        for name in queue.monitorsection:
            monitor = self._find(reader, name)
            if monitor is None:
                continue
            reader.used |= {f"[{name}] {key}": value for key, value in monitor.used.items()}
            made.append(self.maker.make(monitor.plugin, queue, monitor.settings, reader, _KEY, f"monitor [{name}]"))
        return [monitor for monitor in made if monitor is not None]

    def _find(self, reader: SectionReader, name: str) -> _Monitor | None:
        if self.files.factory.monitor_conf is None:
            reader.warn(f"[{name}] is not read: set monitorConf in [Factory] to the file with this section", _KEY)
            return None
        if self.files.monitors is None:
            return None
        section = self.files.monitors.get(name)
        if section is None:
            near = self.files.keys.nearest(name, self.files.monitors)
            reader.error(f"monitorConf has no section [{name}]{near or '; add it there'}", _KEY)
            return None
        if name not in self._sections:
            self._sections[name] = self._read(section)
        return self._sections[name]

    def _read(self, section: Section) -> _Monitor | None:
        reader = SectionReader(section, self.problems)
        chosen = reader.fill(MonitorSettings)
        if chosen is None:
            return None
        try:
            plugin = self.maker.find("monitor", chosen.monitorplugin)
        except PluginError as error:
            reader.error(str(error), "monitorplugin")
            return None
        settings = reader.fill(plugin.Settings)
        for key in section.own:
            if key not in reader.seen and (verdict := self.files.keys.unread_in_monitor(key, plugin)):
                reader.add(verdict.severity, verdict.text, key)
        return None if settings is None else _Monitor(plugin, settings, reader.used)
