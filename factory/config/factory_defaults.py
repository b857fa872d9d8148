"""Keys of plugins that stood in [Factory]: there they count as the defaults of every queue."""

from __future__ import annotations

from factory.config.files.scan import Entry
from factory.config.files.sections import Defaults
from factory.config.fill import autopyfactory as old
from factory.config.fill.known_keys import Keys
from factory.config.fill.section import Form
from factory.settings.factory import FactorySettings
from factory.settings.types import parse_duration


def inherit(form: Form, factory: FactorySettings, keys: Keys) -> tuple[FactorySettings, Defaults]:
    """[Factory] with what its old keys say, and the defaults that they give to every queue.

    A limit of age that no plugin has as its own becomes the factory's, the smallest one if there are several.
    """
    defaults = Defaults()
    ages: list[int] = []
    for name, readers in old.FACTORY_TO_QUEUES.items():
        seconds = _seconds(form, name)
        if seconds is None:
            continue
        targets = [
            owner.prefix + owner.key.name
            for owner in map(keys.owner_or_none, readers)
            if owner is not None and owner.key is not None
        ]
        place = form.section[name]
        for target in targets:
            defaults[target] = Entry(str(seconds), place.file, place.line, place.section)
        if name.endswith(".sleep"):
            if not targets:
                form.warn(f"is not read any more: {old.SLEEP}", name)
        elif not targets:
            ages.append(seconds)
            form.warn("counts for all that is read; write maxage", name)
    if ages and "maxage" not in form.section:
        factory = factory.model_copy(update={"maxage": min(ages)})
    return factory, defaults


def _seconds(form: Form, name: str) -> int | None:
    value = form.value(name) if name in form.section else None
    if value is None or value in ("None", "none"):
        return None
    try:
        seconds = int(parse_duration(value))
    except ValueError as error:
        form.error(str(error), name)
        return None
    if seconds == 0:
        form.warn(f"is not read: 0 meant no limit, and maxage is {FactorySettings().maxage} s without it", name)
        return None
    return seconds
