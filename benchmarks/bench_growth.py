"""How the time of every analysis grows with trials, channels and samples.

Run ``python benchmarks/bench_growth.py [NAME ...]`` (parts of names; all without any); the table goes to
``benchmarks/results/growth.md``, where rows that are not asked for stay. CPU seconds on one thread, medians of
interleaved runs; an exponent is the slope between a size and four times as much on logarithmic scales.
"""

import functools
import pathlib
import sys
import warnings

import numpy as np
import torch
from _networks import BandPower, frozen, trials, untrained
from _timing import exponents
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge

from eegexplain import (
    EnvelopeCorrelator,
    FLEXAttributor,
    PerturbationCorrelator,
    ReverseCorrelator,
    SyncNetClassifier,
    TimeResolvedCoefficients,
)
from eegexplain.encoding import WeightFitter
from eegexplain.information import InformationMapper, SynchronyMapper
from eegexplain.inspection import cross_validate_explanations
from eegexplain.sinusoid import fit_sinusoids

RESULTS = pathlib.Path(__file__).parent / "results" / "growth.md"
SFREQ = 250.0
HEAD = """# How time grows

`python benchmarks/bench_growth.py`: CPU seconds on one thread of a 2-core x86-64 VM, medians of interleaved runs. An
exponent is the slope between a size (64 trials x 22 channels x 500 samples; 16 channels for that of channels) and four
times as much of one. Networks with random weights (band power: a small one) unless the network is what is trained.

| analysis | 64 x 22 x 500 | trials | channels | samples |
|---|---|---|---|---|
"""


def of_network(explainer, name="band power"):
    """Fit an explainer around a network that is held fixed."""

    def prepare(n_trials, n_channels, n_times):
        X, y = trials(n_trials, n_channels, n_times)
        module = BandPower(n_channels).eval() if name == "band power" else untrained(name, n_channels, n_times)
        return functools.partial(explainer(frozen(module)).fit, X, y)

    return prepare


def of_data(estimator, target=None):
    """Fit an estimator to trials and classes."""

    def prepare(n_trials, n_channels, n_times):
        X, y = trials(n_trials, n_channels, n_times)
        return functools.partial(estimator().fit, X, y if target is None else target(X))

    return prepare


def of_signals(n_trials, n_channels, n_times):
    """Sines in each channel of each trial."""
    return functools.partial(fit_sinusoids, trials(n_trials, n_channels, n_times)[0], sfreq=SFREQ)


def of_responses(n_trials, n_channels, n_times):
    """Ridge weights from channels to 1,000 targets, by folds."""
    X = trials(1, n_channels, n_trials * 8)[0][0].T  # as many rows as trials x 8: samples do not enter
    targets = np.random.default_rng(0).normal(size=(len(X), 1000))
    return functools.partial(WeightFitter(alpha=np.logspace(-2, 4, 7), cv=5).fit, X, targets)


def of_folds(n_trials, n_channels, n_times):
    """Train and explain in five folds."""
    X, y = trials(n_trials, n_channels, n_times)
    net = SyncNetClassifier(training="closed", readout="log_power", num_filters=4, sfreq=SFREQ, random_state=0)
    explainer = PerturbationCorrelator(net, bands="eeg", noise="data")
    return functools.partial(cross_validate_explanations, explainer, X, y, cv=5, random_state=0)


def syncnet(**settings):
    """A network to be trained."""
    return functools.partial(SyncNetClassifier, sfreq=SFREQ, random_state=0, **settings)


ANALYSES = {
    "perturbation, gradient": of_network(lambda net: PerturbationCorrelator(net, random_state=0)),
    "perturbation, noise of the data": of_network(
        lambda net: PerturbationCorrelator(net, noise="data", random_state=0)
    ),
    "perturbation, 10 draws": of_network(
        lambda net: PerturbationCorrelator(
            net, method="sampling", n_iterations=10, control_variate=False, random_state=0
        )
    ),
    "perturbation, gradient, EEGNet": of_network(lambda net: PerturbationCorrelator(net, random_state=0), "EEGNet"),
    "FLEX, population": of_network(lambda net: FLEXAttributor(net, sfreq=SFREQ)),
    "FLEX of EEGNet, population": of_network(lambda net: FLEXAttributor(net, sfreq=SFREQ), "EEGNet"),
    "reverse correlation": of_network(lambda net: ReverseCorrelator(net, layer="time", sfreq=SFREQ)),
    "envelope correlation": of_network(lambda net: EnvelopeCorrelator(net, layer="time", sfreq=SFREQ)),
    "information in bands": of_network(lambda net: InformationMapper(net, sfreq=SFREQ, random_state=0)),
    "synchrony, principal": of_network(lambda net: SynchronyMapper(net, sfreq=SFREQ, random_state=0)),
    "sinusoids": of_signals,
    "SyncNet, closed fit": of_data(syncnet()),
    "SyncNet, 2 epochs of gradients": of_data(syncnet(readout="max", training="gradient", max_epochs=2)),
    "perturbation over five folds": of_folds,
    "coefficients over time, LDA": of_data(
        lambda: TimeResolvedCoefficients(LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
    ),
    "coefficients over time, ridge": of_data(
        lambda: TimeResolvedCoefficients(Ridge(1.0)), lambda X: np.random.default_rng(0).normal(size=len(X))
    ),
    "encoding, ridge in five folds": of_responses,
}


def main(wanted):
    """Measure the analyses, writing each row as it comes."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of networks that decode noise all analyses warn
    kept = dict(line[2:].split(" | ", 1) for line in RESULTS.read_text().splitlines()[8:]) if RESULTS.exists() else {}
    for name, prepare in ANALYSES.items():
        if wanted and not any(part in name for part in wanted):
            continue
        seconds, powers = exponents(prepare)
        kept[name] = f"{seconds:.3f} s | {' | '.join(f'{power:.2f}' for power in powers)} |"
        print(name, kept[name], flush=True)
        rows = [f"| {name} | {kept[name]}" for name in ANALYSES if name in kept]
        RESULTS.write_text(HEAD + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
