"""CPU seconds of calls beside each other, and how they grow with the data."""

import functools
import statistics
import time

import numpy as np

REPEATS = 5
SIZES = {"trials": (64, 22, 500), "channels": (64, 16, 500), "samples": (64, 22, 500)}  # and four times the one named


def cpu(function):
    """CPU seconds of a call, and what it returns."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def interleaved(**runs):
    """Median CPU seconds of some calls, after one round that does not count."""
    seconds = {name: [] for name in runs}
    for number in range(REPEATS + 1):
        for name, run in runs.items():
            taken, _ = cpu(run)
            if number:
                seconds[name].append(taken)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def exponents(prepare):
    """Seconds at 64 x 22 x 500, and the powers of trials, channels and samples with which they grow.

    ``prepare(n_trials, n_channels, n_times)`` returns a call to be timed.
    """
    runs = {}
    for axis, name in enumerate(SIZES):
        for factor in (1, 4):
            size = [n * factor if axis == place else n for place, n in enumerate(SIZES[name])]
            runs[f"{name} {factor}"] = functools.partial(prepare(*size))
    found = interleaved(**runs)
    return found["trials 1"], [np.log(found[f"{name} 4"] / found[f"{name} 1"]) / np.log(4) for name in SIZES]
