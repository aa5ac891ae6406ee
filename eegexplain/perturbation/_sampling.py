"""Noise drawn and its effect measured, for anything that maps trials to numbers."""

from dataclasses import dataclass, replace

import numpy as np

from eegexplain.perturbation._changes import OutputChanges
from eegexplain.perturbation._gradient import noise_terms
from eegexplain.perturbation._noise import BANK, PILOT, Noise, draw_batches
from eegexplain.perturbation._spectra import Spectra
from eegexplain.perturbation._sums import Additive, CorrelationSums, Estimate, InfluenceSums, Totals

_PILOT_DRAWS = 8


@dataclass(frozen=True)
class Center:
    """Rough means of values and changes: they cancel in the correlation and sharpen its errors."""

    values: np.ndarray | float = 0.0  # (n_features,)
    changes: np.ndarray | float = 0.0  # (n_outputs,)


@dataclass(frozen=True)
class SamplingMethod:
    """Estimates from draws of noise.

    ``n_draws`` per trial are made in this ``round``; with ``control`` they only measure what gradients leave.
    """

    model: OutputChanges
    noise: Noise
    n_draws: int
    control: bool = False
    round: int = 0
    center: Center = Center()

    def centered(self, X):
        """The same around means that a few draws of some trials show."""
        noise, n_draws = self.noise, min(_PILOT_DRAWS, self.n_draws)
        values, changes = noise.measure(Spectra.of(X), self.model, self.model.reference(X), n_draws, noise.rng(PILOT))
        mean = 0.0 if self.control else values.mean(axis=(0, 1), dtype=float)
        return replace(self, center=Center(mean, changes.mean(axis=(0, 1))))

    def estimate(self, part):
        """Estimate of some trials.

        Parameters
        ----------
        part : Part

        Returns
        -------
        Estimate
        """
        reference = self.model.reference(part.X)
        control = linear_part(self.model, self.noise, part.X, part.spectra) if self.control else None
        sums = None
        for batch, n_draws in enumerate(draw_batches(self.n_draws)):
            rng = self.noise.rng(self.round, *part.key, batch)
            values, changes = self.noise.measure(part.spectra, self.model, reference, n_draws, rng)
            found = DrawSums.of(values, changes, self.center, control)
            sums = found if sums is None else sums + found
        return sums.estimate(reference, control)

    def influence(self, totals):
        """What trials add through the size of the noise, in the totals of draws instead of unit noise."""
        size, share = self.noise.size(), 1.0 if self.noise.cross is None else 0.5  # half is along the phase
        return Totals(
            self.n_draws * totals.product * size * np.sqrt(share),
            self.n_draws * totals.noise2 * size**2,
            self.n_draws * share * totals.change2,
        )

    def trial_covariances(self, X):
        """Covariance of noise and change over draws that all trials share, ``(n_trials, n_outputs, n_features)``."""
        rows, noise = [], self.noise
        for trial in range(len(X)):
            product, value_sum, change_sum, one = 0.0, 0.0, 0.0, X[trial : trial + 1]
            spectra, reference = Spectra.of(one), self.model.reference(one)
            for batch, n_draws in enumerate(draw_batches(self.n_draws, 64)):
                values, changes = noise.measure(spectra, self.model, reference, n_draws, noise.rng(BANK, batch))
                values, changes = values[:, 0].astype(float), changes[:, 0]
                product = product + changes.T @ values
                value_sum, change_sum = value_sum + values.sum(axis=0), change_sum + changes.sum(axis=0)
            rows.append(product / self.n_draws - np.outer(change_sum, value_sum) / self.n_draws**2)
        return np.array(rows)


