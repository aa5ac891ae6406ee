"""Linear models over time on one thread: CPU seconds beside MNE's sliding estimator, and how they grow.

Run with ``OMP_NUM_THREADS=1 python benchmarks/bench_timecourse.py``; it takes about two minutes and rewrites
``benchmarks/results/timecourse.md``. The peer runs in turn with our code, in alternating order. Its best setting is the
model alone; as most users have it, and as ours always does, it standardizes channels first.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pathlib
import platform
import statistics
import time
from functools import partial
from importlib.metadata import version

import mne
import numpy as np
from mne.decoding import SlidingEstimator, cross_val_multiscore
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eegexplain.sinusoid import SinusoidFitter
from eegexplain.timecourse import TimeResolvedCoefficients

RESULTS = pathlib.Path(__file__).parent / "results" / "timecourse.md"
SIZES = ((100, 22, 8), (200, 64, 8), (800, 64, 8))  # trials, channels, times
MODELS = {
    "LDA, shrinkage='auto'": (LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), "balanced_accuracy"),
    "LDA, shrinkage=.1": (LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1), "balanced_accuracy"),
    "ridge": (Ridge(), "r2"),
    "logistic regression": (LogisticRegression(), "balanced_accuracy"),
}


def timed(functions, n_rounds=5):
    """Median CPU seconds of functions that take turns."""
    times = {name: [] for name in functions}
    for i in range(n_rounds):
        names = list(functions) if i % 2 == 0 else list(functions)[::-1]
        for name in names:
            start = time.process_time()
            functions[name]()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def trials(n_trials, n_channels, n_times):
    rng = np.random.default_rng(0)
    y = np.arange(n_trials) % 2
    X = rng.standard_normal((n_trials, n_channels, n_times))
    X[:, 3] += 0.5 * y[:, None]
    return X, y


def sliding(model, scoring):
    return SlidingEstimator(model, scoring=scoring, verbose="error")


def bench_models():
    rows = []
    for name, (model, scoring) in MODELS.items():
        for size in SIZES:
            X, y = trials(*size)
            scaled = sliding(make_pipeline(StandardScaler(), clone(model)), scoring)
            plain = sliding(clone(model), scoring)
            target = y + 0.0 if scoring == "r2" else y
            ours = TimeResolvedCoefficients(model, cv=5, scoring=scoring)
            times = timed({
                "ours": lambda: ours.fit(X, target),  # noqa: B023
                "scaled": lambda: cross_val_multiscore(scaled, X, target, cv=5, verbose="error"),  # noqa: B023
                "plain": lambda: cross_val_multiscore(plain, X, target, cv=5, verbose="error"),  # noqa: B023
            }, 5)  # fmt: skip
            scores = cross_val_multiscore(scaled, X, target, cv=5, verbose="error")
            apart = np.abs(ours.fit(X, target).scores_[0] - scores).max()
            label = " x ".join(map(str, size))
            rows.append(
                f"| {name} | {label} | {times['ours']:.3f} | {times['scaled'] / times['ours']:.1f} | "
                f"{times['plain'] / times['ours']:.1f} | {apart:.0e} |"
            )
            print(rows[-1], flush=True)
    return rows


def bench_growth():
    """CPU time grows as this power of trials, channels and samples (from a size to four times it)."""
    base = {"trials": 200, "channels": 22, "samples": 64}
    lda, ridge = MODELS["LDA, shrinkage='auto'"][0], Ridge()
    sinusoids = SinusoidFitter("passthrough", sfreq=128.0)
    made = {
        "TimeResolvedCoefficients, LDA auto": lambda X, y: TimeResolvedCoefficients(lda, cv=5).fit(X, y),
        "TimeResolvedCoefficients, ridge": lambda X, y: TimeResolvedCoefficients(ridge, cv=5).fit(X, y + 0.0),
        "TimeResolvedCoefficients, logistic": lambda X, y: TimeResolvedCoefficients(cv=5).fit(X, y),
        "SinusoidFitter.transform": lambda X, y: sinusoids.fit(X[:2], y[:2]).transform(X),
    }  # fmt: skip
    rows = []
    for name, fit in made.items():
        cases = {"1": base} | {axis: dict(base, **{axis: base[axis] * 4}) for axis in base}
        data = {case: trials(*size.values()) for case, size in cases.items()}
        times = timed({case: partial(fit, *given) for case, given in data.items()}, 3)
        powers = [np.log(times[axis] / times["1"]) / np.log(4) for axis in base]
        rows.append(f"| {name} | {times['1']:.3f} s | " + " | ".join(f"{power:.2f}" for power in powers) + " |")
    return rows


def main():
    mne.set_log_level("error")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn", "mne"))
    text = [
        "# Linear models over time, one thread",
        "",
        f"2-core x86-64 VM, Python {platform.python_version()}, {packages}. Median CPU time of interleaved runs in",
        "alternating order: models of five folds at every time, coefficients and held-out scores. A ratio above 1 says",
        "how many times faster eegexplain is, below 1 that MNE is. Standardized: channels first, with the same scores",
        "(largest difference in the last column); plain: MNE's fastest setting, without. Reproduce with",
        "`python benchmarks/bench_timecourse.py`.",
        "",
        "| model | trials x channels x times | CPU s | MNE, standardized | MNE, plain | scores differ by |",
        "|---|---|---|---|---|---|",
        *bench_models(),
        "",
        "Exponents (CPU time grows as this power, from 200 x 22 x 64 to four times one of them):",
        "",
        "| analysis | 200 x 22 x 64 | trials | channels | samples |",
        "|---|---|---|---|---|",
        *bench_growth(),
        "",
    ]
    RESULTS.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
