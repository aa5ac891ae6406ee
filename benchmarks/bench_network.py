"""Training in closed form beside gradients and peers: time per fit, many networks, prediction, memory.

Run ``python benchmarks/bench_network.py``; tables go to ``benchmarks/results/network.md``. Peers: ``pip install
pyriemann mne``.
"""

import pathlib
import statistics
import sys
import tempfile
import threading
import time

import numpy as np
import threadpoolctl
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from eegexplain.models import EEGNetClassifier, SyncNetClassifier, fit_many

SFREQ = 128.0
SHAPES = [(480, 61, 256), (300, 19, 256), (200, 19, 256)]
TARGETS = {SHAPES[0]: "0.5 s", SHAPES[1]: "", SHAPES[2]: "0.1 s"}
RESULTS = pathlib.Path(__file__).parent / "results" / "network.md"
GRADIENT = {"readout": "max", "training": "gradient", "sfreq": SFREQ, "random_state": 0}
CLOSED = {"readout": "log_power", "training": "closed", "sfreq": SFREQ, "random_state": 0}


def recording(n_trials, n_channels, n_times, seed=0):
    """Mixed noise with a rhythm of 10 Hz in one class."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_trials, n_channels, n_times)).cumsum(-1) * 0.3
    X += rng.standard_normal(X.shape)
    X = np.einsum("cd,ndt->nct", rng.standard_normal((n_channels, n_channels)), X)
    y = np.arange(n_trials) % 2
    rhythm = np.sin(2 * np.pi * 10 * np.arange(n_times) / SFREQ + rng.uniform(0, 6, (n_trials, 1, 1)))
    X += y[:, None, None] * rng.standard_normal((n_channels, 1)) * rhythm
    return (X - X.mean(axis=-1, keepdims=True)).astype(np.float32), y


def tangent_space():
    """Covariances, tangent space, logistic regression."""
    from pyriemann.estimation import Covariances
    from pyriemann.tangentspace import TangentSpace

    return make_pipeline(Covariances("oas"), TangentSpace("riemann"), LogisticRegression(C=0.03, max_iter=1000))


def spatial_patterns():
    """Common spatial patterns, linear discriminants."""
    import mne
    from mne.decoding import CSP

    mne.set_log_level("error")
    return make_pipeline(CSP(6, reg="oas"), LinearDiscriminantAnalysis())


CONTESTANTS = {
    # name: how to make it, repetitions
    "SyncNet, closed form": (lambda: SyncNetClassifier(**CLOSED), 5),
    "SyncNet, gradients": (lambda: SyncNetClassifier(**GRADIENT), 1),
    "EEGNet, gradients": (lambda: EEGNetClassifier(sfreq=SFREQ, random_state=0), 1),
    "pyriemann tangent space + LR": (tangent_space, 3),
    "mne CSP + LDA": (spatial_patterns, 3),
}


def cpu_seconds(task, repetitions):
    """Median CPU time."""
    found = []
    for _ in range(repetitions):
        before = time.process_time()
        task()
        found.append(time.process_time() - before)
    return statistics.median(found)


def fit_rows():
    """Time per fit and per prediction of all trials."""
    for shape in SHAPES:
        X, y = recording(*shape)
        for name, (make, repetitions) in CONTESTANTS.items():
            if name.startswith("EEGNet") and shape != SHAPES[-1]:
                continue  # minutes
            model, given = make(), X.astype(float)
            fit = cpu_seconds(lambda model=model, given=given, y=y: model.fit(given, y), repetitions)
            predict = cpu_seconds(lambda model=model, given=given: model.predict(given), 3)
            target = TARGETS[shape] if name == "SyncNet, closed form" else ""
            yield [str(shape), name, f"{fit:.3f} s", f"{1e3 * predict:.0f} ms", target]


def many_rows():
    """A null distribution of five folds: networks with permuted labels."""
    X, y = recording(360, 19, 256)
    rng = np.random.default_rng(1)
    folds = np.array_split(rng.permutation(360), 5)
    subsets = [np.sort(np.concatenate(folds[:k] + folds[k + 1 :])) for k in range(5)]
    for n_labels in (1, 200):
        jobs = [(subset, rng.permutation(y)) for subset in subsets for _ in range(n_labels)]
        given = {"subsets": [subset for subset, _ in jobs], "targets": [target for _, target in jobs]}
        yield len(jobs), cpu_seconds(lambda given=given: fit_many(SyncNetClassifier(**CLOSED), X, None, **given), 1)


def anonymous():
    """Memory of this process that no file holds, in MB."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def peak_memory(n_trials=20000, n_channels=22, n_times=1000):
    """Extra anonymous memory and CPU time of a fit from a memory map."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        shape = (n_trials, n_channels, n_times)
        X = np.memmap(pathlib.Path(folder) / "trials.dat", np.float32, "w+", shape=shape)
        for start in range(0, n_trials, 500):
            X[start : start + 500] = rng.standard_normal((500, n_channels, n_times), dtype=np.float32)
        base, seen, stop = anonymous(), [0.0], threading.Event()

        def watch():
            while not stop.wait(0.02):
                seen.append(anonymous())

        watcher = threading.Thread(target=watch)
        watcher.start()
        y, network = np.arange(n_trials) % 2, SyncNetClassifier(**{**CLOSED, "sfreq": 250})
        spent = cpu_seconds(lambda X=X: network.fit(X, y), 1)
        stop.set()
        watcher.join()
        del X
    return max(seen) - base, spent


def main():
    """Measure and write the tables."""
    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        lines = [
            "# Training in closed form: time and memory, one thread",
            "",
            f"2-core x86-64 VM, Python {sys.version.split()[0]}, torch {torch.__version__}. Median CPU time, float64",
            "trials; ridge and calibration by five folds are part of the closed form, the peers have fixed settings on",
            "broad-band trials. Reproduce with `python benchmarks/bench_network.py`.",
            "",
            "| trials, channels, samples | decoder | fit | predict all | target |",
            "|---|---|---|---|---|",
        ]
        lines += [f"| {' | '.join(row)} |" for row in fit_rows()]
        (few, first), (many, all_) = many_rows()
        further = (all_ - first) / (many - few)
        lines += [
            "",
            f"`fit_many`, 5 folds of 360 x 19 x 256: {few} networks {first:.2f} s, {many} networks {all_:.2f} s; each",
            f"further set of labels {1e3 * further:.0f} ms, 1,000 networks {first + further * (1000 - few):.0f} s.",
        ]
        extra, spent = peak_memory()
        lines += [
            "",
            f"20,000 x 22 x 1000 from a memory map: {extra:.0f} MB of anonymous memory beside what the libraries take",
            f"(cross-spectra of all trials alone: 74 MB; target 1 GB), {spent:.0f} CPU s.",
        ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
