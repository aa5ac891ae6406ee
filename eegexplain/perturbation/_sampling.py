"""Noise drawn and its effect measured, block by block of trials, for anything that maps trials to numbers."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from eegexplain._bands import frozen_bins
from eegexplain.perturbation._correlate import Moments, SecondMoments


def perturb(spectra, kind, draws, rng, projector=None):
    """Perturbed trials ``(n_draws * n_trials, n_channels, n_times)`` and values ``(n_draws, n_trials, C or 1, F)``."""
    spectrum, values = kind.apply(spectra, rng, draws)
    if projector is not None:
        projector = projector.astype(spectra.amplitude.dtype)
        spectrum = spectra.values + projector @ (spectrum - spectra.values)
    spectrum = spectrum.astype(spectra.values.dtype, copy=False)
    X = scipy.fft.irfft(spectrum, n=spectra.n_times, axis=-1)
    return X.reshape(-1, *X.shape[2:]), values


def measure(spectra, evaluate, kind, draws, rng, projector=None):
    """One batch of draws for a block of trials.

    Parameters
    ----------
    spectra : Spectra
        Of the block.
    evaluate : callable (perturbed) -> array (n_draws, n_trials, n_outputs)
        Change of the outputs.
    kind, draws, rng, projector
        As in `perturb`.

    Returns
    -------
    values : array (n_draws, n_trials, n_features)
        Noise that took effect, per channel and bin or summed over the bins of each band.
    changes : array (n_draws, n_trials, n_outputs)
    """
    perturbed, values = perturb(spectra, kind, draws, rng, projector)
    if draws.membership is not None:
        values = values @ draws.membership.T.astype(values.dtype)
    return values.reshape(*values.shape[:2], -1), evaluate(perturbed)


def drawn_gradients(spectra, evaluate, size, batches, rng, projector=None):
    """Gradients as `gradient_spectrum` gives them, from the changes that white noise in real and imaginary parts makes.

    Parameters
    ----------
    spectra : Spectra
        Of some trials.
    evaluate : callable (perturbed) -> array (n_draws, n_trials, n_outputs)
        Change of the outputs.
    size : array (n_channels, n_frequencies)
        SD of the noise; where it is 0, so is the gradient.
    batches : list of int
        Draws made together; at least two.
    rng : numpy.random.Generator
    projector : array (n_channels, n_channels) or None

    Returns
    -------
    list of two arrays (n_trials, n_outputs, n_channels, n_frequencies)
        From every other batch: their errors are independent.
    """
    sums, counts = [0, 0], [0, 0]
    for number, n_draws in enumerate(batches):
        shape = (n_draws, *spectra.values.shape)
        white = rng.standard_normal(shape, dtype=np.float32) + 1j * rng.standard_normal(shape, dtype=np.float32)
        white[..., frozen_bins(spectra.n_times)] = white[..., frozen_bins(spectra.n_times)].real
        added = white * size.astype(spectra.amplitude.dtype)
        added = added if projector is None else projector.astype(spectra.amplitude.dtype) @ added
        X = scipy.fft.irfft((spectra.values + added).astype(spectra.values.dtype), n=spectra.n_times, axis=-1)
        changes = evaluate(X.reshape(-1, *X.shape[2:]))
        sums[number % 2] = sums[number % 2] + np.einsum("dbk,dbcf->bkcf", changes, white, optimize=True)
        counts[number % 2] += n_draws
    weight = np.divide(1, size, out=np.zeros_like(size, dtype=float), where=size > 0)
    return [total / count * weight for total, count in zip(sums, counts, strict=True)]


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


def drawn_moments(batches, size, centre, clusters, totals, control=None):
    """Moments of some trials from their batches of draws.

    Parameters
    ----------
    batches : iterable of (values, changes)
        From `measure`.
    size : array (n_trials, n_outputs)
        Size of the unperturbed outputs, against which a change counts as rounding.
    centre : (array (n_features,), array (n_outputs,))
        Rough means of values and changes. They cancel in the correlation and sharpen its errors.
    clusters : array of int (n_trials,)
    totals : ClusterTotals
        Gets this part's totals.
    control : Control, optional

    Returns
    -------
    Moments
        Without those over clusters.
    """
    total, draws, n_batches, n, sums = None, None, 0, 0, [0.0, 0.0]
    for values, changes in batches:
        values, changes = values - centre[0].astype(values.dtype), changes - centre[1]
        cell = _cell(values, changes, control)
        total = cell if total is None else tuple(t + c for t, c in zip(total, cell, strict=True))
        moments = SecondMoments.of(*cell)
        draws = moments if draws is None else draws + moments
        sums = [sums[0] + values.sum(axis=(0, 1), dtype=float), sums[1] + changes.sum(axis=(0, 1))]
        n_batches, n = n_batches + 1, n + len(values) * values.shape[1]
    draws = _within(draws, SecondMoments.of(*total), n_batches)
    a, q, v = total
    if control is not None:
        a, sums[0] = a + n / len(a) * control.covariance(a.shape[1]), 0 * sums[0]
    totals.add(clusters, a, q, v)
    return Moments(
        n=n,
        noise=sums[0],
        noise2=q.sum(axis=0),
        change=sums[1],
        change2=v.sum(axis=0),
        product=a.sum(axis=0),
        output2=np.square(size, dtype=float).sum(axis=0) * (n / len(size)),
        clusters=SecondMoments.none(),
        draws=draws,
    )


def _cell(values, changes, control):
    """Totals over draws per trial: products, squared noise, squared change."""
    rest = changes if control is None else control.rest(values, changes)
    products = rest.transpose(1, 2, 0).astype(values.dtype) @ values.transpose(1, 0, 2)
    if control is None:
        noise = np.square(values).sum(axis=0, dtype=float)
    else:
        noise = np.tile(len(values) * control.variance, (values.shape[1], 1))
    return products.astype(float), noise, np.square(changes).sum(axis=0)


def _within(batches, total, n_batches):
    """Second moments around the mean of each trial, scaled to the variance of the sum over batches."""
    if n_batches < 2:
        return batches.scaled(np.nan)
    return (batches + total.scaled(-1 / n_batches)).scaled(n_batches / (n_batches - 1))
