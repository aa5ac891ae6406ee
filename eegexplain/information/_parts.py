"""Parts of time and frequency, and the axis that each kind of them makes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._bands import band_masks
from eegexplain._validation import check_bands, check_option
from eegexplain.bases import Basis, Spatial
from eegexplain.bases._basis import cell_labels
from eegexplain.information._cells import Part

BIN_WIDTH, HIGHEST_BIN = 2.0, 45.0  # Hz
TIMES = ("bands", "bins", "windows")


@dataclass(frozen=True, eq=False)
class BasisPart(Part):
    """What one cell of a linear basis makes of a trial: its coefficients, put together again.

    Parameters
    ----------
    name : str
    basis : Basis
        Bound to the trials' length.
    number : int
        Of the cell.
    """

    basis: Any = None
    number: int = 0

    def of(self, X: NDArray) -> NDArray:
        """The part of trials.

        Parameters
        ----------
        X : ndarray of shape (..., n_times)

        Returns
        -------
        ndarray of the shape of `X`
        """
        coefficients = self.basis.analyze(X)
        chosen = np.zeros(self.basis.pool(np.ones(coefficients.shape[-1])).shape)
        chosen[self.number] = 1
        kept = coefficients * self.basis.spread(chosen).astype(coefficients.real.dtype)
        return self.basis.synthesize(kept).astype(X.dtype, copy=False)


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
    if np.ndim(windows) == 0:
        windows = np.linspace(0, end, windows + 1)
    edges = np.asarray(windows, dtype=float)
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




@dataclass(frozen=True, eq=False)
class Moments:
    """An axis of parts.

    Parameters
    ----------
    dim : str
    values : list
        One per part.
    parts : list of Part
    beside : dict of str to (str, ndarray)
        Further coordinates along the axis.
    """

    dim: str
    values: list
    parts: list[Part]
    beside: dict[str, tuple[str, NDArray]]


def find_parts(cells: Any, bands: Any, windows: Any, sfreq: float, n_times: int) -> Moments:
    """Parts of time and frequency by what a user calls them.

    Parameters
    ----------
    cells : {"bands", "bins", "windows"} or Basis
    bands : "eeg" or dict of str to (float, float)
    windows : int or sequence of float
    sfreq : float
    n_times : int

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        For names that no parts have, and what bands, windows and trials of this length do not allow.
    TypeError
        For a basis of space.
    """
    if isinstance(cells, Basis):
        return _basis_parts(cells, sfreq, n_times)
    if isinstance(cells, str) and " x " in cells:
        times, _, spatial = cells.partition(" x ")
        raise ValueError(f"cells={cells!r} is not valid: give cells={times!r} and space={spatial!r}.")
    name = check_option("cells", cells, TIMES)
    if name == "bins":
        parts = bin_parts(sfreq, n_times)
        return Moments("frequency", [float(part.name) for part in parts], parts, {})
    parts = band_parts(bands, sfreq, n_times) if name == "bands" else window_parts(windows, sfreq, n_times)
    return Moments(name.removesuffix("s"), [part.name for part in parts], parts, {})


def _basis_parts(basis, sfreq, n_times):
    """Cells of a linear basis but its residual, which is no place of its own: it is what no cell holds."""
    if isinstance(basis, Spatial):
        raise TypeError(
            "A spatial basis has no parts of time or frequency: give it as space=, and its temporal basis as cells=."
        )
    bound = basis.bind(n_times, sfreq)
    coordinates = bound.coordinates()
    n_cells = len(next(iter(coordinates.values())))
    values = cell_labels(bound)[:n_cells].tolist()
    parts = [BasisPart(str(value), basis=bound, number=number) for number, value in enumerate(values)]
    beside = {key: (bound.dim, np.asarray(one)) for key, one in coordinates.items() if key != bound.dim}
    return Moments(bound.dim, values, parts, beside)
