"""Encoding models on one thread: CPU seconds against targets and beside MNE, himalaya and SciPy.

Run with ``OMP_NUM_THREADS=1 python benchmarks/bench_encoding.py``; it takes about two minutes and rewrites
``benchmarks/results/encoding.md``. Peers run in turn with our code, in alternating order.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import functools
import pathlib
import platform
import statistics
import time
import tracemalloc
from importlib.metadata import version

import himalaya.ridge
import mne
import numpy as np
from himalaya.scoring import l2_neg_loss
from mne.decoding import TimeDelayingRidge
from scipy.optimize import least_squares
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from eegexplain.encoding import DelayedModel, GaussianTuningModel, ParameterFitter, SPMHRFModel, WeightFitter

RESULTS = pathlib.Path(__file__).parent / "results" / "encoding.md"
TRF_ALPHAS, SFREQ, TMAX = np.logspace(-1, 6, 10), 64.0, 0.5


def timed(functions, n_rounds):
    """Median CPU seconds of functions that take turns."""
    times = {name: [] for name in functions}
    for i in range(n_rounds):
        names = list(functions) if i % 2 == 0 else list(functions)[::-1]
        for name in names:
            start = time.process_time()
            functions[name]()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def peak_bytes(function):
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def noise_for_half(signal, rng):
    """White noise as strong as each signal: the best possible R2 is about a half."""
    return signal + rng.standard_normal(signal.shape) * signal.std(axis=0)


def line_problem(n_targets, n_times=300):
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (n_times, 1))
    truth = np.column_stack(
        [rng.uniform(-2.5, 2.5, n_targets), rng.uniform(0.4, 1.5, n_targets), rng.uniform(0.5, 2, n_targets)]
        + [rng.standard_normal(n_targets)]
    )
    model = GaussianTuningModel()
    return model, x, noise_for_half(model.predict(x, truth), rng), truth


def plane_problem(n_targets, n_times=160, n_places=20):
    """Bars that sweep a field of 20 x 20 in eight directions."""
    rng = np.random.default_rng(1)
    axis = np.linspace(-5, 5, n_places)
    places = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    directions = np.arange(8) * np.pi / 4
    stimulus = np.array(
        [
            np.abs(places @ [np.cos(angle), np.sin(angle)] - offset) < 0.8
            for angle in directions
            for offset in np.linspace(-5, 5, n_times // 8)
        ],
        dtype=float,
    )
    model = GaussianTuningModel(grid_coordinates=places, n_dims=2, hrf_model=SPMHRFModel(1.5))
    truth = np.column_stack(
        [rng.uniform(-4, 4, (n_targets, 2)), rng.uniform(0.6, 2, n_targets), rng.standard_normal(n_targets)]
        + [rng.uniform(0.5, 2, n_targets)]
    )
    return model, stimulus, noise_for_half(model.predict(stimulus, truth), rng), truth


def scipy_loop(model, x, y, truth):
    """What one would write without this package: SciPy's least squares, target by target, here from the truth."""
    for v in range(y.shape[1]):
        least_squares(lambda p, v=v: model.predict(x, p[None])[:, 0] - y[:, v], truth[v], method="lm")


def bench_tuning():
    rows = []
    for label, problem, n_targets, target, n_slow in (
        ("1-D Gaussian, T=300", line_problem, 1000, 0.15, 30),
        ("1-D Gaussian, T=300", line_problem, 10000, 1.2, 30),
        ("2-D Gaussian and HRF, 20 x 20, T=160", plane_problem, 1000, 0.6, 6),
    ):
        model, x, y, truth = problem(n_targets)
        fitter = ParameterFitter(model)
        times = timed(
            {
                "ours": lambda: fitter.fit(x, y),  # noqa: B023
                "scipy": lambda: scipy_loop(model, x, y[:, :n_slow], truth),  # noqa: B023
            },
            5 if n_targets == 1000 else 3,
        )
        from_truth = ParameterFitter(model, init_pars=truth).fit(x, y)
        worst = (fitter.r2_ - from_truth.r2_).min()
        rows.append(
            {
                "label": f"{label}, {n_targets:,} targets",
                "ours": times["ours"],
                "target": target,
                "peer": f"scipy loop {times['scipy'] / n_slow * n_targets / times['ours']:.0f}x",
                "note": f"mean R2 {fitter.r2_.mean():.4f}; R2 against a start at the truth: worst {worst:+.1e}, "
                f"{np.mean(fitter.r2_ < from_truth.r2_ - 1e-6):.1%} below by 1e-6",
            }
        )
    return rows


