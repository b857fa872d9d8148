"""All files together: ``[Factory]``, the files and directories that it names, and the sections of queues."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.config.factory_defaults import inherit
from factory.config.files.interpolate import referenced_keys
from factory.config.files.scan import FACTORY
from factory.config.files.sections import (
    Defaults,
    Group,
    Section,
    local_path,
    merge_groups,
    read_directory,
    read_file,
    read_path,
)
from factory.config.fill.known_keys import Keys
from factory.config.fill.section import Form, Problems
from factory.config.installed_plugins import Registry
from factory.config.problems import Problem
from factory.settings.factory import FactorySettings


@dataclass
class Everything:
    """What all files say, before the queues are looked at."""

    factory: FactorySettings
    queues: dict[str, Section]
    defaults: list[Defaults]
    monitors: dict[str, Section] | None
    """Sections of monitorConf; None: it can't be read, which is an error already."""
    keys: Keys


def read_everything(paths: Sequence[Path], registry: Registry, problems: Problems) -> Everything:
    """Read these files and directories, and what their [Factory] names."""
    groups = [read_path(path) for path in paths]
    section = merge_groups(groups)[0].get(FACTORY, Section(FACTORY, str(paths[0]), 0))
    form = Form(section, problems)
    factory = form.fill(FactorySettings) or _only_files(form)
    groups += _named_files(form, factory, problems)
    sections, defaults, found = merge_groups(groups)
    sections.pop(FACTORY, None)
    monitors, monitor_groups = _monitors(form, factory, problems)
    scanned = [file for group in (*groups, *monitor_groups) for file in group]
    for problem in (*(problem for file in scanned for problem in file.problems), *found):
        problems.add(problem)
    referenced = {
        name
        for file in scanned
        for entries in file.sections.values()
        for entry in entries.values()
        for name in referenced_keys(entry.value)
    }
    keys = Keys(registry, referenced)
    factory, inherited = inherit(form, factory, keys)
    for queue in sections.values():
        queue.defaults.append(inherited)
    for key in section.own:
        verdict = keys.unread_in_factory(key) if key not in form.seen else None
        if verdict is not None:
            form.tell(verdict.severity, verdict.text, key)
    return Everything(factory, sections, defaults, monitors, keys)


def _only_files(form: Form) -> FactorySettings:
    """What a wrong [Factory] says of other files, so that their errors are found too."""
    keys = ("queueConf", "queueDirConf", "monitorConf")
    given = {key: form.used[key] for key in keys if form.used.get(key) not in (None, "", "None", "none")}
    return FactorySettings.model_validate(given)


def _named_files(form: Form, factory: FactorySettings, problems: Problems) -> list[Group]:
    """What queueConf and queueDirConf name, in this order."""
    groups: list[Group] = []
    for text in factory.queue_conf:
        path = _relative(form, "queueConf", text)
        if path is None:
            continue
        if os.path.isdir(path):
            form.error(f"{text} is a directory; name it in queueDirConf", "queueConf")
        else:
            groups.append(_placed(form, "queueConf", read_file(path)))
    if factory.queue_dir_conf is not None:
        path = _relative(form, "queueDirConf", str(factory.queue_dir_conf))
        if path is not None:
            groups.append(_placed(form, "queueDirConf", read_directory(path)))
    for file in (file for group in groups for file in group):
        if file.sections.pop(FACTORY, None) is not None:
            text = "is not read here: it belongs into a file that is given with --conf"
            problems.add(Problem(file.file, file.lines.pop(FACTORY), FACTORY, None, text))
    return groups


def _placed(form: Form, key: str, group: Group) -> Group:
    """The same files; what is wrong with one as a whole is told of the key that names it."""
    for file in group:
        for problem in [found for found in file.problems if found.line is None and found.severity == "error"]:
            form.error(f"{file.file}: {problem.text}", key)
            file.problems.remove(problem)
    return group


def _monitors(
    form: Form, factory: FactorySettings, problems: Problems
) -> tuple[dict[str, Section] | None, Iterable[Group]]:
    if factory.monitor_conf is None:
        return {}, ()
    path = _relative(form, "monitorConf", str(factory.monitor_conf))
    if path is None:
        return None, ()
    read = read_file(path)
    unread = any(problem.line is None for file in read for problem in file.problems)
    group = _placed(form, "monitorConf", read)
    if unread:
        return None, ()
    sections, _, found = merge_groups([group])
    for problem in found:
        problems.add(problem)
    return sections, (group,)


def _relative(form: Form, key: str, text: str) -> Path | None:
    """A path, beside the file that names it if it is relative."""
    try:
        path = local_path(text)
    except ValueError as error:
        form.error(str(error), key)
        return None
    entry = form.section.get(key)
    return Path(entry.file).parent / path if entry else path