@dataclass(frozen=True)
class Control:
    """The linear part of the change, known from gradients: only the rest is left to the draws.

    ``slopes`` ``(n_trials, n_outputs, n_features)`` is the change per value, ``variance`` ``(n_features,)`` that of the
    values, whose mean is zero.
    """

    slopes: np.ndarray
    variance: np.ndarray

    def rest(self, values, changes):
        """Change less its linear part; further columns of `changes` (layers) have none."""
        n_outputs = self.slopes.shape[1]
        linear = (values.transpose(1, 0, 2) @ self.slopes.transpose(0, 2, 1)).transpose(1, 0, 2)
        return np.concatenate([changes[..., :n_outputs] - linear, changes[..., n_outputs:]], axis=-1)

    def covariance(self, n_columns):
        """Covariance of values and linear change, ``(n_trials, n_columns, n_features)``."""
        known = self.slopes.astype(float) * self.variance
        rows = ((0, 0), (0, n_columns - known.shape[1]), (0, 0))
        return np.pad(known, rows)


def linear_part(model, noise, X, spectra):
    """Linear part of the change: covariance with unit noise over the SD of the values."""
    covariances = noise_terms(model, noise, X, spectra).covariances
    size = noise.size()
    slopes = covariances.reshape(*covariances.shape[:2], -1)
    slopes = np.divide(slopes, size, out=np.zeros_like(slopes), where=size > 0, casting="unsafe")
    return Control(slopes, size.astype(float) ** 2)


@dataclass(frozen=True)
class DrawSums(Additive):
    """Sums over the batches of draws of some trials."""

    totals: Totals  # of each trial over its draws
    batches: InfluenceSums  # with each trial's batches as cells
    noise: np.ndarray
    change: np.ndarray
    n_batches: int
    n: int

    @classmethod
    def of(cls, values, changes, center, control=None):
        """From one batch.

        Parameters
        ----------
        values : array (n_draws, n_trials, n_features)
        changes : array (n_draws, n_trials, n_outputs)
            Both from `Noise.measure`.
        center : Center
        control : Control, optional
        """
        values = values - np.asarray(center.values).astype(values.dtype)
        changes = changes - center.changes
        totals = _totals(values, changes, control)
        sums = values.sum(axis=(0, 1), dtype=float), changes.sum(axis=(0, 1))
        return cls(totals, InfluenceSums.of(totals), *sums, 1, len(values) * values.shape[1])

    def estimate(self, reference, control=None):
        """Estimate of these trials, with what the control knows added."""
        draws = _within(self.batches, InfluenceSums.of(self.totals), self.n_batches)
        totals, noise, n_trials = self.totals, self.noise, len(reference.sizes)
        if control is not None:
            known = control.covariance(totals.product.shape[1])
            totals, noise = replace(totals, product=totals.product + self.n / n_trials * known), 0 * noise
        sums = CorrelationSums(
            n=self.n,
            noise=noise,
            noise2=totals.noise2.sum(axis=0),
            change=self.change,
            change2=totals.change2.sum(axis=0),
            product=totals.product.sum(axis=0),
            output2=np.square(reference.sizes, dtype=float).sum(axis=0) * (self.n / n_trials),
            clusters=InfluenceSums.none(),
            draws=draws,
        )
        return Estimate(sums, totals, reference.outputs)


def _totals(values, changes, control):
    """Totals over draws per trial; the squared noise is known where there is a control."""
    rest = changes if control is None else control.rest(values, changes)
    products = rest.transpose(1, 2, 0).astype(values.dtype) @ values.transpose(1, 0, 2)
    if control is None:
        noise = np.square(values).sum(axis=0, dtype=float)
    else:
        noise = np.tile(len(values) * control.variance, (values.shape[1], 1))
    return Totals(products.astype(float), noise, np.square(changes).sum(axis=0))


def _within(batches, total, n_batches):
    """Sums around the mean of each trial, scaled to the variance of the sum over batches."""
    if n_batches < 2:
        return batches.scaled(np.nan)
    return (batches + total.scaled(-1 / n_batches)).scaled(n_batches / (n_batches - 1))
