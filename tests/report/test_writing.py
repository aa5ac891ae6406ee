"""Between the sections of a report, memory that holds nothing goes back to the system."""

import ctypes
import os
import sys

import numpy as np
import pytest

from eegexplain.report._writing import release_memory


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="other C libraries than glibc"
)
def test_freed_arrays_between_those_that_stay_go_back_to_the_system():
    size = 100_000  # bytes: small enough for the heap
    arrays = [np.ones(size, dtype=np.uint8) for _ in range(1000)]
    arrays = arrays[::20]  # holes, which the heap keeps because something lives behind them
    before = resident()
    release_memory()
    assert before - resident() > 500 * size
    assert all(array.all() for array in arrays)
