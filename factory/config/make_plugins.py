"""Find a plugin by name, and create it for a queue."""

from __future__ import annotations

from dataclasses import dataclass

from factory.config.fill import autopyfactory as old
from factory.config.fill.section import SectionReader
from factory.config.installed_plugins import PluginError, Registry
from factory.plugin.base import Jobs, Plugin
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings
from factory.settings.types import Settings


@dataclass(frozen=True)
class PluginMaker:
    """Creates plugins. A failure is reported as an error of the key that names the plugin."""

    registry: Registry
    factory: FactorySettings

    def find(self, category: str, name: str) -> type[Plugin]:
        """Return the class of a plugin.

        Raises:
            PluginError: the plugin can't be used, or was removed since AutoPyFactory.
        """
        if name not in self.registry.names(category) and (category, name) in old.PLUGINS:
            raise PluginError(f"{category} plugin {name} {old.PLUGINS[category, name]}")
        return self.registry.get(category, name)

    def matching_batchstatus(self, name: str, submit: str, reader: SectionReader) -> str:
        """Return the batch status plugin to use with this submit plugin.

        Reports an error if the one the queue names would never see the jobs that it submits.
        """
        key = "batchstatusplugin"
        shows, submits = self._job_kind("batchstatus", name), self._job_kind("batchsubmit", submit)
        if shows is None or submits is None or shows is submits:
            return name
        fact = f"{name} shows {shows.value}, but {submit} submits {submits.value}"
        right = [each for each in self.registry.names("batchstatus") if self._job_kind("batchstatus", each) is submits]
        alias = old.BATCHSTATUS_ALIASES.get((name, submit))
        if alias in right:
            reader.warn(f"{fact}, so {alias} is used; write {key} = {alias}", key)
            return alias
        action = f"; write {key} = {' or '.join(right)}" if right else ""
        reader.error(f"{fact}: the queue would never see its jobs and submit without end{action}", key)
        return name

    def _job_kind(self, category: str, name: str) -> Jobs | None:
        """Return the kind of jobs a plugin shows or submits; None for any kind, or if the plugin can't be used."""
        try:
            plugin = self.find(category, name)
        except PluginError:
            return None
        kind = getattr(plugin, "shows" if category == "batchstatus" else "submits", None)
        return kind if isinstance(kind, Jobs) else None

    def make(
        self,
        plugin: type[Plugin],
        queue: QueueSettings,
        settings: Settings,
        reader: SectionReader,
        key: str,
        title: str,
    ) -> Plugin | None:
        """Return the plugin for this queue; if it can't be created, report an error of ``key`` and return None."""
        try:
            return plugin(queue, settings, self.factory)
        except ValueError as error:
            reader.error(f"{title}: {error}", key)
        except Exception as error:  # noqa: BLE001  a plugin may raise anything
            reader.error(f"{title} can't be created: {type(error).__name__}: {error}", key)
        return None
