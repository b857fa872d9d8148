"""Read all files: ``[Factory]``, the files and directories it names, and the sections of queues."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.config.factory_defaults import apply_factory_defaults
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
from factory.config.fill.known_keys import KnownKeys
from factory.config.fill.section import Problems, SectionReader
from factory.config.installed_plugins import Registry
from factory.config.problems import Problem
from factory.settings.factory import FactorySettings


@dataclass
class ParsedFiles:
    """Contents of all files, before queues are made from them."""

    factory: FactorySettings
    queues: dict[str, Section]
    defaults: list[Defaults]
    monitors: dict[str, Section] | None
    """Sections of monitorConf; None if it can't be read, which is already reported as an error."""
    keys: KnownKeys


def read_all_files(paths: Sequence[Path], registry: Registry, problems: Problems) -> ParsedFiles:
    """Read these files and directories, and the ones their [Factory] names."""
    groups = [read_path(path) for path in paths]
    section = merge_groups(groups)[0].get(FACTORY, Section(FACTORY, str(paths[0]), 0))
    reader = SectionReader(section, problems)
    factory = reader.fill(FactorySettings) or _paths_only(reader)
    groups += _named_files(reader, factory, problems)
    sections, defaults, overrides = merge_groups(groups)
    sections.pop(FACTORY, None)
    monitors, monitor_groups = _monitors(reader, factory, problems)
    scanned = [file for group in (*groups, *monitor_groups) for file in group]
    for problem in (*(problem for file in scanned for problem in file.problems), *overrides):
        problems.add(problem)
    referenced = {
        name
        for file in scanned
        for entries in file.sections.values()
        for entry in entries.values()
        for name in referenced_keys(entry.value)
    }
    keys = KnownKeys(registry, referenced)
    factory, inherited = apply_factory_defaults(reader, factory, keys)
    for queue in sections.values():
        queue.defaults.append(inherited)
    for key in section.own:
        verdict = keys.unread_in_factory(key) if key not in reader.seen else None
        if verdict is not None:
            reader.add(verdict.severity, verdict.text, key)
    return ParsedFiles(factory, sections, defaults, monitors, keys)


def _paths_only(reader: SectionReader) -> FactorySettings:
    """Return only the file names of a [Factory] that has errors, so that errors in those files are found too."""
    keys = ("queueConf", "queueDirConf", "monitorConf")
    given = {key: reader.used[key] for key in keys if reader.used.get(key) not in (None, "", "None", "none")}
    return FactorySettings.model_validate(given)


def _named_files(reader: SectionReader, factory: FactorySettings, problems: Problems) -> list[Group]:
    """Read the files that queueConf and then queueDirConf name."""
    groups: list[Group] = []
    for text in factory.queue_conf:
        path = _resolve_path(reader, "queueConf", text)
        if path is None:
            continue
        if os.path.isdir(path):
            reader.error(f"{text} is a directory; name it in queueDirConf", "queueConf")
        else:
            groups.append(_report_at_key(reader, "queueConf", read_file(path)))
    if factory.queue_dir_conf is not None:
        path = _resolve_path(reader, "queueDirConf", str(factory.queue_dir_conf))
        if path is not None:
            groups.append(_report_at_key(reader, "queueDirConf", read_directory(path)))
    for file in (file for group in groups for file in group):
        if file.sections.pop(FACTORY, None) is not None:
            text = "is not read here; move it into a file that is given with --conf"
            problems.add(Problem(file.file, file.lines.pop(FACTORY), FACTORY, None, text))
    return groups


def _report_at_key(reader: SectionReader, key: str, group: Group) -> Group:
    """Return the same files, with errors about a whole file moved to the key that names it."""
    for file in group:
        for problem in [each for each in file.problems if each.line is None and each.severity == "error"]:
            reader.error(f"{file.file}: {problem.text}", key)
            file.problems.remove(problem)
    return group


def _monitors(
    reader: SectionReader, factory: FactorySettings, problems: Problems
) -> tuple[dict[str, Section] | None, Iterable[Group]]:
    """Read monitorConf."""
    if factory.monitor_conf is None:
        return {}, ()
    path = _resolve_path(reader, "monitorConf", str(factory.monitor_conf))
    if path is None:
        return None, ()
    files = read_file(path)
    unreadable = any(problem.line is None for file in files for problem in file.problems)
    group = _report_at_key(reader, "monitorConf", files)
    if unreadable:
        return None, ()
    sections, _, overrides = merge_groups([group])
    for problem in overrides:
        problems.add(problem)
    return sections, (group,)


def _resolve_path(reader: SectionReader, key: str, text: str) -> Path | None:
    """Return a path; a relative one starts at the directory of the file with this key."""
    try:
        path = local_path(text)
    except ValueError as error:
        reader.error(str(error), key)
        return None
    entry = reader.section.get(key)
    return Path(entry.file).parent / path if entry else path
