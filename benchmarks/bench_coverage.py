"""How often 95 % intervals of perturbation maps hold the value of the population, over repeated data sets.

Run ``python benchmarks/bench_coverage.py``; the table goes to ``benchmarks/results/coverage.md``. A small network with
fixed weights explains short trials whose power differs between trials and, more so, between groups. What the intervals
should hold is the map of 4,000 trials in as many groups as it takes. Intervals are ``value +- t * standard_error`` with
the explanation's degrees of freedom.
"""

import argparse
import functools
import itertools
import pathlib
import warnings

import numpy as np
import torch
from scipy.stats import t as student
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from torch import nn

from eegexplain import PerturbationCorrelator

RESULTS = pathlib.Path(__file__).parent / "results" / "coverage.md"
N_CHANNELS, N_TIMES, SFREQ = 3, 24, 64.0
CELLS = {"bins": None, "bands": {"low": (4, 12), "high": (12, 28)}}
SHAPES = {"60 trials": (60, None), "10 groups": (50, 5)}  # trials, and those of a group
METHODS = ("gradient", "draws with control variate", "draws without network")
KINDS = {
    "independent, sd": {},
    "independent, mad": {"scale_by": "mad"},
    "data": {"noise": "data"},
    "independent, sd, per class": {"per_class": True},
    "data, per class": {"noise": "data", "per_class": True},
}


RUNS = [(kind, METHODS[0]) for kind in KINDS]
RUNS += [(kind, method) for method in METHODS[1:] for kind in ("independent, sd", "data")]


class LogPower(nn.Module):
    """Logits linear in the log power of three filters, weights fixed."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(N_CHANNELS, 3, 9, bias=False)
        self.out = nn.Linear(3, 2)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
        self.double()

    def forward(self, x):  # noqa: D102
        return self.out(torch.log1p((self.conv(x) ** 2).mean(-1)))


class Outputs(ClassifierMixin, BaseEstimator):
    """The same network as a classifier without gradients."""

    def __init__(self, module):
        self.module = module

    def fit(self, X, y):  # noqa: D102
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):  # noqa: D102
        logits = self.module(torch.from_numpy(X)).detach().numpy()
        return logits[:, 1] - logits[:, 0]

    def predict(self, X):  # noqa: D102
        return (self.decision_function(X) > 0).astype(int)


def draw(rng, n_trials, group_size):
    """Trials with power that differs between classes, trials and groups."""
    y = np.arange(n_trials) % 2
    groups = np.arange(n_trials) // (group_size or 1)
    X = np.cumsum(rng.normal(size=(n_trials, N_CHANNELS, N_TIMES)), axis=-1) * 0.3
    X += rng.normal(size=X.shape)
    X[:, 1] += (1 + y)[:, None] * np.cos(2 * np.pi * 10 / SFREQ * np.arange(N_TIMES) + rng.uniform(0, 6, (n_trials, 1)))
    X *= np.exp(0.2 * rng.normal(size=(n_trials, N_CHANNELS, 1)))
    X *= np.exp(0.3 * rng.normal(size=(groups[-1] + 1, N_CHANNELS, 1)))[groups]
    return X, y, None if group_size is None else groups


def frozen(module, method):
    """The network, or what hides it, as a fitted and frozen estimator."""
    if method == METHODS[2]:
        return FrozenEstimator(Outputs(module).fit(None, [0, 1]))
    net = NeuralNetClassifier(module, classes=[0, 1], train_split=None, verbose=0, criterion=nn.CrossEntropyLoss)
    return FrozenEstimator(net.initialize())


@functools.cache
def truth(kind, cells, group_size):
    """Map of the population."""
    X, y, _ = draw(np.random.default_rng(10**6), 4_000, group_size)
    correlator = PerturbationCorrelator(frozen(LogPower(), METHODS[0]), bands=CELLS[cells], sfreq=SFREQ, **KINDS[kind])
    return correlator.fit(X, y).correlations_


def covered(kind, method, cells, shape, n_sets):
    """Share of cells (and sets) that intervals hold: by `fit`, there in the strongest cell, and with given noise."""
    n_trials, group_size = SHAPES[shape]
    expected, hits = truth(kind, cells, group_size), []
    for seed in range(n_sets):
        X, y, groups = draw(np.random.default_rng(seed), n_trials, group_size)
        how = "gradient" if method == METHODS[0] else "sampling"
        correlator = PerturbationCorrelator(frozen(LogPower(), method), bands=CELLS[cells], sfreq=SFREQ, method=how,
                                            n_iterations=30, random_state=seed, **KINDS[kind])  # fmt: skip
        correlator.fit(X, y, groups=groups)
        given = correlator.explain_population(X, y, groups=groups)["standard_error"].to_numpy()
        quantile = student.ppf(0.975, correlator.explanation_.attrs["degrees_of_freedom"])
        distance = np.abs(correlator.correlations_ - expected)
        hits.append([distance <= quantile * error for error in (correlator.standard_errors_, given)])
    share = np.mean(hits, axis=0)
    strongest = np.unravel_index(np.abs(expected).argmax(), expected.shape)
    return share[0].mean(), share[0][strongest], share[1].mean()


def row(kind, method, cells, shape, n_sets):
    """Line of the table."""
    numbers = " | ".join(f"{number:.3f}" for number in covered(kind, method, cells, shape, n_sets))
    return f"| {kind} | {method} | {cells} | {shape} | {numbers} |"


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=60, help="repeated data sets (for draws: half of them)")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="after .* draws")
    lines = [
        "# Coverage of 95 % intervals of perturbation maps",
        "",
        f"`python benchmarks/bench_coverage.py`, {options.sets} data sets (draws: {options.sets // 2}). "
        "`fit`: errors of `fit`. `given`: the noise taken as given, which is what `explain_population` gives and what "
        "`fit` gave before the unit counted. Means over cells; `strongest`: the cell with the largest value.",
        "",
        "| noise | method | cells | trials | fit | strongest | given |",
        "|---|---|---|---|---|---|---|",
    ]
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for kind, method in RUNS:
        n_sets = options.sets if method == METHODS[0] else options.sets // 2
        for cells, shape in itertools.product(CELLS, SHAPES):
            with options.output.open("a", encoding="utf-8") as file:
                file.write(row(kind, method, cells, shape, n_sets) + "\n")


if __name__ == "__main__":
    main()
