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
import torch

from eegexplain.models.syncnet._ridge import Ridge

SHRINKAGE = 0.02  # share of a trial's cross-spectrum that is replaced by its mean power in all directions
IMAGINARY = 0.5  # weight of quadrature (lag) features: in-phase coupling is the rule, lags the exception
WHITENING = 0.5  # power of the mean spectrum that strata are divided by: between the data's own and a flat spectrum
_RANK = 3e-4  # eigenvalue relative to the largest below which a dimension of the channels is as good as empty
SILENT = 1e-4  # power of a trial relative to the mean trial below which it counts as this much: logarithms are finite


def data_rank_basis(cross):
    """Real orthonormal basis ``(n_channels, rank)`` of the space that the channels fill: channels mix without lags."""
    values, vectors = np.linalg.eigh(cross.real.astype(float))
    filled = values > _RANK * values[-1]
    return vectors[:, filled]


@dataclass(frozen=True)
class TangentSpace:
    """Trials as points of a linear space: whitened, matrix logarithms, standardised; without labels.

    ``whitener`` ``(n_channels, rank)``; ``features`` ``(n_trials, rank^2)``, ``scale`` ``(rank^2,)`` what they were
    divided by; ``ridge`` solves regressions on them.
    """

    whitener: np.ndarray
    features: np.ndarray
    scale: np.ndarray
    ridge: Ridge

    @classmethod
    def of(cls, spectra, moments, strata_weights, live=slice(None)):
        """From spectra, their moments, and what strata are multiplied by before they are added up.

        Features are standardized by the `live` trials. Cross-spectra of single trials exist block by block only: the
        features take half their room.
        """
        gain = strata_weights @ spectra.response
        mean = np.einsum("f,fcd->cd", gain, moments.cross)
        power = moments.power @ gain
        power = np.maximum(power, SILENT * power.mean())
        basis = data_rank_basis(mean)
        inside = (1 - SHRINKAGE) * basis.T @ mean @ basis + SHRINKAGE * power.mean() * np.eye(basis.shape[1])
        values, vectors = np.linalg.eigh(inside)
        # the symmetric one of all whiteners: eigenvectors alone have any phase, and with it what counts as a lag
        whitener = (basis @ (vectors / np.sqrt(values)) @ vectors.conj().T).astype(spectra.complex)
        features = _log_features(spectra, whitener, np.sqrt(gain).astype(spectra.dtype), power.astype(spectra.dtype))
        scale = _standardize(features, whitener.shape[1], live)
        return cls(whitener, features, scale, Ridge.of(features))

    def weights(self, targets, trainings, penalties):
        """Hermitian weight matrices of ridge regressions, ``(n_trainings, n_penalties, n_outputs, rank, rank)``."""
        weights = self.ridge.weights(targets, trainings, penalties) / self.scale
        return hermitian_matrix(weights, self.whitener.shape[1])


def _log_features(spectra, whitener, gain, power):
    """Logarithms of whitened, shrunk cross-spectra as vectors, ``(n_trials, rank^2)``."""
    rank = whitener.shape[1]
    features = np.empty((len(spectra), rank**2), dtype=spectra.dtype)
    adjoint = whitener.conj().T
    isotropic = SHRINKAGE * (adjoint @ whitener)
    for part, values in spectra.blocks():
        white = adjoint @ (values * gain)
        cross = (1 - SHRINKAGE) * (white @ white.conj().swapaxes(-1, -2)) + power[part, None, None] * isotropic
        features[part] = hermitian_vector(logarithms(cross))
    return features


def _standardize(features, rank, live):
    """Center features and divide them by their spread in some trials, in place; quadrature counts less."""
    features -= features[live].mean(axis=0)
    spread = features[live].std(axis=0)
    weight = np.where(np.arange(rank**2) < rank * (rank + 1) // 2, 1.0, IMAGINARY).astype(features.dtype)
    scale = np.divide(spread, weight, out=np.ones_like(spread), where=spread > 1e-6 * max(spread.max(), 1e-30))
    features /= scale
    return scale


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
    seen = means[:, None].astype(columns.dtype) @ columns
    powers = (columns.real * seen.real + columns.imag * seen.imag).sum(axis=-2)  # u^H S u, (n_strata, n_outputs, rank)
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
