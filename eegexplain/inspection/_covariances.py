"""Stages of the reference decoders: covariances of each trial in bands, in the rank of the data, as vectors."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from eegexplain._bands import band_masks

SMALLEST_EIGENVALUE = 1e-6  # share of the largest, below which a dimension is a reference or an interpolation
BLOCK_BYTES = 2**26


class BandCovariances(TransformerMixin, BaseEstimator):
    """Covariance of each trial in each band, from its spectrum; nothing is learned.

    Parameters
    ----------
    sfreq : float
        In Hz.
    bands : dict of str to (float, float)
        In Hz.
    """

    _reads_by_block = True

    def __init__(self, sfreq, bands):
        self.sfreq = sfreq
        self.bands = bands

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def transform(self, X):
        """Compute covariances.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)

        Returns
        -------
        ndarray of shape (n_trials, n_bands, n_channels, n_channels)
        """
        n, n_channels, n_times = X.shape
        inside = band_masks(np.fft.rfftfreq(n_times, 1 / self.sfreq), self.bands)
        found = np.empty((n, len(inside), n_channels, n_channels))
        step = max(1, BLOCK_BYTES // (16 * n_channels * n_times))
        for start in range(0, n, step):
            spectra = np.fft.rfft(X[start : start + step])
            for place, bins in enumerate(inside):
                # as real numbers: the real part of a product with its conjugate
                parts = np.concatenate([spectra[..., bins].real, spectra[..., bins].imag], axis=-1)
                found[start : start + step, place] = 2 / n_times**2 * (parts @ parts.swapaxes(-1, -2))
        return found

    def __sklearn_is_fitted__(self):
        """Nothing is learned."""
        return True


class InRank(TransformerMixin, BaseEstimator):
    """Shrink covariances towards equal variances, leave out what has no variance, and whiten by the mean of training.

    Subjects of their own mean (alignment) belong here: the whitener would be that of each group's trials.

    Parameters
    ----------
    shrinkage : float
        Between 0 and 1.

    Attributes
    ----------
    whiteners_ : ndarray of shape (n_bands, n_channels, rank)
    projector_ : ndarray of shape (n_bands, n_channels, n_channels)
        Onto the dimensions of the data.
    """

    def __init__(self, shrinkage):
        self.shrinkage = shrinkage

    def fit(self, covariances, y=None):
        """Learn the rank and the mean.

        Parameters
        ----------
        covariances : ndarray of shape (n_trials, n_bands, n_channels, n_channels)
        y : object
            Not used.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Where a band holds no power.
        """
        means = covariances.mean(axis=0)
        values, vectors = np.linalg.eigh(means)
        if not (values[:, -1] > 0).all():
            raise ValueError("The trials hold no power in a band of the reference decoders: choose other frequencies.")
        # the same rank in all bands, as whatever projected the data did so at all frequencies
        rank = (values > SMALLEST_EIGENVALUE * values[:, -1:]).sum(axis=1).min()
        kept = vectors[..., -rank:]
        # what is added at least, so that a trial without any power has a logarithm, too
        self.floor_ = SMALLEST_EIGENVALUE * np.trace(means, axis1=-2, axis2=-1)[:, None, None] / rank
        self.projector_ = kept @ kept.swapaxes(-1, -2)
        values, vectors = np.linalg.eigh(kept.swapaxes(-1, -2) @ self._shrunk(means, rank) @ kept)
        self.whiteners_ = kept @ (vectors / np.sqrt(values)[:, None, :])
        return self

    def transform(self, covariances):
        """Whiten.

        Parameters
        ----------
        covariances : ndarray of shape (n_trials, n_bands, n_channels, n_channels)

        Returns
        -------
        ndarray of shape (n_trials, n_bands, rank, rank)
        """
        shrunk = self._shrunk(covariances, self.whiteners_.shape[-1])
        return self.whiteners_.swapaxes(-1, -2) @ shrunk @ self.whiteners_

    def _shrunk(self, covariances, rank):
        """Mix with the mean variance per dimension of the data, in these dimensions alone."""
        level = np.trace(covariances, axis1=-2, axis2=-1)[..., None, None] / rank
        return (1 - self.shrinkage) * covariances + np.maximum(self.shrinkage * level, self.floor_) * self.projector_


class TangentVectors(TransformerMixin, BaseEstimator):
    """Logarithm of whitened covariances, as a vector per trial; nothing is learned."""

    def fit(self, covariances, y=None):
        """Learn nothing."""
        return self

    def transform(self, covariances):
        """Compute logarithms.

        Parameters
        ----------
        covariances : ndarray of shape (n_trials, n_bands, rank, rank)

        Returns
        -------
        ndarray of shape (n_trials, n_bands * rank * (rank + 1) / 2)
        """
        from pyriemann.tangentspace import tangent_space

        rank = covariances.shape[-1]
        bands = [tangent_space(band, np.eye(rank), metric="logeuclid") for band in covariances.swapaxes(0, 1)]
        return np.concatenate(bands, axis=1)

    def __sklearn_is_fitted__(self):
        """Nothing is learned."""
        return True


class BandCSP(TransformerMixin, BaseEstimator):
    """Log power of common spatial patterns in each band.

    Parameters
    ----------
    n_components : int
        In each band, or as many as the rank.

    Attributes
    ----------
    patterns_ : list of pyriemann.spatialfilters.CSP
        One per band.
    """

    def __init__(self, n_components):
        self.n_components = n_components

    def fit(self, covariances, y):
        """Learn the components.

        Parameters
        ----------
        covariances : ndarray of shape (n_trials, n_bands, rank, rank)
        y : ndarray of shape (n_trials,)

        Returns
        -------
        self
        """
        from pyriemann.spatialfilters import CSP

        n = min(self.n_components, covariances.shape[-1])
        self.patterns_ = [CSP(n, metric="euclid", log=True).fit(band, y) for band in covariances.swapaxes(0, 1)]
        return self

    def transform(self, covariances):
        """Compute log powers.

        Parameters
        ----------
        covariances : ndarray of shape (n_trials, n_bands, rank, rank)

        Returns
        -------
        ndarray of shape (n_trials, n_bands * n_components)
        """
        bands = zip(self.patterns_, covariances.swapaxes(0, 1), strict=True)
        return np.concatenate([csp.transform(band) for csp, band in bands], axis=1)
