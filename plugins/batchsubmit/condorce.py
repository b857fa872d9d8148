"""CondorCE: jobs for an HTCondor-CE, by grid type ``condor``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, field_validator

from plugins.batchsubmit.base import PlainJobs, PlainJobSettings


class CondorCE(PlainJobs):
    """Submit the queue's ``executable`` to another schedd.

    A job that the gridmanager would hold is removed instead (``Nonessential``), since pilots are replaced.
    """

    template = "pilot.sub"

    class Settings(PlainJobSettings):
        gridresource: str
        """Host of the compute element; or its schedd's name and its collector's address, with a blank between."""
        port: int = Field(default=9619, ge=1, le=65535)
        """Port of the compute element's collector, when ``gridresource`` is a host."""

        @field_validator("gridresource")
        @classmethod
        def _one_or_two_words(cls, value: str) -> str:
            if len(value.split()) not in (1, 2):
                raise ValueError(f"{value!r} is neither a host nor 'schedd collector'; write one of the two")
            return value

    settings: Settings

    def universe(self) -> Iterator[str]:
        """Yield the lines of grid type condor."""
        words = self.settings.gridresource.split()
        schedd, collector = words if len(words) == 2 else (words[0], f"{words[0]}:{self.settings.port}")
        yield "universe = grid"
        yield f"grid_resource = condor {schedd} {collector}"
        yield "MY.Nonessential = True"


class CondorOSGCE(CondorCE):
    """CondorCE that transfers only stdout and stderr back."""

    def universe(self) -> Iterator[str]:
        """Yield the lines of grid type condor."""
        yield from super().universe()
        yield 'MY.TransferOutput = ""'
