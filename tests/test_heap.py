"""Memory of a worker: what is freed is kept for the next array where the environment would give it back."""

import os
import platform
import subprocess
import sys

import pytest

from eegexplain._heap import kept_memory

CODE = """
import resource
import numpy as np
from eegexplain._heap import kept_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(2**17)  # a MiB: 256 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

found = [faults()]
with kept_memory():
    with kept_memory():
        pass
    faults()
    found.append(faults())
print(*found, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="limits of glibc")
def test_arrays_are_made_of_memory_that_was_freed_before():
    def measured(**environment):
        environment = {name: value for name, value in os.environ.items() if "MALLOC" not in name} | environment
        done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
        return [int(one) for one in done.stdout.split()]

    before, inside, after = measured(MALLOC_TRIM_THRESHOLD_="65536")  # as the nanny of dask does
    assert before > 50 * 200 and after > 50 * 200
    assert inside < 500
    outside = measured(MALLOC_TRIM_THRESHOLD_="65536", MALLOC_MMAP_THRESHOLD_="131072")  # the user's choice stays
    assert min(outside) > 50 * 200


def test_without_limits_nothing_happens(monkeypatch):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.setattr("eegexplain._heap._LIMITS", None)
    with kept_memory():
        pass
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    with pytest.raises(AttributeError), kept_memory():
        pass
