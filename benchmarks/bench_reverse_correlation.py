"""Reverse correlation beside braindecode 0.4.85's ``activation_reverse_correlation``.

Run ``OMP_NUM_THREADS=1 python benchmarks/bench_reverse_correlation.py [FOLDER]``; the table goes to
``benchmarks/results/reverse_correlation.md``. The peer is looked for in FOLDER, made by
``pip install --no-deps --target FOLDER braindecode==0.4.85``; without it only our times are taken.
"""

import functools
import importlib.util
import pathlib
import sys
import tempfile
import threading

import numpy as np
import psutil
import torch
from _networks import RANDOM, frozen, trials, untrained
from _timing import REPEATS, interleaved

from eegexplain import EnvelopeCorrelator, ReverseCorrelator
from eegexplain._parallel import single_thread
from eegexplain.reverse_correlation import reverse_correlation

TRIALS, CHANNELS, TIMES, FILTERS = 288, 22, 1000, 40
SIZES = [("float32", 25, TRIALS, 22, 1000), ("float64", 25, TRIALS, 22, 1000), ("float32", 500, TRIALS, 22, 1000)]
SIZES += [("float32", 25, 48, 64, 1000), ("float32", 25, 8, 22, 250), ("float32", 25, 8, 64, 250)]
LAYERS = {"Shallow": "space", "EEGNet": "conv_out", "transformer": "patch", "band power": "time"}
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


def compare(old, dtype, width, n_trials, n_channels, n_times):
    """CPU seconds of both, interleaved, and the largest relative difference of their results."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_trials, n_channels, n_times)).astype(dtype)
    activations = rng.standard_normal((n_trials, FILTERS, n_times - width + 1)).astype(dtype)
    taken = FILTERS if n_trials * width < 5000 else 1  # the earlier loop is linear in the filters
    ours = functools.partial(reverse_correlation, X, activations, width, normalize=False)
    runs = {"ours": ours}
    difference = np.nan
    if old is not None:
        runs["theirs"] = theirs = functools.partial(
            old, X[..., None], activations[:, :taken, :, None], np.array([width, 1])
        )
        expected, templates = theirs()[..., 0], ours()
        difference = np.abs(expected - templates[:taken]).max() / np.abs(expected).max()
    found = interleaved(**runs)
    return found["ours"], found.get("theirs", np.nan) * FILTERS / taken, difference


def passes(X, module):
    """What no analysis of a layer can do without: a forward pass, 64 trials at a time as is usual."""
    with torch.no_grad():
        for start in range(0, len(X), 64):
            module(torch.from_numpy(X[start : start + 64]))


def estimators():
    """Rows of both analyses around networks, and of a bare forward pass with batches of 64."""
    rows = []
    cases = [(name, *size) for size in ((64, 22, 500), (16, 64, 500), (8, 22, 250)) for name in RANDOM]
    for name, n_trials, n_channels, n_times in cases:
        X, y = trials(n_trials, n_channels, n_times)
        module = untrained(name, n_channels, n_times)
        layer, net = LAYERS[name], frozen(module)
        found = interleaved(
            bare=functools.partial(passes, X, module),
            reverse=functools.partial(ReverseCorrelator(net, layer=layer).fit, X, y),
            envelope=functools.partial(EnvelopeCorrelator(net, layer=layer, sfreq=250).fit, X, y),
        )
        rows.append(f"| {name} | {n_trials} x {n_channels} x {n_times} | {found['bare']:.3f} s "
                    f"| {found['reverse']:.3f} s | {found['envelope']:.3f} s |")  # fmt: skip
    return rows


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
        for case in SIZES:
            ours, theirs, difference = compare(old, *case)
            dtype, width, *size = case
            rows.append(
                f"| {dtype} | {width} | {' x '.join(map(str, size))} | {ours:.3f} s | {theirs:.2f} s "
                f"| {theirs / ours:.0f}x | {difference:.0e} |"
            )
            print(rows[-1], flush=True)
        extra = memory()
    torch.set_num_threads(1)
    around = "\n".join(estimators())
    RESULTS.write_text(
        f"""# Reverse correlation: {FILTERS} filters, one thread

2-core x86-64 VM, Python {sys.version.split()[0]}, NumPy {np.__version__}; CPU time, median of {REPEATS}
interleaved runs. Peer: `activation_reverse_correlation` of braindecode 0.4.85 (for many windows one filter, times
{FILTERS}: its loop is linear in the filters). Reproduce with `python benchmarks/bench_reverse_correlation.py FOLDER`.

| numbers | width | trials x channels x samples | eegexplain | braindecode 0.4.85 | ratio | largest difference |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Whole analyses (templates or envelope maps with errors; `EnvelopeCorrelator` also runs an untrained network), beside a
bare forward pass in batches of 64:

| net | trials x channels x samples | bare forward pass | ReverseCorrelator | EnvelopeCorrelator |
|---|---|---|---|---|
{around}

Memory for {4 * TRIALS} trials read from disk in batches of 64: {extra:.0f} MiB (inputs and activations are
{4 * TRIALS * (CHANNELS * TIMES + FILTERS * (TIMES - 24)) * 4 / 2**20:.0f} MiB).
"""
    )


if __name__ == "__main__":
    main()
