"""Noise drawn and its effect measured, block by block of trials, for anything that maps trials to numbers."""

import numpy as np
import scipy.fft

from eegexplain.perturbation._correlate import Moments, SecondMoments


def perturb(spectra, kind, setting, rng, projector=None):
    """Perturbed trials ``(n_draws * n_trials, n_channels, n_times)`` and values ``(n_draws, n_trials, C or 1, F)``."""
    spectrum, values = kind.apply(spectra, rng, setting)
    if projector is not None:
        projector = projector.astype(spectra.amplitude.dtype)
        spectrum = spectra.values + projector @ (spectrum - spectra.values)
    spectrum = spectrum.astype(spectra.values.dtype, copy=False)
    X = scipy.fft.irfft(spectrum, n=spectra.n_times, axis=-1)
    return X.reshape(-1, *X.shape[2:]), values


def measure(spectra, evaluate, kind, setting, rng, projector=None):
    """One batch of draws for a block of trials.

    Parameters
    ----------
    spectra : Spectra
        Of the block.
    evaluate : callable (perturbed) -> array (n_draws, n_trials, n_outputs)
        Change of the outputs.
    kind, setting, rng, projector
        As in `perturb`.

    Returns
    -------
    values : array (n_draws, n_trials, n_features)
        Noise that took effect, per channel and bin or summed over the bins of each band.
    changes : array (n_draws, n_trials, n_outputs)
    """
    perturbed, values = perturb(spectra, kind, setting, rng, projector)
    if setting.membership is not None:
        values = values @ setting.membership.T.astype(values.dtype)
    return values.reshape(*values.shape[:2], -1), evaluate(perturbed)


def drawn_moments(batches, size, centre, clusters, totals):
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

    Returns
    -------
    Moments
        Without those over clusters.
    """
    total, draws, n_batches, n, sums = None, None, 0, 0, [0.0, 0.0]
    for values, changes in batches:
        values, changes = values - centre[0].astype(values.dtype), changes - centre[1]
        a = changes.transpose(1, 2, 0).astype(values.dtype) @ values.transpose(1, 0, 2)
        cell = (a.astype(float), np.square(values).sum(axis=0, dtype=float), np.square(changes).sum(axis=0))
        total = cell if total is None else tuple(t + c for t, c in zip(total, cell, strict=True))
        moments = SecondMoments.of(*cell)
        draws = moments if draws is None else draws + moments
        sums = [sums[0] + values.sum(axis=(0, 1), dtype=float), sums[1] + changes.sum(axis=(0, 1))]
        n_batches, n = n_batches + 1, n + len(values) * values.shape[1]
    totals.add(clusters, *total)
    a, q, v = total
    return Moments(
        n=n,
        noise=sums[0],
        noise2=q.sum(axis=0),
        change=sums[1],
        change2=v.sum(axis=0),
        product=a.sum(axis=0),
        output2=np.square(size, dtype=float).sum(axis=0) * (n / len(size)),
        clusters=SecondMoments.none(),
        draws=_within(draws, SecondMoments.of(*total), n_batches),
    )


def _within(batches, total, n_batches):
    """Second moments around the mean of each trial, scaled to the variance of the sum over batches."""
    if n_batches < 2:
        return batches.scaled(np.nan)
    return (batches + total.scaled(-1 / n_batches)).scaled(n_batches / (n_batches - 1))
