"""Coordinates in which phases are rotated: units that are turned, each as a whole, and how they lie on the channels."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from eegexplain._bands import bin_weights
from eegexplain._subspace import RANK_TOLERANCE, column_space

REST = "rest"
BLOCK = 64


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Units whose phases are turned.

    Parameters
    ----------
    names : list of str
        Of the units.
    filters, patterns : ndarray of shape (n_channels, n_dims)
        What is turned, and how that lies on the channels; a unit may have several dims.
    unit : ndarray of int of shape (n_dims,)
        The unit of each dim.
    """

    names: list[str]
    filters: NDArray
    patterns: NDArray
    unit: NDArray

    @property
    def n_single(self) -> int:
        """How many dims, the first ones, are units by themselves; others are what is left."""
        return int((self.unit < len(self.names) - (REST in self.names)).sum())


def same_units(found: list[Coordinates]) -> list[Coordinates]:
    """The same units for all: one that is missing, in data of a lower rank, has no dims, so that nothing is turned.

    Parameters
    ----------
    found : list of Coordinates

    Returns
    -------
    list of Coordinates
    """
    names = max(([name for name in one.names if name != REST] for one in found), key=len)
    if any(REST in one.names for one in found):
        names = [*names, REST]
    alike = []
    for one in found:
        place = np.array([names.index(name) for name in one.names], int)
        alike.append(replace(one, names=names, unit=place[one.unit]))
    return alike


def covariances(X: NDArray, order: NDArray, bins: NDArray, weights: NDArray) -> NDArray:
    """Covariances of channels in a band, weighted over trials.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    order : ndarray of int
        Trials to take.
    bins : ndarray of bool of shape (n_bins,)
    weights : ndarray of shape (n_weights, len(order))

    Returns
    -------
    ndarray of shape (n_weights, n_channels, n_channels)
        Sums of the trials' covariances times these weights.
    """
    n_channels, n_times = X.shape[1:]
    total = np.zeros((len(weights), n_channels, n_channels))
    counted = bin_weights(n_times)[bins] / n_times**2
    for start in range(0, len(order), BLOCK):
        places = slice(start, start + BLOCK)
        spectrum = scipy.fft.rfft(np.asarray(X[order[places]], dtype=float))[..., bins]
        both = np.concatenate([spectrum.real, spectrum.imag], axis=-1)
        scaled = both * np.tile(counted, 2)
        total += np.einsum("wn,nct,ndt->wcd", weights[:, places], scaled, both, optimize=True)
    return total


def filled_directions(C: NDArray) -> tuple[NDArray, NDArray]:
    """Orthonormal directions that channels with this covariance fill, and their variances, largest first.

    Parameters
    ----------
    C : ndarray of shape (n_channels, n_channels)

    Returns
    -------
    directions : ndarray of shape (n_channels, rank)
    variances : ndarray of shape (rank,)
    """
    _, rank = column_space(C)
    values, vectors = np.linalg.eigh(C)
    return vectors[:, ::-1][:, :rank], values[::-1][:rank]


def principal_coordinates(n_units: int, C: NDArray) -> Coordinates:
    """The strongest principal components of a covariance, and all that they leave as one more unit.

    Parameters
    ----------
    n_units : int
        Components at most.
    C : ndarray of shape (n_channels, n_channels)

    Returns
    -------
    Coordinates
    """
    directions, _ = filled_directions(C)
    return _first_units(directions, directions, n_units)


