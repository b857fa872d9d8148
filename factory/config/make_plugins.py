"""Finding a plugin by its name, and making it for a queue."""

from __future__ import annotations

from dataclasses import dataclass

from factory.config.fill import autopyfactory as old
from factory.config.fill.section import Form
from factory.config.installed_plugins import PluginError, Registry
from factory.plugin.base import Jobs, Plugin
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings
from factory.settings.types import Settings


@dataclass(frozen=True)
class PluginMaker:
    """Makes plugins; what goes wrong is an error of the key that names the plugin."""

    registry: Registry
    factory: FactorySettings

    def find(self, category: str, name: str) -> type[Plugin]:
        """The class of a plugin.

        Raises:
            PluginError: it can't be used, or is one of AutoPyFactory that has no successor of its name.
        """
        if name not in self.registry.names(category) and (category, name) in old.PLUGINS:
            raise PluginError(f"{category} plugin {name} {old.PLUGINS[category, name]}")
        return self.registry.get(category, name)

    def seeing(self, name: str, submit: str, form: Form, key: str) -> str:
        """The batch status plugin that is meant beside this submit plugin.

        One that would never see its jobs is an error of ``key``.
        """
        shows, submits = self._kind("batchstatus", name), self._kind("batchsubmit", submit)
        if shows is None or submits is None or shows is submits:
            return name
        right = [each for each in self.registry.names("batchstatus") if self._kind("batchstatus", each) is submits]
        meant = old.BATCHSTATUS.get((name, submit))
        if meant in right:
            form.warn(
                f"{name} shows {shows.value}, and {submit} submits {submits.value}: {meant} is read; write that", key
            )
            return meant
        text = (
            f"{name} shows {shows.value}, and {submit} submits {submits.value}: the queue would never see what it has"
        )
        instead = f"; write {' or '.join(right)}" if right else ""
        form.error(f"{text}, and submit without end{instead}", key)
        return name

    def _kind(self, category: str, name: str) -> Jobs | None:
        """The jobs that a plugin shows or submits; None: any, or it can't be used."""
        try:
            plugin = self.find(category, name)
        except PluginError:
            return None
        found = getattr(plugin, "shows" if category == "batchstatus" else "submits", None)
        return found if isinstance(found, Jobs) else None

    def make(
        self, plugin: type[Plugin], queue: QueueSettings, filled: Settings, form: Form, key: str, title: str
    ) -> Plugin | None:
        """The plugin for this queue; None: it can't be made, and ``key`` of the form has the error."""
        try:
            return plugin(queue, filled, self.factory)
        except ValueError as error:
            form.error(f"{title}: {error}", key)
        except Exception as error:  # noqa: BLE001  a plugin may raise anything
            form.error(f"{title} can't be made: {type(error).__name__}: {error}", key)
        return None
