"""Temporal generalization on one thread: CPU seconds beside MNE's `GeneralizingEstimator`, with the same scores.

Run with ``OMP_NUM_THREADS=1 python benchmarks/bench_generalization.py``; it takes about five minutes and rewrites
``benchmarks/results/generalization.md``. Both fit five folds at every time and score all pairs of times; MNE's models
standardize channels first (same scores, largest difference in the last column; logistic regression stops at its
tolerance) or, as its fastest setting, do not. Ours is the median of five runs, MNE's one run, which takes seconds. What
generalization alone costs here is the difference to the same fit without it.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pathlib
import platform
from functools import partial
from importlib.metadata import version

import mne
import numpy as np
from _timing import cpu, interleaved
from mne.decoding import GeneralizingEstimator, cross_val_multiscore
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eegexplain.timecourse import TimeResolvedCoefficients

RESULTS = pathlib.Path(__file__).parent / "results" / "generalization.md"
SIZES = ((100, 22, 16), (100, 22, 48), (400, 64, 24))  # trials, channels, times
LDA = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
CASES = {
    "LDA, balanced accuracy": (LDA, "balanced_accuracy", SIZES),
    "LDA, ROC AUC": (LDA, "roc_auc", SIZES),
    "logistic regression, ROC AUC": (LogisticRegression(), "roc_auc", SIZES),
    "ridge, R2": (Ridge(), "r2", SIZES[:2]),
}


def trials(n_trials, n_channels, n_times):
    rng = np.random.default_rng(0)
    y = np.arange(n_trials) % 2
    X = rng.standard_normal((n_trials, n_channels, n_times))
    X[:, 3, n_times // 3 :] += 0.8 * y[:, None]
    return X, y


def peer(model, scoring, X, y):
    return cross_val_multiscore(GeneralizingEstimator(model, scoring=scoring, verbose="error"), X, y, cv=5)


def rows(model, scoring, size):
    X, y = trials(*size)
    target = y + 0.0 if scoring == "r2" else y
    ours = TimeResolvedCoefficients(model, cv=5, scoring=scoring, generalize=True)
    alone = TimeResolvedCoefficients(model, cv=5, scoring=scoring)
    scaled = make_pipeline(StandardScaler(), model)
    own = interleaved(ours=partial(ours.fit, X, target), alone=partial(alone.fit, X, target))
    slow, scores = cpu(partial(peer, scaled, scoring, X, target))
    plain, _ = cpu(partial(peer, model, scoring, X, target))
    apart = np.abs(ours.fit(X, target).generalization_[0] - scores).max()
    return (f"{own['ours']:.3f} | {own['ours'] - own['alone']:.3f} | {slow / own['ours']:.0f} | "
            f"{plain / own['ours']:.0f} | {apart:.0e}")  # fmt: skip


def main():
    mne.set_log_level("error")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scikit-learn", "mne"))
    about = __doc__.split("\n\n")[1].strip().replace("\n", " ")
    text = ["# Temporal generalization, one thread", "", f"Python {platform.python_version()}, {packages}. {about}", "",
            "| model, score | trials x channels x times | CPU s | of these generalization | MNE, standardized: times "
            "as long | MNE, plain | scores differ by |", "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, (model, scoring, sizes) in CASES.items():
        for size in sizes:
            text.append(f"| {name} | {' x '.join(map(str, size))} | {rows(model, scoring, size)} |")
            print(text[-1], flush=True)
    RESULTS.write_text("\n".join([*text, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