def filter_coordinates(names: list[str], blocks: list[NDArray], C: NDArray) -> Coordinates:
    """What blocks of filters see, each turned as a whole, and all that they leave as one more unit.

    Patterns are ``A = C W (W' C W)^+`` [1]_ for all filters W together: what is left is uncorrelated with what they
    see, and what is turned stays in the space that the channels fill. For all channels, A is the projector onto it: a
    single channel that is turned leaves average-referenced data, and the same reference is taken again.

    Parameters
    ----------
    names : list of str
    blocks : list of ndarray of shape (n_channels, n_filters)
    C : ndarray of shape (n_channels, n_channels)

    Returns
    -------
    Coordinates

    Raises
    ------
    ValueError
        For filters that see the same, and not all that there is.

    References
    ----------
    .. [1] S. Haufe et al., "On the interpretation of weight vectors of linear models in multivariate neuroimaging",
           NeuroImage 87 (2014), doi:10.1016/j.neuroimage.2013.10.067.
    """
    filters = np.concatenate(blocks, axis=1)
    unit = np.repeat(np.arange(len(names)), [one.shape[1] for one in blocks])
    inside, rank = column_space(C)
    seen = filters.T @ C @ filters
    size = np.sqrt(np.maximum(np.diag(seen), 0))
    size[size <= np.sqrt(RANK_TOLERANCE * np.trace(C)) * np.linalg.norm(filters, axis=0)] = np.inf  # they see rounding
    values, vectors = np.linalg.eigh(seen / np.outer(size, size))
    clear = values > RANK_TOLERANCE * max(values[-1], np.finfo(float).tiny)
    if clear.sum() < min(np.isfinite(size).sum(), rank):
        raise ValueError(
            f"{filters.shape[1]} filters see only {clear.sum()} different things: their phases cannot be turned one by "
            "one. Leave out what others see."
        )
    inverse = (vectors[:, clear] / values[clear]) @ vectors[:, clear].T / np.outer(size, size)
    patterns = C @ filters @ inverse
    if clear.sum() >= rank:
        return Coordinates(list(names), filters, patterns, unit)
    both = np.concatenate([filters, np.eye(len(C))], 1), np.concatenate([patterns, inside - patterns @ filters.T], 1)
    return Coordinates([*names, REST], *both, np.append(unit, np.full(len(C), len(names))))


def diagonal_coordinates(n_units: int, C: NDArray, contrasts: NDArray) -> Coordinates:
    """Components without any covariance, over all trials and in each class: only lags are left to relate them.

    Parameters
    ----------
    n_units : int
        At most; those whose variance differs most between classes.
    C : ndarray of shape (n_channels, n_channels)
        Over all trials.
    contrasts : ndarray of shape (n_contrasts, n_channels, n_channels)
        By which the classes differ from it. One of them is diagonalized exactly, several as far as they can be.

    Returns
    -------
    Coordinates

    References
    ----------
    .. [1] L. C. Parra, C. D. Spence, A. D. Gerson, P. Sajda, "Recipes for the linear analysis of EEG", NeuroImage 28
           (2005), doi:10.1016/j.neuroimage.2005.05.032.
    .. [2] S. Daehne et al., "SPoC: a novel framework for relating the amplitude of neuronal oscillations to
           behaviorally relevant parameters", NeuroImage 86 (2014), doi:10.1016/j.neuroimage.2013.07.079.
    """
    directions, variances = filled_directions(C)
    whitener = directions / np.sqrt(variances)
    inside = whitener.T @ contrasts @ whitener
    turn = _common_basis(inside)
    size = np.abs(np.einsum("ik,wij,jk->wk", turn, inside, turn)).max(axis=0)
    turn = turn[:, np.argsort(-size, kind="stable")]
    return _first_units(whitener @ turn, (directions * np.sqrt(variances)) @ turn, n_units)


def _common_basis(matrices):
    """Rotation that diagonalizes symmetric matrices: exactly for one, as far as possible for several."""
    if len(matrices) == 1:
        return np.linalg.eigh(matrices[0])[1]
    turn, moving = np.eye(matrices.shape[1]), matrices.copy()
    for _ in range(100):  # Jacobi angles (Cardoso and Souloumiac 1996, doi:10.1137/S0895479893259546)
        largest = 0.0
        for i, j in zip(*np.triu_indices(len(turn), 1), strict=True):
            on = moving[:, i, i] - moving[:, j, j]
            off = 2 * moving[:, i, j]
            angle = 0.25 * np.arctan2(2 * on @ off, on @ on - off @ off)
            largest = max(largest, abs(angle))
            plane = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            moving[:, :, [i, j]] = moving[:, :, [i, j]] @ plane
            moving[:, [i, j]] = plane.T @ moving[:, [i, j]]
            turn[:, [i, j]] = turn[:, [i, j]] @ plane
        if largest < 1e-8:
            break
    return turn


def _first_units(filters, patterns, n_units):
    """The first dims as units of their own, the others together."""
    n_dims = filters.shape[1]
    unit = np.minimum(np.arange(n_dims), n_units)
    names = [str(k + 1) for k in range(min(n_dims, n_units))]
    return Coordinates([*names, *([REST] if n_dims > n_units else [])], filters, patterns, unit)