def bench_linear():
    """Several sizes; generalized cross-validation beside the peer's own closed form, folds beside folds."""
    rows = []
    for n_times, n_features, n_targets in ((300, 50, 10000), (400, 80, 20000), (300, 50, 500)):
        rng = np.random.default_rng(2)
        X = rng.standard_normal((n_times, n_features))
        Y = X @ rng.standard_normal((n_features, n_targets)) * 0.15 + rng.standard_normal((n_times, n_targets))
        alphas, cv = np.logspace(-2, 4, 20), KFold(5)
        peer = himalaya.ridge.RidgeCV(
            alphas=alphas, cv=cv, fit_intercept=True, solver_params={"warn": False, "score_func": l2_neg_loss}
        )
        closed = RidgeCV(alphas=alphas, alpha_per_target=True)
        fits = {
            "gcv": lambda: WeightFitter(alpha=alphas).fit(X, Y),  # noqa: B023
            "cv": lambda: WeightFitter(alpha=alphas, cv=cv).fit(X, Y),  # noqa: B023
            "himalaya": lambda: peer.fit(X, Y),  # noqa: B023
            "sklearn": lambda: closed.fit(X, Y),  # noqa: B023
        }
        if n_targets > 10000:  # takes the peers most of a minute
            del fits["himalaya"], fits["sklearn"]
        times = timed(fits, 5)
        label = f"Linear, T={n_times}, {n_features} features, 20 alphas per target, {n_targets:,} targets"
        told = {"gcv": "", "cv": ""}
        if n_targets <= 10000:
            told = {
                "gcv": f"scikit-learn (leave one out) {times['sklearn'] / times['gcv']:.1f}x",
                "cv": f"himalaya {times['himalaya'] / times['cv']:.1f}x",
            }
        for kind, name, target in (("gcv", "GCV", 0.06 if n_targets > 10000 else None), ("cv", "5 folds", None)):
            rows.append(
                {"label": f"{label}, {name}", "ours": times[kind], "target": target, "peer": told[kind], "note": ""}
            )
    same = np.mean(np.isclose(fits["cv"]().alpha_, fits["himalaya"]().best_alphas_))
    rows[-1]["note"] = f"same alpha as himalaya for {same:.1%} of targets"
    return rows


def bench_growth():
    """CPU time grows as this power of samples, features and targets (from a size to four times it)."""
    base, alphas, rows = {"samples": 400, "features": 40, "targets": 4000}, np.logspace(-2, 4, 20), []
    for name, cv in (("generalized cross-validation", None), ("5 folds", 5)):
        cases, runs = {"1": base} | {axis: dict(base, **{axis: base[axis] * 4}) for axis in base}, {}
        for case, (n_samples, n_features, n_targets) in ((case, size.values()) for case, size in cases.items()):
            rng = np.random.default_rng(3)
            X, Y = rng.standard_normal((n_samples, n_features)), rng.standard_normal((n_samples, n_targets))
            runs[case] = functools.partial(WeightFitter(alpha=alphas, cv=cv).fit, X, Y)
        times = timed(runs, 3)
        powers = [np.log(times[axis] / times["1"]) / np.log(4) for axis in base]
        rows.append(f"| {name} | {times['1']:.3f} s | " + " | ".join(f"{power:.2f}" for power in powers) + " |")
    return rows


def mne_loop(X, Y):
    """Loop `TimeDelayingRidge` over folds and penalties, then refit with each penalty that was chosen."""
    errors = np.zeros((len(TRF_ALPHAS), Y.shape[1]))
    for train, test in KFold(5).split(X):
        for i, alpha in enumerate(TRF_ALPHAS):
            ridge = TimeDelayingRidge(0.0, TMAX, SFREQ, alpha=alpha, fit_intercept=False).fit(X[train], Y[train])
            errors[i] += ((Y[test] - ridge.predict(X[test])) ** 2).sum(axis=0)
    for i in np.unique(errors.argmin(axis=0)):
        TimeDelayingRidge(0.0, TMAX, SFREQ, alpha=TRF_ALPHAS[i], fit_intercept=False).fit(X, Y)


