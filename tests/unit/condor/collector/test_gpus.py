"""A slot stands for an empty machine: all its GPUs are available, whichever are in use."""

from typing import Any

import pytest

from factory.condor.collector.slot_classes import group_slots

pytest.importorskip("htcondor2", reason="without it there is no countMatches")
classad2 = pytest.importorskip("classad2")

ALIKE = {"GPUs_Capability": "7.5", "GPUs_GlobalMemoryMb": "16000", "GPUs_DeviceName": '"Tesla T4"'}
COUNT = "countMatches(MY.RequireGPUs, TARGET.AvailableGPUs)"
NAMES = frozenset(
    ("availablegpus", "detectedgpus", "gpus_capability", "gpus_globalmemorymb", "gpus_gpu_a", "gpus_gpu_b")
)


def slot(name: str, available: str, detected: str, **more: str) -> Any:
    made = classad2.ClassAd()
    attributes = {"Name": f'"{name}"', "Cpus": "4", "TotalSlotCpus": "4", "AvailableGPUs": available,
                  "DetectedGPUs": f'"{detected}"', **more}  # fmt: skip
    for attribute, text in attributes.items():
        made[attribute] = classad2.ExprTree(text)
    return made


def matching(kind: Any, require: str) -> int:
    job = classad2.ClassAd(f"[RequireGPUs = {require}]")
    return int(classad2.ExprTree(COUNT).eval(job, kind))


def test_gpus_in_use_count_as_available_and_machines_alike_are_one_class() -> None:
    slots = group_slots(
        [
            slot("idle", "{ GPUs_GPU_a, GPUs_GPU_b }", "GPU-a, GPU-b", **ALIKE),
            slot("half", "{ GPUs_GPU_c }", "GPU-c, GPU-d", **ALIKE),
            slot("full", "{}", "GPU-e, GPU-f", **ALIKE),
        ],
        NAMES, '"f"', 0,
    )  # fmt: skip
    (kind,) = slots.kinds.values()
    assert matching(kind, "GlobalMemoryMb >= 16000 && Capability > 7") == 2
    assert matching(kind, "GlobalMemoryMb > 16000") == 0


def test_gpus_that_differ_keep_their_own_properties() -> None:
    small, large = "[Capability = 7.5; GlobalMemoryMb = 4000]", "[Capability = 8.0; GlobalMemoryMb = 40000]"
    slots = group_slots([slot("mixed", "{}", "GPU-a, GPU-b", GPUs_GPU_a=small, GPUs_GPU_b=large)], NAMES, '"f"', 0)
    (kind,) = slots.kinds.values()
    assert (matching(kind, "Capability > 0"), matching(kind, "GlobalMemoryMb > 5000")) == (2, 1)


def test_machine_without_gpus_stays_as_it_is() -> None:
    plain = classad2.ClassAd('[Name = "plain"; Cpus = 4; AvailableGPUs = {}]')
    (kind,) = group_slots([plain], NAMES, '"f"', 0).kinds.values()
    assert matching(kind, "true") == 0
