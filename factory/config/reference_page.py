"""Write docs/configuration.md from the settings models: ``python -m factory.config.reference_page``."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

from factory.config.explain_key import purpose
from factory.config.fill import autopyfactory as old
from factory.config.fill.known_keys import PLUGIN_KEY, KnownKeys
from factory.config.fill.schema import Key, schema
from factory.config.installed_plugins import CATEGORIES, Registry
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"

INTRODUCTION = """\
<!-- Written by `python -m factory.config.reference_page`; a test fails when it is out of date. -->

# Configuration

`apf --conf FILE` reads one or more INI files, or directories of `*.conf` files. `[Factory]` holds the factory's own
keys, `[DEFAULT]` gives keys to the queues of its own file, and every other section is a queue. `apf check --conf FILE`
reports all errors with file, line, section and key. `apf check --explain KEY` prints the description of a key.

* Keys and plugin names are case-sensitive. A key that nothing reads is an error, unless another key uses it as
  `%(key)s` or it starts with `x-`.
* `%(key)s` is replaced by the value of that key in the same section; `%%` is a percent sign. `~` at the start of a
  value is the home directory. `None` means no value, as if the key were left out.
* An indented line continues the value above it; a space joins the two. A line that starts with `#` or `;` is a
  comment. After a value, only ` ;` starts a comment.
* A queue's own key overrides every default, even one in a file that is read later. If two files set the same key of
  the same section, the later one counts and `apf check` warns. The files of a directory are read in the order of
  their names and share their `[DEFAULT]`.
* Write durations as `90` or `90s`, `15m`, `12h`, `2d`, `1w`, and separate list items with commas.
* A queue's name has at most 100 letters, digits and `_ . : / @ + = -`, and begins with a letter or digit.
* A relative path in `queueConf`, `queueDirConf` or `monitorConf` starts at the directory of the file that contains it.
  All other paths must be absolute.
* A file is limited to 2 MiB, 50,000 lines and 10,000 sections.
"""

SECTIONS = {
    "wmsstatus": ("WMS status plugins: the waiting work", "wmsstatusplugin"),
    "batchstatus": ("Batch status plugins: the jobs or VMs a queue already has", "batchstatusplugin"),
    "sched": ("Sched plugins: how many VMs or jobs to add or retire", "schedplugin"),
    "batchsubmit": ("Batch submit plugins: how jobs or VMs are submitted", "batchsubmitplugin"),
    "cloud": ("Cloud plugins", ""),
    "monitor": ("Monitor plugins: sections of monitorConf", "monitorplugin"),
}


def page(registry: Registry) -> str:
    """Return the page for these plugins."""
    return "\n".join([INTRODUCTION, *_settings(), *_plugins(registry), *_old(KnownKeys(registry))]).rstrip() + "\n"


def own_plugins(setup_cfg: Path = ROOT / "setup.cfg") -> Registry:
    """Return the plugins that setup.cfg of this source tree declares, regardless of what is installed."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(setup_cfg, encoding="utf-8")
    groups = {category: f"apf.{category}" for category in CATEGORIES}
    written = {
        category: parser.get("options.entry_points", group, fallback="").strip().splitlines()
        for category, group in groups.items()
    }
    return Registry.of_entry_points(
        {
            category: [
                EntryPoint(name.strip(), value.strip(), groups[category])
                for name, _, value in (line.partition("=") for line in lines)
            ]
            for category, lines in written.items()
        }
    )


def _settings() -> Iterator[str]:
    yield "## `[Factory]`\n"
    yield from _table(schema(FactorySettings).keys, "")
    yield "## Every queue\n"
    yield from _table(schema(QueueSettings).keys, "")


def _plugins(registry: Registry) -> Iterator[str]:
    for category, (title, choice) in SECTIONS.items():
        names = registry.names(category)
        if not names:
            continue
        yield f"## {title}\n"
        if choice:
            yield f"`{choice} = {', '.join(names) if category == 'sched' else ' | '.join(names)}`\n"
        for name in names:
            plugin = registry.get(category, name)
            yield f"### {name}\n"
            yield purpose(plugin).replace("``", "`") + "\n"
            yield from _table(
                schema(plugin.Settings).keys, f"{category}.{name.lower()}." if category in PLUGIN_KEY else ""
            )


def _table(keys: Iterable[Key], prefix: str) -> Iterator[str]:
    keys = list(keys)
    if not keys:
        return
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for key in keys:
        formerly = " Formerly " + ", ".join(f"`{prefix}{spelling}`" for spelling in key.old) + "." if key.old else ""
        kind = f"{key.type}, {key.unit}" if key.unit else key.type
        cells = (f"`{prefix}{key.shown}`", kind, key.default, key.meaning.replace("``", "`") + formerly)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _old(keys: KnownKeys) -> Iterator[str]:
    yield "## Keys of AutoPyFactory that are no longer read\n"
    yield "A configuration with these keys is valid, with a warning for each. Those marked as errors must be removed:"
    yield "ignored, the queue would query, or submit to, the wrong schedd.\n"
    yield from _rows("key of `[Factory]`", old.FACTORY)
    moved = old.FACTORY_TO_QUEUES.items()
    defaults = {name: "default of " + ", ".join(f"`{key}`" for key in keys) for name, keys in moved}
    yield from _rows("key of `[Factory]` that sets a default of every queue", defaults)
    refused = {name: f"error: {text}" for name, text in old.QUEUE_REFUSED.items()}
    dead = {name: text for name, text in old.QUEUE.items() if not keys.is_read(name)}
    yield from _rows("key of a queue", {**refused, **dead})
    yield from _rows("plugin", {f"{category} {name}": text for (category, name), text in old.PLUGINS.items()})
    yield "These keys are read, with a warning for values that probably do not do what you want:\n"
    yield from _rows("key", {pattern: text for pattern, _, _, text in old.RISKY_VALUES})


def _rows(title: str, texts: Mapping[str, str]) -> Iterator[str]:
    yield f"| {title} | |\n|---|---|"
    for name, text in texts.items():
        yield f"| `{name}` | {text} |"
    yield ""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(own_plugins()), encoding="utf-8")


if __name__ == "__main__":
    main()
