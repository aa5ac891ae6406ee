"""Fits from files larger than memory should be: time and anonymous memory at 1, 4 and 16 times the trials.

Run ``python benchmarks/bench_out_of_core.py`` (all: half an hour; ``--only "network|FLEX"`` takes some); rows are
printed as they are measured. Every fit runs in a process of its own, forked, from a memory map of 19 channels x 256
samples. Anonymous memory is what no file holds (``RssAnon`` of Linux), its peak during the fit less what libraries and
the network took before; pages of the file count as resident, but the system takes them back when it needs them.
"""

import argparse
import multiprocessing
import pathlib
import tempfile
import threading
import time
import warnings

import numpy as np
import threadpoolctl
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

N_CHANNELS, N_TIMES, SFREQ = 19, 256, 128.0
SIZES = (400, 1600, 6400)
GRADIENT = {"training": "gradient", "readout": "max", "validation_fraction": 0.2}


def anonymous():
    """Memory of this process that no file holds, in MB."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def measured(call):
    """CPU seconds of a call, and how far anonymous memory rose meanwhile, in MB."""
    base, seen, stop = anonymous(), [0.0], threading.Event()

    def watch():
        while not stop.wait(0.01):
            seen.append(anonymous() - base)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.process_time()
    try:
        call()
    finally:
        spent = time.process_time() - start
        stop.set()
        watcher.join()
    return spent, max(seen)


def networks():
    """Facades that train on all trials, by name."""
    from eegexplain.models import EEGNetClassifier, SyncNetClassifier, SyncNetRegressor

    closed = SyncNetClassifier(num_filters=8, sfreq=SFREQ, random_state=0)
    few = {"max_epochs": 2, "num_filters": 8}
    return {
        "SyncNet, closed form": closed,
        "SyncNetRegressor, closed form": SyncNetRegressor(num_filters=8, sfreq=SFREQ, random_state=0),
        "SyncNet, align='group'": clone(closed).set_params(align="group"),
        "SyncNet, closed and tuned": clone(closed).set_params(training="both", max_epochs=2),
        "SyncNet, gradient": clone(closed).set_params(**GRADIENT, **few),
        "SyncNet, gradient from the tangent space": clone(closed).set_params(
            **{**GRADIENT, "readout": "log_power", **few}, init="tangent"
        ),
        "EEGNet": EEGNetClassifier(max_epochs=2, sfreq=SFREQ, random_state=0),
    }


def explainers(net):
    """Explainers of a trained network, by name."""
    from eegexplain import (
        EnvelopeCorrelator,
        FLEXAttributor,
        PerturbationCorrelator,
        ReverseCorrelator,
        SinusoidFitter,
        TimeResolvedCoefficients,
    )
    from eegexplain.information import InformationMapper, SynchronyMapper

    settings = {"random_state": 0}
    return {
        "PerturbationCorrelator, gradient": PerturbationCorrelator(net, **settings),
        "PerturbationCorrelator, gradient, noise='data'": PerturbationCorrelator(net, noise="data", **settings),
        "PerturbationCorrelator, sampling": PerturbationCorrelator(net, method="sampling", n_iterations=8, **settings),
        "FLEXAttributor": FLEXAttributor(net, n_steps=4, **settings),
        "InformationMapper": InformationMapper(net, n_permutations=99, **settings),
        "InformationMapper, channels": InformationMapper(net, space="channels", n_permutations=99, **settings),
        "SynchronyMapper": SynchronyMapper(net, n_permutations=99, **settings),
        "ReverseCorrelator": ReverseCorrelator(net),
        "ReverseCorrelator, whitened": ReverseCorrelator(net, whiten=True),
        "EnvelopeCorrelator": EnvelopeCorrelator(net, **settings),
        "SinusoidFitter of templates": SinusoidFitter(ReverseCorrelator(net)),
        "SinusoidFitter of trials": SinusoidFitter("passthrough", sfreq=SFREQ),
        "TimeResolvedCoefficients": TimeResolvedCoefficients(LogisticRegression(), sfreq=SFREQ),
    }


def others():
    """Calls with trials and labels, by name."""
    from eegexplain import PerturbationCorrelator
    from eegexplain.inspection import cross_validate_explanations, power_contrast, reference_decoders
    from eegexplain.models import SyncNetClassifier, fit_many

    net = SyncNetClassifier(num_filters=8, sfreq=SFREQ, random_state=0)
    explainer = PerturbationCorrelator(net, random_state=0)
    found = {name: one.fit for name, one in reference_decoders(SFREQ).items()}
    return found | {
        "cross_validate_explanations, 3 folds": lambda X, y: cross_validate_explanations(
            explainer, X, y, cv=3, random_state=0
        ),
        "fit_many, 2 halves": lambda X, y: fit_many(
            net, X, y, subsets=[np.arange(0, len(X), 2), np.arange(1, len(X), 2)]
        ),
        "power_contrast": lambda X, y: power_contrast(X, y, sfreq=SFREQ),
    }


def fit_of(kind, name, net, X, y):
    """The call to be measured; what is loaded at a first call is loaded before."""
    few = np.array(X[:60]), y[:60]
    groups = {"groups": np.arange(len(X)) // 2 % 8} if "group" in name else {}
    if kind == "network":
        target = y + np.linspace(0, 0.1, len(y)) if "Regressor" in name else y
        own = networks()[name]
        clone(own).fit(few[0], target[:60], **({"groups": groups["groups"][:60] % 2} if groups else {}))
        return lambda: own.fit(X, target, **groups)
    if kind == "explainer":
        own = explainers(FrozenEstimator(net))[name]
        clone(own).fit(*few)
        return lambda: own.fit(X, y)
    if kind == "transform":
        own = explainers(FrozenEstimator(net))[name.removesuffix(".transform")].fit(*few)
        return lambda: own.transform(X)
    call = others()[name]
    call(*few)
    return lambda: call(X, y)


def in_child(kind, name, net, path, n_trials):
    """CPU seconds and rise of anonymous memory in a process of its own, None where it fails."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def work():
        X = np.lib.format.open_memmap(path, mode="r")[:n_trials]
        warnings.simplefilter("ignore")
        there.send(measured(fit_of(kind, name, net, X, np.arange(n_trials) % 2)))

    process = context.Process(target=work)
    process.start()
    process.join()
    return here.recv() if here.poll() else (float("nan"), float("nan"))


