"""The limit of small noise in closed form: correlations from the gradients of the outputs.

With ``g = d output / d amplitude`` at fixed phase and independent noise of SD ``s``, the change of an output is
``sum s g e`` with white ``e``, so each noise has covariance ``s g`` with it and its variance is ``sum (s g)^2``.
Noise with the data's cross-spectrum S has covariance ``(w/T) Re(exp(-i phase) (S G)_c) / sqrt(S_cc)`` and the change
variance ``sum (w/T)^2 G^H S G``, where ``G`` is the spectrum of the gradient over time.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from eegexplain.perturbation._correlate import ClusterTotals, Moments, SecondMoments
from eegexplain.perturbation._spectra import amplitude_gradients, bin_weights


def independent_terms(gradients, spectra, amount, *, projector=None, membership=None, multiplicative=False):
    """Covariances and variances for noise that is independent between channels.

    Parameters
    ----------
    gradients : array (n_trials, n_outputs, n_channels, n_times)
    spectra : Spectra
        Of the same trials.
    amount : array (n_channels, n_frequencies)
        SD of the noise: of the amplitude, or of the factor where ``multiplicative``.
    projector, membership : array or None
        See `Setting` and `DataScale`.

    Returns
    -------
    covariances : array (n_trials, n_outputs, n_channels, n_features)
    variances : array (n_trials, n_outputs)
    """
    g = amplitude_gradients(gradients, spectra.unit, projector) * amount.astype(gradients.dtype)
    if multiplicative:
        g *= spectra.amplitude[:, None]
    if membership is not None:
        g = g @ membership.T.astype(g.dtype)
    return g, np.einsum("bkcx,bkcx->bk", g, g, dtype=float)


def data_terms(gradients, spectra, cross, *, membership=None):
    """Covariances and variances for noise with cross-spectrum ``cross`` ``(n_frequencies, n_channels, n_channels)``.

    Shapes as in `independent_terms`. In a band the value of the noise is the sum over its bins.
    """
    n_trials, n_outputs, n_channels, n_times = gradients.shape
    spectrum = scipy.fft.rfft(gradients, axis=-1) * (bin_weights(n_times) / n_times).astype(gradients.dtype)
    if membership is not None:
        spectrum *= membership.any(axis=0)
    by_bin = spectrum.transpose(3, 2, 0, 1).reshape(-1, n_channels, n_trials * n_outputs)
    filtered = (cross.astype(by_bin.dtype) @ by_bin).reshape(-1, n_channels, n_trials, n_outputs).transpose(2, 3, 1, 0)
    variances = np.einsum("bkcf,bkcf->bk", spectrum.real, filtered.real, dtype=float)
    variances += np.einsum("bkcf,bkcf->bk", spectrum.imag, filtered.imag, dtype=float)
    unit = spectra.unit[:, None]
    along = unit.real * filtered.real + unit.imag * filtered.imag
    power = np.einsum("fcc->cf", cross).real
    if membership is not None:
        along, power = along @ membership.T.astype(along.dtype), power @ membership.T
    size = np.sqrt(power)
    return along * np.divide(1, size, out=np.zeros_like(size), where=size > 0).astype(along.dtype), variances


@dataclass(frozen=True)
class CrossSlopes:
    """How the terms of `data_terms` follow the cross-spectrum S, when that is measured on the trials explained.

    Averaged over trials, the covariances are ``Re sum_d S_cd M_cd`` and the variances ``sum_cd S_cd H_cd``, so a trial
    moves them by what its own ``z z^H`` has in place of S. Both are ``(n_frequencies, n_outputs, n_channels,
    n_channels)``; ``centre`` is the mean spectrum ``(n_channels, n_frequencies)``, ``scale`` that of the noise.
    """

    toward: np.ndarray  # M
    square: np.ndarray  # H
    cross: np.ndarray
    centre: np.ndarray
    scale: float
    membership: np.ndarray | None

    @classmethod
    def of(cls, parts, cross, centre, scale, membership=None):
        """From gradients and spectra of some trials, part by part."""
        toward = square = n_trials = 0
        for gradients, spectra in parts:
            n_times = gradients.shape[-1]
            spectrum = scipy.fft.rfft(gradients, axis=-1) * (bin_weights(n_times) / n_times).astype(gradients.dtype)
            if membership is not None:
                spectrum *= membership.any(axis=0)
            right = spectrum.transpose(3, 1, 0, 2)  # bins, outputs, trials, channels
            unit = spectra.unit.conj().transpose(2, 1, 0)[:, None]
            toward = toward + unit @ right
            square = square + right.conj().swapaxes(-1, -2) @ right
            n_trials += len(gradients)
        return cls(toward / n_trials, square / n_trials, cross, centre, scale, membership)

    def influence(self, spectra):
        """What each trial, through S, adds to the covariances, the variance of the noise (1) and that of the change.

        Returns
        -------
        covariances : array (n_trials, n_outputs, n_channels * n_features)
        noise : array (n_trials, n_channels * n_features)
        changes : array (n_trials, n_outputs)
        """
        power = np.einsum("fcc->cf", self.cross).real
        z = np.where(power > 0, (spectra.values - self.centre) * self.scale, 0).astype(self.toward.dtype)
        along, change = self._terms(z.transpose(2, 1, 0))
        mean_along = np.einsum("fcd,fkcd->kcf", self.cross, self.toward).real
        mean_change = np.einsum("fcd,fkcd->k", self.cross, self.square).real
        own = np.square(np.abs(z), dtype=float)
        if self.membership is not None:
            along, mean_along, own, power = (part @ self.membership.T for part in (along, mean_along, own, power))
        weight = np.divide(1, power, out=np.zeros_like(power), where=power > 0)
        covariances = (along - mean_along) * np.sqrt(weight)
        noise = (own - power) * weight
        flat = (part.reshape(*part.shape[:-2], -1) for part in (covariances, noise))
        return (*flat, change - mean_change)

    def _terms(self, z):
        """``Re z_c (M z*)_c`` (n_trials, n_outputs, n_channels, n_frequencies) and ``z^T H z*`` for each trial."""
        along, change = [], 0.0
        for z_bin, toward, square in zip(z, self.toward, self.square, strict=True):  # z_bin is (n_channels, n_trials)
            along.append((z_bin * (toward @ z_bin.conj())).real)
            change = change + (z_bin * (square @ z_bin.conj())).real.sum(axis=1, dtype=float)
        return np.array(along).transpose(3, 1, 2, 0), change.T


def gradient_moments(parts, n_clusters):
    """Moments of a block of trials from the terms of its parts.

    Parameters
    ----------
    parts : iterable of (clusters, covariances, variances, outputs) or with a fifth, influence
        Per part the cluster of each trial, the terms of `independent_terms` or `data_terms`, the outputs ``(n_trials,
        n_outputs)``, and, where it counts, what `CrossSlopes.influence` adds to the error over trials.
    n_clusters : int

    Returns
    -------
    Moments
        As if unit noise had been drawn without end: ``noise2`` counts the trials.
    """
    totals, moments = ClusterTotals(n_clusters), None
    for clusters, covariances, variances, outputs, *influence in parts:
        n_trials, n_outputs = variances.shape
        covariances = covariances.reshape(n_trials, n_outputs, -1)
        ones = np.ones((n_trials, covariances.shape[-1]), dtype=np.float32)
        mine = (covariances, ones, variances)
        totals.add(clusters, *map(sum, zip(mine, *influence, strict=True)))
        part = Moments(
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
        moments = part if moments is None else moments + part
    return replace(moments, clusters=totals.second_moments())
