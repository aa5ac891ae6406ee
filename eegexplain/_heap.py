"""The heap of a cluster's worker, whose limits cost a third of the time of what works on arrays.

glibc takes large pieces of memory from the system, and gives them back at once, page by page; what is large grows with
use, from 128 KiB to 32 MiB, unless somebody sets one of its limits. Dask's nanny sets one (the environment's
``MALLOC_TRIM_THRESHOLD_``), so that on its workers each array of a network's pass is made of new pages.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator

# mallopt's numbers (malloc.h), and to what glibc itself lets them grow
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
LARGEST = 2**25  # bytes
_FIXED = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")  # the user's own choice


class _Limits:
    """Counts who is inside: the last restores."""

    def __init__(self):
        self._lock = threading.Lock()
        self._depth = 0

    def change(self, step, trim, mmap):
        """Set both limits when the first comes, or when the last has gone."""
        with self._lock:
            alone = self._depth == (0 if step > 0 else 1)
            self._depth += step
            if alone:
                libc = ctypes.CDLL(None)
                libc.mallopt(_TRIM_THRESHOLD, trim)
                libc.mallopt(_MMAP_THRESHOLD, mmap)
                if step < 0:
                    libc.malloc_trim(0)


_LIMITS = _Limits()


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory for the next arrays, as in a process without limits, and give it back at the end.

    It does nothing where no limit of the environment is in the way, and where the library of C is not glibc.

    Yields
    ------
    None
    """
    given = os.environ.get("MALLOC_TRIM_THRESHOLD_", "")
    chosen = not given.isdigit() or any(name in os.environ for name in _FIXED)
    if chosen or os.name != "posix" or not hasattr(ctypes.CDLL(None), "mallopt"):
        yield
        return
    _LIMITS.change(1, 2 * LARGEST, LARGEST)
    try:
        yield
    finally:
        _LIMITS.change(-1, int(given), 2**17)
