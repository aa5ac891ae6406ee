"""Do decoded probabilities keep their word? Coverage and log score of `StimulusDecoder` in six settings.

Run with ``OMP_NUM_THREADS=1 python benchmarks/bench_stimulus_decoder.py``; it takes about three minutes and rewrites
``benchmarks/results/stimulus_decoder.md``. Beside it run the two ways that decoding is usually done: Ledoit and Wolf's
covariance of the residuals of the fit itself (what `StimulusDecoder` did before), and van Bergen's structure with t
tails fitted to them (what braincoder's ResidualFitter does, here by maximum likelihood with analytic gradients); both
take the fitted parameters as known.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pathlib
import sys
import time
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf

from eegexplain.encoding import GaussianTuningModel, ParameterFitter, StimulusDecoder
from eegexplain.encoding._covariance import fit_structure
from eegexplain.encoding._predictive import Predictive
from eegexplain.encoding.calibration import mass_above, nearest

RESULTS = pathlib.Path(__file__).parent / "results" / "stimulus_decoder.md"
MODEL = GaussianTuningModel()
GRID = np.linspace(-3, 3, 241)[:, None]
N_TEST = 300
DEVELOPMENT, CONFIRMATION = (0, 1, 2), (100, 101, 102, 103, 104)


@dataclass(frozen=True)
class Setting:
    """Targets and trials, and the law of the noise: common, of similar tuning, of three random factors, tails."""

    n_targets: int
    n_trials: int
    common: float = 0.0
    similar: float = 0.0
    factors: float = 0.0
    dof: float | None = None

    def __str__(self):
        noise = [f"common {self.common:g}"] * bool(self.common) + [f"tuning {self.similar:g}"] * bool(self.similar)
        noise += [f"3 factors {self.factors:g}"] * bool(self.factors) + [f"t, {self.dof} dof"] * bool(self.dof)
        return f"{self.n_targets} x {self.n_trials}, {', '.join(noise) or 'independent'}"


SETTINGS = (
    Setting(200, 60, 0.1, 0.3, 0.3),
    Setting(200, 200, 0.1, 0.3, 0.3),
    Setting(200, 800, 0.1, 0.3, 0.3),
    Setting(50, 60),
    Setting(50, 200, 0.1, 0.3, 0.0, 5),
    Setting(50, 800, 0.0, 0.0, 0.5),
)


def simulate(setting, seed):
    """Training and test trials: stimuli and data."""
    rng = np.random.default_rng(seed)
    v = setting.n_targets
    truth = np.column_stack(
        [rng.uniform(-3, 3, v), rng.uniform(0.5, 1.5, v), rng.uniform(0.8, 2, v), rng.uniform(-0.5, 0.5, v)]
    )
    x = rng.uniform(-3, 3, (setting.n_trials + N_TEST, 1))
    tau = rng.uniform(0.7, 1.3, v)
    curves = MODEL.predict(GRID, truth)
    curves = curves - curves.mean(axis=0)
    loading = setting.factors * rng.standard_normal((v, 3)) / np.sqrt(3)
    omega = np.outer(tau, tau) * (setting.common + (1 - setting.common) * np.eye(v)) + loading @ loading.T
    omega += setting.similar**2 * curves.T @ curves / len(curves)
    y = MODEL.simulate(x, truth, noise=omega, dof=setting.dof, random_state=rng.integers(2**31))
    n = setting.n_trials
    return x[:n], y[:n], x[n:], y[n:]


def ledoit_wolf_of_the_fit(x, y):
    """Posterior over the grid from the residuals of the fit itself."""
    fitter = ParameterFitter(MODEL).fit(x, y)
    residual = y - fitter.predict(x)
    scale = np.sqrt((residual**2).mean(axis=0))
    omega = ledoit_wolf(residual / scale, assume_centered=True)[0] * np.outer(scale, scale)
    return lambda data: Predictive(GRID, fitter.predict(GRID), None, omega, np.inf).log_likelihood(data)


def van_bergen_of_the_fit(x, y):
    """The same with van Bergen's structure and t tails."""
    fitter = ParameterFitter(MODEL).fit(x, y)
    curves = fitter.predict(GRID)
    shapes = curves - curves.mean(axis=0)
    found = fit_structure(y - fitter.predict(x), shapes.T @ shapes / len(GRID), None, "auto", 200)
    return lambda data: Predictive(GRID, curves, None, found.covariance, found.dof).log_likelihood(data)


def decoder(x, y):
    """Posterior of `StimulusDecoder`."""
    return StimulusDecoder(ParameterFitter(MODEL), grid=GRID).fit(x, y).predict_log_proba


WAYS = {"Ledoit-Wolf": ledoit_wolf_of_the_fit, "van Bergen": van_bergen_of_the_fit, "StimulusDecoder": decoder}


def measure(way, setting, seed):
    """Mean log density of the true stimulus, coverage of 90 % regions, CPU seconds of fit and prediction."""
    x, y, x_test, y_test = simulate(setting, seed)
    start = time.process_time()
    log_posterior = way(x, y)(y_test)
    seconds = time.process_time() - start
    log_posterior = log_posterior - logsumexp(log_posterior, axis=1, keepdims=True)
    place = nearest(GRID, x_test)
    step = GRID[1, 0] - GRID[0, 0]
    score = np.take_along_axis(log_posterior, place[:, None], axis=1).mean() - np.log(step)
    return score, (mass_above(log_posterior, place) <= 0.9).mean(), seconds


def table(seeds):
    """A row for each setting: means over seeds."""
    lines = []
    for setting in SETTINGS:
        row = [str(setting)]
        for name, way in WAYS.items():
            score, coverage, seconds = np.mean([measure(way, setting, seed) for seed in seeds], axis=0)
            row.append(f"{score:.2f} | {100 * coverage:.1f} % | {seconds:.2f}")
            print(setting, name, row[-1], flush=True)
        lines.append("| " + " | ".join(row) + " |")
    return lines


def main():
    head = ["| targets x trials, noise | " + " | ".join(f"{name}: log p | coverage | CPU s" for name in WAYS) + " |"]
    head.append("|---" * (1 + 3 * len(WAYS)) + "|")
    if sys.argv[1:] == ["development"]:
        print("\n".join(head + table(DEVELOPMENT)))
        return
    about = (
        "Log density of the true stimulus per unit of it (range 6), and how often the region of 90 % of the posterior "
        f"holds it; means of {N_TEST} new\ntrials for each of {len(DEVELOPMENT)} and {len(CONFIRMATION)} seeds. "
        "The method was chosen on the first and confirmed on the others. CPU seconds are of fit and prediction."
    )
    text = ["# Decoded stimuli, one thread", "", about, "", __doc__.split("\n\n")[1].strip().replace("\n", " "), ""]
    for title, seeds in (("Development seeds", DEVELOPMENT), ("Confirmation seeds", CONFIRMATION)):
        text += [f"## {title}", "", *head, *table(seeds), ""]
    RESULTS.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
