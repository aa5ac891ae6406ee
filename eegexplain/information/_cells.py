"""Cells: linear maps of a trial to the part of it that one trial may take from another."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._bands import bin_weights
from eegexplain._subspace import column_space

SHRINKAGE = 1e-3  # of covariances, as a share of the channels' variances
SILENT = 1e-15  # share of a channel's power below which a part holds none of it
UNSEEN = 1e-10  # variance that a filter sees, in units of the channels it weighs, below which it is rounding


@dataclass(frozen=True, eq=False)
class Part:
    """What a cell takes of time and frequency, from all channels.

    Parameters
    ----------
    name : str
    bins : ndarray of bool of shape (n_bins,) or None
        Fourier bins that belong to it.
    weights : ndarray of shape (n_times,) or None
        How much of each moment belongs to it.
    """

    name: str
    bins: NDArray | None = None
    weights: NDArray | None = None

    def of(self, X: NDArray) -> NDArray:
        """The part of trials.

        Parameters
        ----------
        X : ndarray of shape (..., n_times)

        Returns
        -------
        ndarray of the shape of `X`
        """
        if self.weights is not None:
            return X * self.weights.astype(X.dtype)
        if self.bins is None:
            return X
        return np.fft.irfft(np.fft.rfft(X) * self.bins, n=X.shape[-1]).astype(X.dtype, copy=False)


@dataclass(frozen=True, eq=False)
class Pair:
    """Spatial filters and the patterns that what they see has on all channels.

    Parameters
    ----------
    name : str
    filters : ndarray of shape (n_channels, n_components)
    patterns : ndarray of shape (n_channels, n_components)
        ``filters.T @ patterns`` is the identity: to take the component twice is to take it once.
    """

    name: str
    filters: NDArray
    patterns: NDArray

    def of(self, X: NDArray) -> NDArray:
        """What these components show on all channels.

        Parameters
        ----------
        X : ndarray of shape (..., n_channels, n_times)

        Returns
        -------
        ndarray of the shape of `X`
        """
        return self.patterns.astype(X.dtype) @ (self.filters.T.astype(X.dtype) @ X)


@dataclass(frozen=True, eq=False)
class Cell:
    """A part of time and frequency, of all channels or of what a filter sees.

    Parameters
    ----------
    part : Part
    pair : Pair or None
    """

    part: Part
    pair: Pair | None = None

    def of(self, X: NDArray) -> NDArray:
        """The cell of trials: what a hybrid takes from its partner.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)

        Returns
        -------
        ndarray of the shape of `X`
        """
        found = self.part.of(X)
        return found if self.pair is None else self.pair.of(found)


@dataclass(frozen=True, eq=False)
class Cells:
    """All cells of a map, in the order of its axes.

    Parameters
    ----------
    coords : dict of str to list
        Axes of the map and what is on them.
    cells : list of Cell
        In C order of the axes.
    beside : dict of str to (str, ndarray)
        Further coordinates along an axis, as positions of sources: its name and the values.
    """

    coords: dict[str, list]
    cells: list[Cell] = field(repr=False)
    beside: dict[str, tuple[str, NDArray]] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the map."""
        return tuple(len(values) for values in self.coords.values())


def covariances(X: NDArray, parts: list[Part]) -> list[NDArray]:
    """Covariance of channels in each part, over trials and moments, without labels; shrunk a little.

    Each is shrunk towards the channels' own variances, within the space that the trials fill: whatever took a dimension
    (an average reference, a projection) took it at all frequencies, and no hybrid may leave that space.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    parts : list of Part

    Returns
    -------
    list of ndarray of shape (n_channels, n_channels)
    """
    n_channels, n_times = X.shape[1:]
    whole, found = np.zeros((n_channels, n_channels)), np.zeros((len(parts), n_channels, n_channels))
    # a bin and its mirror image: sums over bins are sums over moments (Parseval), and nothing is transformed back
    weights = bin_weights(n_times) / n_times
    for start in range(0, len(X), 64):
        block = np.asarray(X[start : start + 64], dtype=float)
        spectra = np.sqrt(weights) * np.fft.rfft(block)
        whole += _moment(block)
        for one, part in zip(found, parts, strict=True):
            one += _moment(part.of(block)) if part.bins is None else _moment(spectra[..., part.bins])
    projector, _ = column_space(whole)
    live = np.diagonal(found, axis1=1, axis2=2) > SILENT * np.diag(whole)  # the rest is rounding: no part of it is seen
    found *= live[:, :, None] * live[:, None, :] / (len(X) * n_times)
    shrunk = [projector @ (one + SHRINKAGE * np.diag(np.diag(one))) @ projector for one in found]
    return [one * np.outer(own, own) for one, own in zip(shrunk, live, strict=True)]


def _moment(block):
    """Sum of products of channels, real or of complex spectra."""
    flat = np.moveaxis(block, 1, 0).reshape(block.shape[1], -1)
    return (flat @ flat.conj().T).real


def filter_pair(name: Any, filters: NDArray, C: NDArray, *, silent: bool = False) -> Pair:
    """Filters with the patterns that leave the rest uncorrelated with what they see.

    With patterns ``A = C W (W' C W)^-1`` [1]_, what the filters see and what is left have no covariance, so that
    hybrids have the covariance of trials.

    Parameters
    ----------
    name : str
    filters : ndarray of shape (n_channels, n_components)
    C : ndarray of shape (n_channels, n_channels)
    silent : bool, default=False
        Whether filters that see nothing in the trials (flat channels) make a cell that moves nothing.

    Returns
    -------
    Pair

    Raises
    ------
    ValueError
        For filters that see nothing, or of which one is a sum of others.

    Notes
    -----
    Where the trials do not fill all dimensions (average reference), filters may see fewer components than there are
    filters; the pair then has as many as they see.

    References
    ----------
    .. [1] S. Haufe et al., "On the interpretation of weight vectors of linear models in multivariate neuroimaging",
           NeuroImage 87 (2014), doi:10.1016/j.neuroimage.2013.10.067.
    """
    filters = np.asarray(filters, dtype=float)
    scaled = filters * np.sqrt(np.diag(C))[:, None]  # channels in units of their own size
    length, norms = np.linalg.norm(scaled, axis=0), np.linalg.norm(filters, axis=0)
    directions = np.divide(filters, length, out=np.zeros_like(filters), where=length > 0)
    values, vectors = np.linalg.eigh(directions.T @ C @ directions)
    seen = values > UNSEEN
    if silent and not seen.any():
        return Pair(name, filters[:, :1], np.zeros((len(C), 1)))
    if not norms.all() or np.linalg.matrix_rank(filters / norms) < filters.shape[1]:
        raise ValueError(
            f"Of the {filters.shape[1]} filters of {name} on {filters.shape[0]} channels one is 0, or a sum of others: "
            "leave it out."
        )
    if not seen.any():
        raise ValueError(
            f"The filters of {name} see nothing in these data: channels are flat there, or lie in a reference or a "
            "projection that the trials have lost."
        )
    if not seen.all():
        filters = directions @ (vectors[:, seen] / np.sqrt(values[seen]))
    return Pair(name, filters, C @ filters @ np.linalg.inv(filters.T @ C @ filters))
