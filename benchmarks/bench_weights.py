"""Weights of linear encoding models on one thread: lags beside MNE, banded ridge beside himalaya.

Run with ``OMP_NUM_THREADS=1 python benchmarks/bench_weights.py`` (``pip install mne himalaya``); it takes about four
minutes and rewrites ``benchmarks/results/weights.md``. Peers run in turn with our code.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pathlib
import platform
import tracemalloc
import warnings
from importlib.metadata import version

import mne
import numpy as np
from _timing import interleaved
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from himalaya.scoring import l2_neg_loss
from mne.decoding import ReceptiveField, TimeDelayingRidge
from sklearn.model_selection import KFold

from eegexplain.encoding import DelayedModel, WeightFitter

RESULTS = pathlib.Path(__file__).parent / "results" / "weights.md"
ALPHAS, N_RUNS = np.logspace(0, 6, 10), 10


class LaidOut(DelayedModel):
    """The same model, whose design is laid out as a matrix: what was done before, and what a pipeline would do."""

    def design(self, paradigm, groups=None):
        """Return every feature at every lag."""
        return super().design(paradigm, groups)


def peak(function):
    """Megabytes allocated at a time, beside what was there before."""
    tracemalloc.start()
    function()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / 1e6


def recording(n_features, n_targets, sfreq, seconds):
    """Runs of white noise: features, responses, and samples that are there in each."""
    rng = np.random.default_rng(0)
    length = int(sfreq * seconds / N_RUNS)
    x, y = rng.standard_normal((N_RUNS, length, n_features)), rng.standard_normal((N_RUNS, length, n_targets))
    y[..., : min(n_features, n_targets)] += x[..., : min(n_features, n_targets)]
    return x - x.mean(axis=(0, 1)), y - y.mean(axis=(0, 1))


def theirs(x, y, window, sfreq, alpha, penalty="ridge"):
    """Fit MNE's receptive field; epochs are its second axis."""
    ridge = TimeDelayingRidge(*window, sfreq, alpha=alpha, reg_type=(penalty, "ridge"), fit_intercept=False)
    return ReceptiveField(*window, sfreq, estimator=ridge).fit(x.transpose(1, 0, 2), y.transpose(1, 0, 2))


def bench_single():
    """One penalty: the same weights, time and memory."""
    rows = []
    for label, n_features, n_targets, sfreq, seconds, window in (
        ("forward, 1 feature x 26 lags, 19 channels, 64 Hz x 60 s", 1, 19, 64.0, 60, (0.0, 0.4)),
        ("forward, 8 features x 33 lags, 64 channels, 64 Hz x 180 s", 8, 64, 64.0, 180, (0.0, 0.5)),
        ("forward, 10 features x 65 lags, 64 channels, 128 Hz x 600 s", 10, 64, 128.0, 600, (0.0, 0.5)),
        ("backward, 22 channels x 27 lags, 1 feature, 64 Hz x 300 s", 22, 1, 64.0, 300, (-0.4, 0.0)),
        ("backward, 64 channels x 27 lags, 1 feature, 64 Hz x 300 s", 64, 1, 64.0, 300, (-0.4, 0.0)),
    ):
        x, y = recording(n_features, n_targets, sfreq, seconds)
        settings = {"tmin": window[0], "tmax": window[1], "sfreq": sfreq, "edges": "zero"}
        for penalty in ("ridge", "laplacian"):
            ours = WeightFitter(DelayedModel(**settings), 100.0, False, penalty=penalty)
            laid = WeightFitter(LaidOut(**settings), 100.0, False)
            runs = {
                "ours": lambda ours=ours: ours.fit(x, y),  # noqa: B023
                "mne": lambda penalty=penalty: theirs(x, y, window, sfreq, 100.0, penalty),  # noqa: B023
            }
            if penalty == "ridge":
                runs["laid"] = lambda laid=laid: laid.fit(x, y)  # noqa: B023
            seconds_of = interleaved(**runs)
            apart = np.abs(ours.fit(x, y).kernels_ - runs["mne"]().coef_.reshape(ours.kernels_.shape)).max()
            before, memory = "", f"{peak(runs['ours']):.0f}"
            if penalty == "ridge":
                before = f"{seconds_of['laid'] / seconds_of['ours']:.1f}"
                memory += f" / {peak(runs['laid']):.0f}"
            rows.append(
                f"| {label}, {penalty} | {seconds_of['ours']:.3f} | {seconds_of['mne'] / seconds_of['ours']:.1f} | "
                f"{before} | {memory} | {apart:.0e} |"
            )
            print(rows[-1], flush=True)
    return rows


