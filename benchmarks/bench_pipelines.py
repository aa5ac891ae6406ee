"""A Pipeline composed with its network: time of outputs and gradients against the network on transformed trials.

Run ``python benchmarks/bench_pipelines.py``; writes ``benchmarks/results/pipelines.md``.
"""

import pathlib
import statistics
import time

import mne
import numpy as np
import torch
from mne.decoding import Scaler, TemporalFilter, UnsupervisedSpatialFilter
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from torch import nn

from eegexplain import as_estimator
from eegexplain._torch import TorchNet
from eegexplain.models.eegnet import EEGNet

RESULTS = pathlib.Path(__file__).parent / "results" / "pipelines.md"
N_TRIALS, SFREQ, ROUNDS = 64, 250.0, 7
SIZES = ((22, 250), (64, 1000))
STEPS = {
    "Scaler": lambda n: Scaler(scalings="mean"),
    "PCA, all components": lambda n: UnsupervisedSpatialFilter(PCA(n)),
    "FIR 4-40 Hz": lambda n: TemporalFilter(4, 40, SFREQ),
    "Scaler, PCA": lambda n: make_pipeline(Scaler(scalings="mean"), UnsupervisedSpatialFilter(PCA(n))),
}


def trivial(n_channels, n_times):
    """A network that costs next to nothing."""
    return nn.Sequential(nn.Conv1d(n_channels, 4, 25, stride=5), nn.ELU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
                         nn.Linear(4, 2))


NETWORKS = {"EEGNet": lambda c, t: EEGNet(c, t, 2), "small convolution": trivial}


def timed(*functions):
    """Median CPU seconds of interleaved runs."""
    seconds = [[] for _ in functions]
    for _ in range(ROUNDS):
        for function, kept in zip(functions, seconds, strict=True):
            start = time.process_time()
            function()
            kept.append(time.process_time() - start)
    return [statistics.median(kept) for kept in seconds]


def rows():
    """One line per size, network and step."""
    for n_channels, n_times in SIZES:
        y = np.arange(N_TRIALS) % 2
        X = np.random.default_rng(0).standard_normal((N_TRIALS, n_channels, n_times)).astype(np.float32)
        for name, make in NETWORKS.items():
            torch.manual_seed(0)
            module = make(n_channels, n_times)
            for step, make_step in STEPS.items():
                pipeline = make_pipeline(make_step(n_channels), as_estimator(module)).fit(X.astype(float), y)
                start = time.process_time()
                composed = TorchNet(pipeline, X.shape[1:])
                wrapped = time.process_time() - start
                transformed = pipeline[:-1].transform(X.astype(float)).astype(np.float32)
                alone = TorchNet(as_estimator(module), transformed.shape[1:])
                pairs = [(alone, transformed), (composed, X)]
                outputs = timed(*(lambda net=net, x=x: net.outputs(x) for net, x in pairs))
                gradients = timed(*(lambda net=net, x=x: list(net.gradients(x)) for net, x in pairs))
                cells = [f"{n_channels} x {n_times}", name, step, f"{1e3 * outputs[0]:.0f}",
                         f"{outputs[1] / outputs[0]:.2f}", f"{1e3 * gradients[0]:.0f}",
                         f"{gradients[1] / gradients[0]:.2f}", f"{1e3 * wrapped:.0f}"]
                yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    mne.set_log_level("ERROR")
    torch.set_num_threads(1)
    lines = ["# Pipelines composed with their network", "", f"{N_TRIALS} trials, one thread, CPU time, medians of "
             f"{ROUNDS} interleaved runs; ratios: composed over the network alone on trials that were transformed "
             "before (their transformation is not counted). Measuring the steps is once per analysis.", "",
             "| channels x samples | network | steps | outputs alone (ms) | ratio | gradients alone (ms) | ratio | "
             "measuring the steps (ms) |", "|---|---|---|---|---|---|---|---|"]
    for line in rows():
        print(line, flush=True)
        lines.append(line)
    RESULTS.write_text("\n".join(lines) + "\n")