def write_trials(path, n_trials):
    """Trials in which the power of 10 Hz at two channels tells two classes apart."""
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_trials, N_CHANNELS, N_TIMES))
    rng, wave = np.random.default_rng(0), 2 * np.pi * 10 * np.arange(N_TIMES) / SFREQ
    for start in range(0, n_trials, 400):
        block = rng.standard_normal((min(400, n_trials - start), N_CHANNELS, N_TIMES), dtype=np.float32)
        phase = rng.uniform(0, 2 * np.pi, (len(block), 1, 1))
        block[:, 4:6] += (0.3 + 0.5 * (np.arange(len(block)) % 2)[:, None, None]) * np.sin(wave + phase)
        X[start : start + len(block)] = block
    X.flush()


def main():
    """Measure everything, or what is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="names that contain one of these, separated by |")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    given = parser.parse_args()
    names = [("network", name) for name in networks()]
    names += [("explainer", name) for name in explainers(None)]
    names += [("transform", f"{name}.transform") for name in explainers(None) if "," not in name]
    names += [("other", name) for name in others()]
    chosen = [(kind, name) for kind, name in names if any(part in f"{kind} {name}" for part in given.only.split("|"))]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, threadpoolctl.threadpool_limits(1):
        path = pathlib.Path(folder) / "X.npy"
        write_trials(path, max(given.sizes))
        X = np.array(np.load(path, mmap_mode="r")[:240])
        net = networks()["SyncNet, closed form"].fit(X, np.arange(240) % 2)
        for kind, name in chosen:
            found = [in_child(kind, name, net, path, n_trials) for n_trials in given.sizes]
            cells = [f"{seconds:.1f}" for seconds, _ in found] + [f"{rise:.0f}" for _, rise in found]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
