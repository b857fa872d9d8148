"""Finding a plugin by its name, and making it for a queue."""

from __future__ import annotations

from dataclasses import dataclass

from factory.config import old
from factory.config.form import Form
from factory.config.plugins import PluginError, Registry
from factory.config.settings import FactorySettings, QueueSettings
from factory.config.types import Settings
from factory.plugin import Plugin


@dataclass(frozen=True)
class Maker:
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
