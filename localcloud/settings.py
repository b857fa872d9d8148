"""How a local cloud behaves."""

from dataclasses import dataclass
from pathlib import Path

from localcloud.machine import Flavour


@dataclass(frozen=True)
class CloudSettings:
    """What the command line says, and what there was no need to say."""

    directory: Path
    flavour: Flavour = Flavour.AMAZON
    boot_delay_s: float = 1.0
    shutdown_delay_s: float = 1.0
    keep_terminated_s: float = 3600.0
    """How long a terminated instance stays visible."""
    starts_at_once: int = 4
    """Machines that may be starting up together; more would only slow each other down."""
    start_gap_s: float = 0.5
    """How long a start counts as such."""
