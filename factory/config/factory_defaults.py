"""Apply old plugin keys of [Factory] as defaults of every queue."""

from __future__ import annotations

from factory.config.files.scan import Entry
from factory.config.files.sections import Defaults
from factory.config.fill import autopyfactory as old
from factory.config.fill.known_keys import KnownKeys
from factory.config.fill.section import SectionReader
from factory.settings.factory import FactorySettings
from factory.settings.types import parse_duration


def apply_factory_defaults(
    reader: SectionReader, factory: FactorySettings, keys: KnownKeys
) -> tuple[FactorySettings, Defaults]:
    """Return [Factory] with its old keys applied, and the defaults that they give to every queue.

    An old maximum age that no installed plugin reads becomes ``maxage`` of the factory; the smallest one counts.
    """
    defaults = Defaults()
    ages_s: list[int] = []
    for name, plugin_keys in old.FACTORY_TO_QUEUES.items():
        seconds = _seconds(reader, name)
        if seconds is None:
            continue
        targets = [
            owner.prefix + owner.key.name
            for owner in map(keys.owner_or_none, plugin_keys)
            if owner is not None and owner.key is not None
        ]
        entry = reader.section[name]
        for target in targets:
            defaults[target] = Entry(str(seconds), entry.file, entry.line, entry.section)
        if name.endswith(".sleep"):
            if not targets:
                reader.warn(f"is no longer read: {old.SLEEP}", name)
        elif not targets:
            ages_s.append(seconds)
            reader.warn("is an old key that limits the age of all readings; write maxage instead", name)
    if ages_s and "maxage" not in reader.section:
        factory = factory.model_copy(update={"maxage": min(ages_s)})
    return factory, defaults


def _seconds(reader: SectionReader, name: str) -> int | None:
    value = reader.value(name) if name in reader.section else None
    if value is None or value in ("None", "none"):
        return None
    try:
        seconds = int(parse_duration(value))
    except ValueError as error:
        reader.error(str(error), name)
        return None
    if seconds == 0:
        default_s = FactorySettings().maxage
        reader.warn(f"is not read: 0 used to mean no limit, and maxage is now {default_s} s; remove it", name)
        return None
    return seconds
