"""Cells: linear maps of a trial to the part of it that one trial may take from another."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._bands import band_masks
from eegexplain._validation import check_bands

SHRINKAGE = 1e-3  # of covariances, as a share of their mean eigenvalue
BIN_WIDTH, HIGHEST_BIN = 2.0, 45.0  # Hz


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
    """

    coords: dict[str, list]
    cells: list[Cell] = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the map."""
        return tuple(len(values) for values in self.coords.values())


def band_parts(bands: Any, sfreq: float, n_times: int) -> list[Part]:
    """Bands as parts; they may overlap.

    Parameters
    ----------
    bands : "eeg" or dict of str to (float, float)
    sfreq : float
    n_times : int

    Returns
    -------
    list of Part
    """
    named = check_bands(bands, sfreq, n_times)
    masks = band_masks(np.fft.rfftfreq(n_times, 1 / sfreq), named)
    return [Part(name, np.asarray(mask, bool)) for name, mask in zip(named, masks, strict=True)]


def bin_parts(sfreq: float, n_times: int, width: float = BIN_WIDTH, highest: float = HIGHEST_BIN) -> list[Part]:
    """Neighboring bands of one width, from half a width on: 1-3 Hz, 3-5 Hz and so on.

    Parameters
    ----------
    sfreq : float
    n_times : int
    width, highest : float
        In Hz.

    Returns
    -------
    list of Part
        Named by their center in Hz.

    Raises
    ------
    ValueError
        For trials too short to tell such bands apart.
    """
    frequencies = np.fft.rfftfreq(n_times, 1 / sfreq)
    edges = np.arange(width / 2, min(highest, sfreq / 2) + 1e-9, width)
    masks = [(frequencies >= low - 1e-9) & (frequencies < low + width - 1e-9) for low in edges[:-1]]
    if not masks or not all(mask.any() for mask in masks):
        raise ValueError(
            f"Trials of {n_times / sfreq:g} s have a Fourier bin every {sfreq / n_times:g} Hz: bins {width:g} Hz wide "
            "would be empty. Use bands, or longer trials."
        )
    return [Part(f"{low + width / 2:g}", mask) for low, mask in zip(edges[:-1], masks, strict=True)]


def window_parts(windows: Any, sfreq: float, n_times: int) -> list[Part]:
    """Windows of time whose edges overlap so that all together are the trial.

    Parameters
    ----------
    windows : int or sequence of float
        Number of windows of one length, or their edges in seconds, from 0 to the end of the trial.
    sfreq : float
    n_times : int

    Returns
    -------
    list of Part
        Named by their borders. Neighbors share a raised cosine half as long as the shortest window.

    Raises
    ------
    ValueError
        For windows shorter than 4 samples, and edges that do not rise or leave the trial.
    """
    end = n_times / sfreq
    edges = np.linspace(0, end, windows + 1) if np.ndim(windows) == 0 else np.asarray(windows, dtype=float)
    lengths = np.diff(edges)
    if len(edges) < 2 or (lengths * sfreq < 4).any() or edges[0] < 0 or edges[-1] > end * (1 + 1e-9):
        raise ValueError(
            f"windows must be a number of windows, or edges in seconds that rise from 0 to at most {end:g} by at least "
            f"4 samples ({4 / sfreq:g} s), got {windows!r}."
        )
    times, half = (np.arange(n_times) + 0.5) / sfreq, lengths.min() / 4
    # how much of each moment lies beyond each edge; nothing is before the first and after the last
    beyond = 0.5 - 0.5 * np.cos(np.pi * np.clip((times - edges[1:-1, None] + half) / (2 * half), 0, 1))
    beyond = np.concatenate([np.ones((1, n_times)), beyond, np.zeros((1, n_times))])
    inside = (times >= edges[0]) & (times < edges[-1])
    return [
        Part(f"{low:g}-{high:g} s", weights=(one - after) * inside)
        for low, high, one, after in zip(edges[:-1], edges[1:], beyond[:-1], beyond[1:], strict=True)
    ]


def covariance(X: NDArray, part: Part) -> NDArray:
    """Covariance of channels in a part, over trials and moments, without labels; shrunk a little.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    part : Part

    Returns
    -------
    ndarray of shape (n_channels, n_channels)
    """
    total = np.zeros((X.shape[1], X.shape[1]))
    for start in range(0, len(X), 64):
        block = part.of(np.asarray(X[start : start + 64], dtype=float))
        total += np.einsum("nct,ndt->cd", block, block)
    total /= len(X) * X.shape[2]
    return total + SHRINKAGE * np.trace(total) / len(total) * np.eye(len(total))


def channel_pairs(names: list[str], C: NDArray) -> list[Pair]:
    """What each electrode shows, wherever on the head it appears.

    Parameters
    ----------
    names : list of str
    C : ndarray of shape (n_channels, n_channels)
        Covariance.

    Returns
    -------
    list of Pair
    """
    return [filter_pair(name, np.eye(len(C))[:, [place]], C) for place, name in enumerate(names)]


def innovation_pairs(names: list[str], C: NDArray) -> list[Pair]:
    """What only one electrode shows: what the others cannot predict.

    Parameters
    ----------
    names : list of str
    C : ndarray of shape (n_channels, n_channels)
        Covariance.

    Returns
    -------
    list of Pair
    """
    inverse = np.linalg.pinv(C, hermitian=True)
    return [filter_pair(name, inverse[:, [place]], C) for place, name in enumerate(names)]


def filter_pair(name: str, filters: NDArray, C: NDArray) -> Pair:
    """Filters with the patterns that leave the rest uncorrelated with what they see.

    With patterns ``A = C W (W' C W)^-1`` [1]_, what the filters see and what is left have no covariance, so that
    hybrids have the covariance of trials.

    Parameters
    ----------
    name : str
    filters : ndarray of shape (n_channels, n_components)
    C : ndarray of shape (n_channels, n_channels)

    Returns
    -------
    Pair

    Raises
    ------
    ValueError
        For filters that see nothing, or the same.

    References
    ----------
    .. [1] S. Haufe et al., "On the interpretation of weight vectors of linear models in multivariate neuroimaging",
           NeuroImage 87 (2014), doi:10.1016/j.neuroimage.2013.10.067.
    """
    filters = np.asarray(filters, dtype=float)
    seen = filters.T @ C @ filters
    scale = np.sqrt(np.diag(seen))
    if not (scale > 0).all() or np.linalg.cond(seen / np.outer(scale, scale)) > 1e10:
        raise ValueError(
            f"The filters of {name} see nothing in these data, or the same: {filters.shape[1]} filters on "
            f"{filters.shape[0]} channels."
        )
    return Pair(name, filters, C @ filters @ np.linalg.inv(seen))


SPACES = {"channels": channel_pairs, "innovation": innovation_pairs}
