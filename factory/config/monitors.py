"""The monitors of a queue: sections of ``monitorConf`` that its ``monitorsection`` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from factory.config.all_files import Everything
from factory.config.files.sections import Section
from factory.config.fill.section import Form, Problems
from factory.config.installed_plugins import PluginError
from factory.config.make_plugins import PluginMaker
from factory.plugin.base import Plugin
from factory.settings.queue import MonitorSettings, QueueSettings
from factory.settings.types import Settings

CHOICE = "monitorsection"


@dataclass(frozen=True)
class _Monitor:
    """A section of monitorConf with which nothing is wrong."""

    plugin: type[Plugin]
    settings: Settings
    used: dict[str, str]


class Monitors:
    """Reads each section once, and makes a plugin of it for each queue that names it."""

    def __init__(self, everything: Everything, maker: PluginMaker, problems: Problems) -> None:
        self.everything = everything
        self.maker = maker
        self.problems = problems
        self.read: dict[str, _Monitor | None] = {}

    def of(self, form: Form, queue: QueueSettings) -> list[Any]:
        """The monitors of a queue, as far as nothing is wrong with them."""
        made = []
        for name in queue.monitorsection:
            monitor = self._named(form, name)
            if monitor is None:
                continue
            form.used |= {f"[{name}] {key}": value for key, value in monitor.used.items()}
            made.append(self.maker.make(monitor.plugin, queue, monitor.settings, form, CHOICE, f"monitor [{name}]"))
        return [monitor for monitor in made if monitor is not None]

    def _named(self, form: Form, name: str) -> _Monitor | None:
        if self.everything.factory.monitor_conf is None:
            form.warn(f"[{name}] is not looked for: [Factory] has no monitorConf", CHOICE)
            return None
        if self.everything.monitors is None:
            return None
        section = self.everything.monitors.get(name)
        if section is None:
            near = self.everything.keys.nearest(name, self.everything.monitors)
            form.error(f"monitorConf has no section [{name}]{near}", CHOICE)
            return None
        if name not in self.read:
            self.read[name] = self._section(section)
        return self.read[name]

    def _section(self, section: Section) -> _Monitor | None:
        form = Form(section, self.problems)
        chosen = form.fill(MonitorSettings)
        if chosen is None:
            return None
        try:
            plugin = self.maker.find("monitor", chosen.monitorplugin)
        except PluginError as error:
            form.error(str(error), "monitorplugin")
            return None
        settings = form.fill(plugin.Settings)
        for key in section.own:
            if key not in form.seen and (verdict := self.everything.keys.unread_in_monitor(key, plugin)):
                form.tell(verdict.severity, verdict.text, key)
        return None if settings is None else _Monitor(plugin, settings, form.used)