def bench_trf():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((int(SFREQ * 180), 8))
    model = DelayedModel(tmax=TMAX, sfreq=SFREQ, edges="zero")
    n_lags = len(model.get_lags())
    signal = model.predict(X, weights=rng.standard_normal((8 * n_lags, 64)) * 0.03)
    Y = signal + rng.standard_normal(signal.shape)
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    peer = himalaya.ridge.RidgeCV(
        alphas=TRF_ALPHAS, cv=KFold(5), solver_params={"warn": False, "score_func": l2_neg_loss}
    )
    times = timed(
        {
            "ours": lambda: WeightFitter(model, TRF_ALPHAS, cv=5).fit(X, Y),
            "mne": lambda: mne_loop(X, Y),
            "himalaya": lambda: peer.fit(model.design(X), Y),
        },
        3,
    )
    ours = WeightFitter(model, 100.0, fit_intercept=False).fit(X, Y).kernels_
    theirs = TimeDelayingRidge(0.0, TMAX, SFREQ, alpha=100.0, fit_intercept=False).fit(X, Y).coef_
    return [
        {
            "label": f"TRF, 64 Hz x 180 s, 8 features x {n_lags} lags, 64 channels, 10 alphas x 5 folds",
            "ours": times["ours"],
            "target": times["mne"] / 25,
            "peer": f"mne loop {times['mne'] / times['ours']:.0f}x, himalaya {times['himalaya'] / times['ours']:.1f}x",
            "note": f"coefficients at equal alpha differ from MNE's by at most {np.abs(ours - theirs).max():.0e}",
        }
    ]


def bench_memory():
    """Peak of what a fit allocates beside its input and result."""
    lines = []
    for n_targets in (1000, 4000, 16000):
        model, x, y, _ = line_problem(n_targets)
        tuning = peak_bytes(lambda: ParameterFitter(model).fit(x, y))  # noqa: B023
        lines.append(f"| {n_targets:,} | {y.nbytes / 1e6:.0f} MB | {tuning / 1e6:.0f} MB |")
    return lines


def table(rows):
    lines = ["| problem | CPU s | target | met | times as fast as | notes |", "|---|---|---|---|---|---|"]
    for row in rows:
        target, met = "", ""
        if row["target"] is not None:
            target, met = f"{row['target']:.3g}", "yes" if row["ours"] <= row["target"] else "no"
        lines.append(f"| {row['label']} | {row['ours']:.3f} | {target} | {met} | {row['peer']} | {row['note']} |")
    return lines


def main():
    mne.set_log_level("error")
    rows = bench_tuning() + bench_linear() + bench_trf()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "mne", "himalaya"))
    text = [
        "# Encoding models, one thread",
        "",
        f"2-core x86-64 VM, Python {platform.python_version()}, {packages}. Median CPU time of interleaved",
        "runs in alternating order; a ratio says how many times faster eegexplain is. Noise is as strong as the signal",
        "(R2 about 0.5). The SciPy loop starts at the truth and is timed on a few targets and scaled up. The target of",
        "the TRF is a 25th of the time that the MNE loop takes. Reproduce with `python benchmarks/bench_encoding.py`.",
        "",
        *table(rows),
        "",
        "Exponents of `WeightFitter` with 20 penalties (CPU time grows as this power, from 400 samples, 40 features",
        "and 4,000 targets to four times one of them):",
        "",
        "| penalty by | CPU s | samples | features | targets |",
        "|---|---|---|---|---|",
        *bench_growth(),
        "",
        "Memory: peak of what `ParameterFitter.fit` allocates beside its input (1-D tuning, T=300).",
        "",
        "| targets | data | peak |",
        "|---|---|---|",
        *bench_memory(),
        "",
    ]
    RESULTS.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