def mne_loop(x, y, sfreq):
    """Choose penalties with MNE: a fit for every fold and penalty, and one for each penalty that was chosen."""
    errors = np.zeros((len(ALPHAS), y.shape[2]))
    for train, test in KFold(5).split(x):
        for i, alpha in enumerate(ALPHAS):
            field = theirs(x[train], y[train], (0.0, 0.5), sfreq, alpha)
            prediction = field.predict(x[test].transpose(1, 0, 2)).transpose(1, 0, 2)
            errors[i] += ((y[test] - prediction) ** 2).sum(axis=(0, 1))
    for i in np.unique(errors.argmin(axis=0)):
        theirs(x, y, (0.0, 0.5), sfreq, ALPHAS[i])


def bench_folds():
    """Ten penalties and five folds over runs."""
    rows = []
    for n_features, n_targets, seconds in ((1, 19, 60), (8, 64, 180)):
        x, y = recording(n_features, n_targets, 64.0, seconds)
        fitter = WeightFitter(DelayedModel(tmax=0.5, sfreq=64.0, edges="zero"), ALPHAS, cv=5)
        laid = WeightFitter(LaidOut(tmax=0.5, sfreq=64.0, edges="zero"), ALPHAS, cv=5)
        runs = {"ours": lambda: fitter.fit(x, y), "mne": lambda: mne_loop(x, y, 64.0), "laid": lambda: laid.fit(x, y)}  # noqa: B023
        found = interleaved(**runs)
        rows.append(
            f"| {n_features} feature(s) x 33 lags, {n_targets} channels, 64 Hz x {seconds} s | {found['ours']:.3f} | "
            f"{found['mne'] / found['ours']:.1f} | {found['laid'] / found['ours']:.1f} |"
        )
        print(rows[-1], flush=True)
    return rows


def bench_bands():
    """More columns than samples, three bands, 50 divisions of the penalty: random search by kernels on both sides."""
    rows = []
    for n_samples, n_columns, n_targets, alphas in (
        (200, 1200, 50, np.logspace(0, 5, 11)),
        (200, 1200, 500, np.logspace(0, 5, 11)),
        (400, 1200, 50, np.logspace(0, 5, 3)),
        (80, 300, 20, np.logspace(0, 5, 11)),
    ):
        rng = np.random.default_rng(0)
        x, bands = rng.standard_normal((n_samples, n_columns)), np.repeat([0, 1, 2], n_columns // 3)
        weights = rng.standard_normal((n_columns, n_targets)) * np.array([0.08, 0.02, 0.0])[bands][:, None]
        y = x @ weights + 2 * rng.standard_normal((n_samples, n_targets))
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        fitter = WeightFitter(
            alpha=alphas, bands=bands, cv=5, n_band_candidates=50, fit_intercept=False, random_state=0
        )
        parts = [x[:, bands == band] for band in range(3)]

        def himalaya(parts=parts, y=y, alphas=alphas):
            return solve_multiple_kernel_ridge_random_search(
                np.stack([part @ part.T for part in parts]), y, n_iter=50, alphas=alphas, cv=5, Xs=parts,
                score_func=l2_neg_loss, return_weights="primal", random_state=0, progress_bar=False,
            )  # fmt: skip

        found = interleaved(ours=lambda: fitter.fit(x, y), himalaya=himalaya)  # noqa: B023
        ratio = found["himalaya"] / found["ours"]
        rows.append(
            f"| {n_samples} x {n_columns:,}, {n_targets:,} targets, {len(alphas)} penalties | {found['ours']:.2f} | "
            f"{ratio:.2f} |"
        )
        print(rows[-1], flush=True)
    return rows


def main():
    mne.set_log_level("error")
    warnings.filterwarnings("ignore", "The best penalty lies at the edge")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "mne", "himalaya"))
    text = [
        "# Weights of linear encoding models, one thread",
        "",
        f"2-core x86-64 VM, Python {platform.python_version()}, {packages}. Median CPU time of interleaved runs;",
        "a ratio says how many times faster eegexplain is. Reproduce with `python benchmarks/bench_weights.py`.",
        "",
        f"Temporal response functions at one penalty, {N_RUNS} runs. *Laid out*: by the design matrix.",
        "",
        "| problem | CPU s | MNE `ReceptiveField` | laid out | MB (laid out) | weights differ from MNE's by |",
        "|---|---|---|---|---|---|",
        *bench_single(),
        "",
        "Ten penalties, five folds over runs; MNE in a loop over both:",
        "",
        "| problem | CPU s | MNE loop | laid out |",
        "|---|---|---|---|",
        *bench_folds(),
        "",
        "Banded ridge with more columns than samples: 50 divisions of the penalty among three bands, five folds, by",
        "kernels on both sides (`solve_multiple_kernel_ridge_random_search` with weights and squared error as score):",
        "",
        "| problem | CPU s | himalaya |",
        "|---|---|---|",
        *bench_bands(),
        "",
    ]
    RESULTS.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
