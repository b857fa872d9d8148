"""CondorCE: jobs for a compute element that is an HTCondor-CE, by grid type ``condor``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, field_validator

from plugins.batchsubmit.base import PlainJobs, PlainJobSettings


class CondorCE(PlainJobs):
    """Submits the queue's ``executable`` to another schedd.

    A job that the gridmanager would put on hold is removed instead (``Nonessential``): pilots are replaced.
    """

    template = "pilot.sub"

    class Settings(PlainJobSettings):
        gridresource: str
        """Host of the compute element; or name of its schedd and address of its collector, with a blank between."""
        port: int = Field(default=9619, ge=1, le=65535)
        """Port of the compute element's collector, when ``gridresource`` is a host."""

        @field_validator("gridresource")
        @classmethod
        def _one_or_two_words(cls, value: str) -> str:
            if len(value.split()) not in (1, 2):
                raise ValueError(f"{value!r} is neither a host nor 'schedd collector'")
            return value

    settings: Settings

    def universe(self) -> Iterator[str]:
        """Grid type condor."""
        words = self.settings.gridresource.split()
        schedd, collector = words if len(words) == 2 else (words[0], f"{words[0]}:{self.settings.port}")
        yield "universe = grid"
        yield f"grid_resource = condor {schedd} {collector}"
        yield "MY.Nonessential = True"


class CondorOSGCE(CondorCE):
    """The same, and no output comes back but stdout and stderr."""

    def universe(self) -> Iterator[str]:
        """Grid type condor."""
        yield from super().universe()
        yield 'MY.TransferOutput = ""'
