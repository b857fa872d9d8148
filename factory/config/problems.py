"""Problems in a configuration, each with file, line, section and key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """An error or warning about the configuration."""

    file: str
    line: int | None
    section: str | None
    key: str | None
    text: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        section = f" [{self.section}]" if self.section is not None else ""
        key = f" {self.key}:" if self.key is not None else ""
        kind = "warning: " if self.severity == "warning" else ""
        text = f"{where}:{section}{key} {kind}{self.text}"
        return text.encode(errors="backslashreplace").decode()  # a file name may contain any bytes


class ConfigError(Exception):
    """The configuration can't be used; ``problems`` has all errors and warnings."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
