"""Reverse correlation beside braindecode 0.4.85's ``activation_reverse_correlation``.

Run ``OMP_NUM_THREADS=1 python benchmarks/bench_reverse_correlation.py [FOLDER]``; the table goes to
``benchmarks/results/reverse_correlation.md``. The peer is looked for in FOLDER, made by
``pip install --no-deps --target FOLDER braindecode==0.4.85``; without it only our times are taken.
"""

import importlib.util
import pathlib
import statistics
import sys
import tempfile
import threading
import time

import numpy as np
import psutil

from eegexplain._parallel import single_thread
from eegexplain.reverse_correlation import reverse_correlation

TRIALS, CHANNELS, TIMES, FILTERS = 288, 22, 1000, 40
CASES = [("float32", 25, 20), ("float64", 25, 10), ("float32", 500, 150)]
RESULTS = pathlib.Path(__file__).parent / "results" / "reverse_correlation.md"


def peer(folder):
    """The earlier function, loaded without its package's other imports, or None."""
    path = pathlib.Path(folder or ".") / "braindecode" / "visualization" / "input_windows.py"
    if not path.exists():
        return None
    spec = importlib.util.spec_from_file_location("input_windows", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.activation_reverse_correlation


def cpu(function):
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def compare(old, dtype, width):
    """Median CPU seconds of both, interleaved, and the largest relative difference of their results."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((TRIALS, CHANNELS, TIMES)).astype(dtype)
    activations = rng.standard_normal((TRIALS, FILTERS, TIMES - width + 1)).astype(dtype)
    taken = FILTERS if width < 100 else 1  # the earlier loop is linear in the filters
    ours, theirs, difference = [], [], np.nan
    for _ in range(3):
        seconds, templates = cpu(lambda: reverse_correlation(X, activations, width, normalize=False))
        ours.append(seconds)
        if old is not None:
            seconds, expected = cpu(lambda: old(X[..., None], activations[:, :taken, :, None], np.array([width, 1])))
            theirs.append(seconds * FILTERS / taken)
            difference = np.abs(expected[..., 0] - templates[:taken]).max() / np.abs(expected).max()
    return statistics.median(ours), statistics.median(theirs) if theirs else np.nan, difference


def memory():
    """Anonymous MiB on top of what was there, for four times the trials read from disk."""
    with tempfile.TemporaryDirectory() as folder:
        shapes = {"x": (4 * TRIALS, CHANNELS, TIMES), "a": (4 * TRIALS, FILTERS, TIMES - 24)}
        mapped = {n: np.memmap(f"{folder}/{n}", "float32", "w+", shape=shape) for n, shape in shapes.items()}
        for array in mapped.values():
            for start in range(0, len(array), TRIALS):
                array[start : start + TRIALS] = np.random.default_rng(0).standard_normal(array[:TRIALS].shape)
        process = psutil.Process()
        before, peak = private(process), 0.0
        done = threading.Event()

        def watch():
            nonlocal peak
            while not done.wait(0.01):
                peak = max(peak, private(process))

        watcher = threading.Thread(target=watch)
        watcher.start()
        reverse_correlation(mapped["x"], mapped["a"], 25)
        done.set()
        watcher.join()
    return peak - before


def private(process):
    """Resident memory that is not a file's, in MiB."""
    info = process.memory_info()
    return (info.rss - info.shared) / 2**20


def main():
    old = peer(sys.argv[1] if len(sys.argv) > 1 else None)
    rows = []
    with single_thread():
        for dtype, width, target in CASES:
            ours, theirs, difference = compare(old, dtype, width)
            rows.append(
                f"| {dtype} | {width} | {ours:.3f} s | {theirs:.1f} s | {theirs / ours:.0f}x | {target}x "
                f"| {difference:.0e} |"
            )
        extra = memory()
    RESULTS.write_text(
        f"""# Reverse correlation: {FILTERS} filters, {TRIALS} x {CHANNELS} x {TIMES}, one thread

2-core x86-64 VM, Python {sys.version.split()[0]}, NumPy {np.__version__}; CPU time, median of three interleaved runs.
Peer: `activation_reverse_correlation` of braindecode 0.4.85 (for width 500 one filter, times {FILTERS}: its loop is
linear in the filters). Reproduce with `python benchmarks/bench_reverse_correlation.py FOLDER`.

| numbers | width | eegexplain | braindecode 0.4.85 | ratio | target | largest relative difference |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Memory for {4 * TRIALS} trials read from disk in batches of 64: {extra:.0f} MiB (inputs and activations are
{4 * TRIALS * (CHANNELS * TIMES + FILTERS * (TIMES - 24)) * 4 / 2**20:.0f} MiB).
"""
    )


if __name__ == "__main__":
    main()
