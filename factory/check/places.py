"""Find the file and line that a finding is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from factory.config.all_files import read_all_files
from factory.config.files.scan import DEFAULT, FACTORY
from factory.config.files.sections import Section, local_path, merge_groups, read_path
from factory.config.fill.section import Problems
from factory.config.installed_plugins import installed
from factory.config.problems import ConfigError
from factory.plugin.finding import Finding


class Places:
    """Lines of sections and keys; the files are read at the first use."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._sections: dict[str, Section] | None = None

    def locate(self, finding: Finding) -> str | None:
        """Return ``file:line`` of the key or its section; None if the finding names none, or the files have changed."""
        if finding.section is None:
            return None
        if self._sections is None:
            self._sections = self._read()
        section = self._sections.get(finding.section)
        if section is None:
            return None
        entry = section.get(finding.key) if finding.key is not None else None
        return f"{section.file}:{section.line}" if entry is None else f"{entry.file}:{entry.line}"

    def _read(self) -> dict[str, Section]:
        try:
            paths = [local_path(str(path)) for path in self._paths]
            queues = read_all_files(paths, installed(), Problems()).queues
        except (ConfigError, ValueError):
            return {}
        first = merge_groups([read_path(path) for path in paths])[0]
        return {**queues, **{name: section for name, section in first.items() if name in (FACTORY, DEFAULT)}}
