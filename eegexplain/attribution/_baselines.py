"""What stands for "nothing": zeros, the mean trial, phase-randomised copies, other trials, or given signals."""

from dataclasses import dataclass

import numpy as np

from eegexplain._explanation import order_by_content
from eegexplain._validation import check_option, mean_trial

BASELINES = ("zeros", "mean", "surrogate", "trials")


@dataclass(frozen=True, eq=False)
class Bank:
    """Baselines drawn once, so that they do not depend on which trials are explained together.

    Attributes
    ----------
    kind : str
        A name in ``BASELINES``, or ``"given"`` and ``"per trial"`` for arrays.
    values : ndarray
        Signals `(n_draws, n_channels, n_times)`, or phase factors `(n_draws, n_bins)` for surrogates.
    """

    kind: str
    values: np.ndarray

    def __len__(self):
        return 1 if self.kind == "per trial" else len(self.values)

    def draw(self, number, X, part):
        """Baseline number `number` of the trials `X`, which are `part` of all trials; shaped like `X`."""
        if self.kind == "per trial":
            return self.values[part]
        if self.kind == "surrogate":
            return np.fft.irfft(np.fft.rfft(X) * self.values[number], n=X.shape[-1])
        return np.broadcast_to(self.values[number], X.shape)


def phase_factors(n_draws, n_times, rng):
    """Random unit phases per frequency, alike for all channels: power and synchrony stay, timing goes."""
    factors = np.exp(2j * np.pi * rng.uniform(size=(n_draws, n_times // 2 + 1)))
    factors[:, 0] = 1
    if n_times % 2 == 0:
        factors[:, -1] = rng.choice([-1.0, 1.0], size=n_draws)
    return factors


def make_bank(baseline, X, trial_shape, n_draws, rng):
    """Make the bank for a parameter `baseline`.

    Parameters
    ----------
    baseline : str or array-like
        A name, one signal of shape `trial_shape`, or one per trial.
    X : ndarray of shape (n_trials, n_channels, n_times)
        Training trials, or those that an array per trial belongs to.
    trial_shape : tuple
        Shape in which the user gives trials.
    n_draws : int
        Surrogates or trials to draw.
    rng : numpy.random.RandomState

    Returns
    -------
    Bank

    Raises
    ------
    ValueError
        For an unknown name, a wrong shape or values that are not finite.
    """
    if isinstance(baseline, str):
        check_option("baseline", baseline, BASELINES)
        if baseline == "zeros":
            return Bank(baseline, np.zeros((1, *X.shape[1:])))
        if baseline == "mean":
            return Bank(baseline, mean_trial(X)[None])
        if baseline == "trials":
            chosen = np.sort(rng.choice(len(X), size=min(n_draws, len(X)), replace=False))
            chosen = order_by_content(X)[chosen]  # the same trials, wherever they stand
            return Bank(baseline, np.stack([np.asarray(X[number], dtype=float) for number in chosen]))
        return Bank(baseline, phase_factors(n_draws, X.shape[-1], rng))
    values = np.asarray(baseline, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("baseline holds NaN or infinite values")
    if values.shape == tuple(trial_shape):
        return Bank("given", values.reshape(1, *X.shape[1:]))
    if values.shape == (len(X), *trial_shape):
        return Bank("per trial", values.reshape(X.shape))
    raise ValueError(f"baseline has shape {values.shape}: give one trial {tuple(trial_shape)} or one per trial "
                     f"{(len(X), *trial_shape)}, or a name ({', '.join(BASELINES)})")
