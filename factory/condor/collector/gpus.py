"""Properties of all GPUs of a machine, from the ad of a slot whose GPUs are partly in use.

``AvailableGPUs`` lists the GPUs that no job uses. On a machine that works it is no picture of an empty one. Which GPUs
there are is in ``DetectedGPUs``. Properties that all of them share are attributes of the slot, such as
``GPUs_Capability``; else each GPU has an attribute of its own, whose name has the id of the device, such as
``GPUs_GPU_a0223334``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from factory.condor.classad.values import has, value

_PROPERTIES = (
    "Capability", "ClockMhz", "ComputeUnits", "CoresPerCU", "DeviceName", "DriverVersion", "ECCEnabled",
    "GlobalMemoryMb", "MaxSupportedVersion", "OpenCLVersion",
)  # fmt: skip
"""Properties that condor_gpu_discovery finds."""
_COMMON = tuple(f"gpus_{name.lower()}" for name in _PROPERTIES)
_OF_ONE_DEVICE = re.compile(r"(gpus_gpu_.*|availablegpus|assignedgpus|detectedgpus)")
_SURE = "gpus_globalmemorymb"
"""A property that every GPU has; the slot has it if all its GPUs are alike."""


def gpu_attributes(references: Iterable[str]) -> frozenset[str]:
    """Return the attributes to query if jobs refer to properties of GPUs, else none. Names are in lower case."""
    return frozenset(("detectedgpus", *_COMMON)) if "availablegpus" in references else frozenset()


def splitting_attributes(names: Iterable[str], texts: Mapping[str, str]) -> frozenset[str] | None:
    """Return the attributes that split classes of a slot whose GPUs are alike: none of a single device.

    None: its GPUs differ, or it has none.
    """
    return frozenset(name for name in names if not _OF_ONE_DEVICE.fullmatch(name)) if _SURE in texts else None


def is_of_one_device(name: str) -> bool:
    """Return True if the attribute, in lower case, says nothing of other machines."""
    return _OF_ONE_DEVICE.fullmatch(name) is not None and name != "availablegpus"


def set_all_available(ad: Any) -> None:
    """Change ``AvailableGPUs`` of a slot ad into all GPUs that the machine has."""
    import classad2

    detected = value(ad, "DetectedGPUs") if has(ad, "AvailableGPUs") and has(ad, "DetectedGPUs") else None
    if not isinstance(detected, str):
        return
    devices = [device.strip() for device in detected.split(",") if device.strip()]
    common = [(name, ad.lookup(f"GPUs_{name}")) for name in _PROPERTIES if has(ad, f"GPUs_{name}")]
    if has(ad, _SURE):
        one = "[ " + "; ".join(f"{name} = {text}" for name, text in common) + " ]"
        ad["AvailableGPUs"] = classad2.ExprTree(f"{{ {', '.join([one] * len(devices))} }}")
    else:
        names = (f"GPUs_{re.sub(r'[^A-Za-z0-9_]', '_', device)}" for device in devices)
        ad["AvailableGPUs"] = classad2.ExprTree(f"{{ {', '.join(names)} }}")
