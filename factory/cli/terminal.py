"""Standard output of commands: coloured and fitted to a terminal, plain for files and pipes."""

from __future__ import annotations

from rich.console import Console, RenderableType

_PLAIN_WIDTH = 200
"""Width of tables that go to a file or a pipe."""


class Output:
    """Standard output, coloured only on a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False)
        self.terminal = self._console.is_terminal
        if not self.terminal:
            self._console.width = _PLAIN_WIDTH

    @property
    def width(self) -> int:
        """Number of columns."""
        return self._console.width

    def put(self, what: RenderableType = "") -> None:
        """Print an object; to a file or a pipe without colours and trailing spaces."""
        if self.terminal:
            self._console.print(what)
        elif isinstance(what, str):
            self._console.file.write(what + "\n")
        else:
            with self._console.capture() as capture:
                self._console.print(what)
            text = "\n".join(line.rstrip() for line in capture.get().splitlines())
            self._console.file.write(text.strip("\n") + "\n")
