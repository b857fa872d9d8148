"""What a call leaves behind in memory, measured where it runs: in a worker process."""

import ctypes
import gc
from collections.abc import Callable


class _Malloc(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def left_behind(function: Callable[[], object], times: int) -> float:
    """Bytes of malloc that each further call leaves in use; what lies idle in malloc does not count."""
    for _ in range(3):
        function()
    before = _in_use()
    for _ in range(times):
        function()
    return (_in_use() - before) / times


def _in_use() -> int:
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Malloc
    found = mallinfo2()
    return int(found.uordblks + found.hblkhd)
