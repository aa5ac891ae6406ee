"""Spatial filters in closed form: eigenvectors of a linear decoder in the tangent space of cross-spectra.

The mean power of a SyncNet filter is a quadratic form ``u^H S u`` of a trial's cross-spectrum S. A linear decoder of
the matrix logarithm of the whitened cross-spectrum, ``tr(W log(M^H S M))``, is to first order a sum of such powers:
with ``W = sum_k lambda_k v_k v_k^H`` it is ``sum_k lambda_k v_k^H log(M^H S M) v_k``, close to ``sum_k lambda_k
log(u_k^H S u_k)`` for ``u_k = M v_k``. So the eigenvectors are spatial filters with an amplitude and a phase per
channel, the eigenvalues their weights; no gradient step is needed. (Barachant et al. 2012,
https://doi.org/10.1109/TBME.2011.2172210, for the tangent space; the reading of its weights as filters follows Kobler
et al. 2021, https://doi.org/10.1109/EMBC46164.2021.9630144.)
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg
import torch

from eegexplain._parallel import trial_blocks

SHRINKAGE = 0.02  # share of a trial's cross-spectrum that is replaced by its mean power in all directions
IMAGINARY = 0.5  # weight of quadrature (lag) features: in-phase coupling is the rule, lags the exception
WHITENING = 0.5  # power of the mean spectrum that strata are divided by: between the data's own and a flat spectrum
_RANK = 1e-6  # eigenvalue relative to the largest below which a dimension of the channels is empty
_SILENT = 1e-4  # power of a trial relative to the mean trial below which it counts as this much: logarithms are finite
_BLOCK = 64


@dataclass(frozen=True)
class Spectra:
    """What the trials of a data set have in the strata: transformed block by block, never all at once.

    ``X`` is ``(n_trials, n_channels, n_times)``, of any precision; results have that of ``dtype``. ``response``
    ``(n_strata, n_bins)`` is the share of the power of the bins ``use`` that each stratum passes, in units such that a
    sum over bins is a mean square over samples. Trials are divided by ``unit``.
    """

    X: np.ndarray
    response: np.ndarray
    use: np.ndarray
    unit: float = 1.0
    dtype: np.dtype = np.dtype(np.float32)

    @classmethod
    def of(cls, X, strata, unit=1.0, dtype=np.float32):
        """Choose the bins that any stratum passes."""
        n_times = X.shape[-1]
        frequencies = np.fft.rfftfreq(n_times, 1 / strata.sfreq)
        response = strata.response(frequencies)
        use = np.flatnonzero(response.any(axis=0))
        twice = np.where((use == 0) | (2 * use == n_times), 1.0, 2.0)
        return cls(X, response[:, use] * twice / n_times**2, use, unit, np.dtype(dtype))

    def blocks(self, trials=None):
        """Yield positions and spectra ``(n_block, n_channels, n_bins)`` of (some) trials."""
        trials = np.arange(len(self.X)) if trials is None else trials
        for part in trial_blocks(len(trials), _BLOCK):
            X = np.asarray(self.X[trials[part]], dtype=float)
            X = ((X - X.mean(axis=-1, keepdims=True)) / self.unit).astype(self.dtype)
            yield part, scipy.fft.rfft(X, axis=-1)[..., self.use]

    def stratum_power(self):
        """Mean power per stratum over trials and channels, ``(n_strata,)``."""
        total = 0.0
        for _, values in self.blocks():
            total = total + np.square(np.abs(values), dtype=float).sum(axis=(0, 1))
        return self.response @ np.broadcast_to(total, self.use.shape) / (len(self.X) * self.X.shape[1])

    def cross_spectra(self, weights):
        """Cross-spectrum of each trial, strata summed with `weights`, ``(n_trials, n_channels, n_channels)``."""
        gain = np.sqrt(weights @ self.response)
        found = []
        for _, values in self.blocks():
            weighted = values * gain.astype(values.real.dtype)
            found.append(weighted @ weighted.conj().swapaxes(-1, -2))
        return np.concatenate(found)

    def stratum_means(self, trials=None):
        """Mean cross-spectrum of each stratum over trials, ``(n_strata, n_channels, n_channels)``."""
        n_trials = len(self.X) if trials is None else len(trials)
        total = 0.0
        for _, values in self.blocks(trials):
            by_bin = np.ascontiguousarray(values.transpose(2, 1, 0))
            total = total + by_bin @ by_bin.conj().swapaxes(-1, -2)
        return np.einsum("sf,fcd->scd", self.response, total) / n_trials

    def filter_powers(self, filters, strata, trials=None):
        """Mean power of the outputs of filters: ``filters`` ``(n_channels, n_filters)``, each in its stratum."""
        response = self.response[strata].T.astype(self.dtype)
        filters = filters.astype(np.result_type(self.dtype, np.complex64))
        found = [
            np.einsum("bkf,fk->bk", np.square(np.abs(filters.conj().T @ values)), response)
            for _, values in self.blocks(trials)
        ]
        return np.concatenate(found)


def shrunk(cross, amount=SHRINKAGE):
    """Cross-spectra with a share replaced by their mean power over the channels; silent trials get a little."""
    power = np.einsum("...cc->...c", cross).real.mean(axis=-1)
    power = np.maximum(power, _SILENT * power.mean())
    eye = np.eye(cross.shape[-1], dtype=cross.dtype)
    return (1 - amount) * cross + amount * power[..., None, None] * eye


def data_rank_basis(cross):
    """Real orthonormal basis ``(n_channels, rank)`` of the space that the channels fill: channels mix without lags."""
    values, vectors = np.linalg.eigh(cross.real)
    filled = values > _RANK * values[-1]
    return vectors[:, filled]


@dataclass(frozen=True)
class TangentSpace:
    """Trials as points of a linear space: whitened, matrix logarithms, standardised; without labels.

    ``whitener`` ``(n_channels, rank)``; ``features`` ``(n_trials, rank^2)``, ``scale`` ``(rank^2,)`` what they were
    divided by; ``kernel`` their inner products ``(n_trials, n_trials)``.
    """

    whitener: np.ndarray
    features: np.ndarray
    scale: np.ndarray
    kernel: np.ndarray

    @classmethod
    def of(cls, cross):
        """From the cross-spectra of all trials ``(n_trials, n_channels, n_channels)``."""
        basis = data_rank_basis(cross.mean(axis=0, dtype=np.result_type(cross.dtype, np.complex128)))
        basis = basis.astype(cross.dtype)
        inside = basis.conj().T @ shrunk(cross) @ basis
        values, vectors = np.linalg.eigh(inside.mean(axis=0, dtype=np.complex128))
        # the symmetric one of all whiteners: eigenvectors alone have any phase, and with it what counts as a lag
        whitener = ((vectors / np.sqrt(values)) @ vectors.conj().T).astype(cross.dtype)
        features = hermitian_vector(logarithms(whitener.conj().T @ inside @ whitener))
        features -= features.mean(axis=0)
        rank = whitener.shape[1]
        spread = features.std(axis=0)
        weight = np.where(np.arange(rank**2) < rank * (rank + 1) // 2, 1.0, IMAGINARY)
        scale = np.divide(spread, weight, out=np.ones_like(spread), where=spread > 1e-6 * max(spread.max(), 1e-30))
        features /= scale
        return cls(basis @ whitener, features, scale, (features @ features.T).astype(float))

    def weights(self, dual, trials):
        """Hermitian weight matrices ``(n_targets, rank, rank)`` from dual coefficients ``(len(trials), n_targets)``."""
        return hermitian_matrix((dual.T @ self.features[trials]) / self.scale, self.whitener.shape[1])


def logarithms(matrices):
    """Matrix logarithms of Hermitian positive definite matrices ``(n, m, m)``."""
    values, vectors = torch.linalg.eigh(torch.from_numpy(matrices))
    least = torch.finfo(values.dtype).eps * values[:, -1:]
    logs = torch.maximum(values, least).log().to(vectors.dtype)
    return ((vectors * logs[:, None]) @ vectors.mH).numpy()


def hermitian_vector(matrices):
    """Diagonal, then sqrt 2 times the real and the imaginary parts above it: inner products are kept."""
    rows, columns = np.triu_indices(matrices.shape[-1], 1)
    above = np.sqrt(2, dtype=matrices.real.dtype) * matrices[..., rows, columns]
    return np.concatenate([np.einsum("...cc->...c", matrices).real, above.real, above.imag], axis=-1)


def hermitian_matrix(vectors, size):
    """Inverse of `hermitian_vector`."""
    rows, columns = np.triu_indices(size, 1)
    real, imaginary = np.split(vectors[..., size:] / np.sqrt(2), 2, axis=-1)
    matrices = np.zeros((*vectors.shape[:-1], size, size), dtype=np.result_type(vectors, np.complex64))
    matrices[..., rows, columns] = real + 1j * imaginary
    matrices[..., columns, rows] = real - 1j * imaginary
    matrices[..., np.arange(size), np.arange(size)] = vectors[..., :size]
    return matrices


def ridge_duals(kernel, targets, trials, penalty):
    """Dual coefficients of ridge regression with intercept on some trials, ``(len(trials), n_targets)``.

    `penalty` is relative to the mean squared length of the features.
    """
    inside = kernel[np.ix_(trials, trials)]
    mean = inside.mean(axis=0)
    centered = inside - mean - mean[:, None] + mean.mean()
    amount = penalty * max(np.trace(centered) / len(trials), np.finfo(float).tiny)
    centered[np.diag_indices(len(trials))] += amount
    residual = targets[trials] - targets[trials].mean(axis=0)
    return scipy.linalg.solve(centered, residual, assume_a="pos")


@dataclass(frozen=True)
class SpatialFilters:
    """Filters in strata, most important first.

    ``filters`` complex ``(n_channels, n_filters)``, scaled to a mean power of 1; ``stratum`` ``(n_filters,)``;
    ``weights`` ``(n_outputs, n_filters)`` of their log powers.
    """

    filters: np.ndarray
    stratum: np.ndarray
    weights: np.ndarray

    def scores(self, log_powers):
        """Linear prediction ``(n_trials, n_outputs)`` from log powers ``(n_trials, n_filters)``."""
        return log_powers @ self.weights.T


def spatial_filters(matrices, whitener, means, strata_weights, n_filters):
    """Read weight matrices as filters: eigenvectors, each in the strata where it has power.

    ``log(sum_s p_s)`` changes by the share of stratum s times the change of ``log p_s``, so an eigenvector's weight is
    divided over the strata in proportion to its mean power there.

    Parameters
    ----------
    matrices : complex array (n_outputs, rank, rank)
        Hermitian.
    whitener : complex array (n_channels, rank)
    means : complex array (n_strata, n_channels, n_channels)
        Mean cross-spectra.
    strata_weights : array (n_strata,)
        What strata were multiplied by before they were added up.
    n_filters : int
        Kept: those with the largest weights.

    Returns
    -------
    SpatialFilters
    """
    values, vectors = np.linalg.eigh(matrices)
    columns = whitener @ vectors  # (n_outputs, n_channels, rank)
    powers = np.einsum("ock,scd,odk->sok", columns.conj(), means, columns, optimize=True).real
    weighted = np.maximum(powers, 0) * strata_weights[:, None, None]
    total = weighted.sum(axis=0)
    share = np.divide(weighted, total, out=np.zeros_like(weighted), where=total > 0)
    weights = values * share  # (n_strata, n_outputs, rank)
    order = np.argsort(-np.abs(weights), axis=None, kind="stable")[:n_filters]
    stratum, output, column = np.unravel_index(order, weights.shape)
    size = np.sqrt(np.maximum(powers[stratum, output, column], np.finfo(np.float32).tiny))
    rows = np.zeros((len(matrices), len(order)))
    rows[output, np.arange(len(order))] = weights[stratum, output, column]
    return SpatialFilters(columns[output, :, column].T / size, stratum, rows)
