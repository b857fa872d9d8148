"""Where in the files a finding belongs."""

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
    """Files and lines of sections and keys; the files are read when the first finding asks."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._sections: dict[str, Section] | None = None

    def of(self, finding: Finding) -> str | None:
        """``file:line`` of the key, or of its section; None: it is about no section, or the files have changed."""
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
