"""The limit of small noise in closed form: correlations from the gradients of the outputs.

With the slope ``g = d output / d value`` that a kind of perturbation declares (for additive noise the derivative by the
amplitude at fixed phase) and independent values of SD ``s``, the change of an output is ``sum s g e`` with white ``e``,
so each noise has covariance ``s g`` with it and its variance is ``sum (s g)^2``.
Noise with the data's cross-spectrum S has covariance ``(w/T) Re(exp(-i phase) (S G)_c) / sqrt(S_cc)`` and the change
variance ``sum (w/T)^2 G^H S G``, where ``G`` is the spectrum of the gradient over time.
"""

import numpy as np

from eegexplain.perturbation._correlate import Moments, SecondMoments
from eegexplain.perturbation._spectra import gradient_along, gradient_spectrum
from eegexplain.perturbation.kinds import by_amplitude


def independent_terms(gradients, spectra, amount, *, slope=by_amplitude, projector=None, membership=None):
    """Covariances and variances for noise whose values are independent.

    Parameters
    ----------
    gradients : array (n_trials, n_outputs, n_channels, n_times)
    spectra : Spectra
        Of the same trials.
    amount : array (n_channels or 1, n_frequencies or 1)
        SD of the values of the noise; along an axis of length 1, what has an axis of its own shares them.
    slope : callable
        Derivative by these values; see `Perturbation`.
    projector, membership : array or None
        See `Draws` and `DataScale`.

    Returns
    -------
    covariances : array (n_trials, n_outputs, n_channels, n_features)
    variances : array (n_trials, n_outputs)
    """
    g = slope(gradient_spectrum(gradients, projector), spectra) * amount.astype(gradients.dtype)
    for axis, length in zip((2, 3), amount.shape, strict=True):
        if length < g.shape[axis]:  # one value moves all of them: its slope is the sum of theirs
            g = g.sum(axis=axis, keepdims=True)
    if membership is not None:
        g = g @ membership.T.astype(g.dtype)
    return g, np.einsum("bkcx,bkcx->bk", g, g, dtype=float)


def data_terms(gradients, spectra, cross, *, membership=None):
    """Covariances and variances for noise with cross-spectrum ``cross`` ``(n_frequencies, n_channels, n_channels)``.

    Shapes as in `independent_terms`. In a band the value of the noise is the sum over its bins.
    """
    n_trials, n_outputs, n_channels, _ = gradients.shape
    spectrum = gradient_spectrum(gradients)
    if membership is not None:
        spectrum *= membership.any(axis=0)
    by_bin = spectrum.transpose(3, 2, 0, 1).reshape(-1, n_channels, n_trials * n_outputs)
    filtered = (cross.astype(by_bin.dtype) @ by_bin).reshape(-1, n_channels, n_trials, n_outputs).transpose(2, 3, 1, 0)
    variances = np.einsum("bkcf,bkcf->bk", spectrum.real, filtered.real, dtype=float)
    variances += np.einsum("bkcf,bkcf->bk", spectrum.imag, filtered.imag, dtype=float)
    along = gradient_along(filtered, spectra.unit)
    power = np.einsum("fcc->cf", cross).real
    if membership is not None:
        along, power = along @ membership.T.astype(along.dtype), power @ membership.T
    size = np.sqrt(power)
    return along * np.divide(1, size, out=np.zeros_like(size), where=size > 0).astype(along.dtype), variances


def gradient_moments(covariances, variances, outputs, clusters, totals):
    """Moments of some trials from their terms.

    Parameters
    ----------
    covariances, variances : array
        From `independent_terms` or `data_terms`.
    outputs : array (n_trials, n_outputs)
        Of the unperturbed trials.
    clusters : array of int (n_trials,)
    totals : ClusterTotals
        Gets the totals of these trials.

    Returns
    -------
    Moments
        As if unit noise had been drawn without end: ``noise2`` counts the trials. Without those over clusters.
    """
    n_trials, n_outputs = variances.shape
    covariances = covariances.reshape(n_trials, n_outputs, -1)
    ones = np.ones((n_trials, covariances.shape[-1]), dtype=np.float32)
    totals.add(clusters, covariances, ones, variances)
    return Moments(
        n=n_trials,
        noise=np.zeros(covariances.shape[-1]),
        noise2=ones.sum(axis=0, dtype=float),
        change=np.zeros(n_outputs),
        change2=variances.sum(axis=0),
        product=covariances.sum(axis=0, dtype=float),
        output2=np.square(outputs, dtype=float).sum(axis=0),
        clusters=SecondMoments.none(),
        draws=SecondMoments.none(),
    )
