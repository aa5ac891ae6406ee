"""Where two kinds of maps differ, and what that means by their definitions."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

from eegexplain._text import readable

ALPHA = 0.05
TOP = 0.1  # share of the cells of an output that are high
HALF, QUARTER = 0.5, 0.25
N_NAMED = 3  # cells that a sentence names
INDEPENDENT, DATA, FLEX, BITS = "independent noise", "data noise", "attribution", "information"
CONTRAST, ENVELOPES, FILTERS = "data contrast", "envelopes", "filters"


@dataclass(frozen=True)
class Reading:
    """What it means that one kind of map is high where another is low, or has the other sign.

    Parameters
    ----------
    high, low : str
        Names of families.
    means : str
    opposite : bool
        Whether both are high, with different signs.
    """

    high: str
    low: str
    means: str
    opposite: bool = False


# Independent noise: d output / d amplitude of this channel alone. Data noise: the same for what moves together in the
# data. Attribution: amplitude times slope, averaged along the path from silence. All follow from these definitions.
READINGS = (
    Reading(
        INDEPENDENT,
        DATA,
        "the network subtracts these channels: read with one sign, they go with the output with the other, as what "
        "cancels noise that other channels carry too (a suppressor) does",
        opposite=True,
    ),
    Reading(
        INDEPENDENT,
        DATA,
        "the network reads them, but in these data they do not go with its output, as what only cancels noise of other "
        "channels (a suppressor)",
    ),
    Reading(DATA, INDEPENDENT, "they go with the output without being read: they share sources with what is read"),
    Reading(CONTRAST, INDEPENDENT, "the classes differ there in power that the network does not read from them"),
    Reading(CONTRAST, DATA, "the classes differ there in power that the output does not follow: it is not used"),
    Reading(CONTRAST, FLEX, "the classes differ there in power that adds nothing to the output: it is not used there"),
    Reading(CONTRAST, BITS, "the classes differ there in power that the decoder does not need: unused, or said twice"),
    Reading(
        INDEPENDENT,
        CONTRAST,
        "the network reads what hardly differs in power between the classes: to cancel noise (a suppressor), for "
        "something else than power, or by chance",
    ),
    Reading(
        DATA,
        CONTRAST,
        "the output follows what hardly differs in power between the classes: noise that gets through, something else "
        "than power, or chance",
    ),
    Reading(
        FLEX,
        CONTRAST,
        "parts of the output come from what hardly differs in power between the classes: it moves the output of all "
        "classes alike",
    ),
    Reading(
        BITS,
        CONTRAST,
        "the decoder needs what hardly differs in power between the classes: to cancel noise, or for something else "
        "than power",
    ),
    Reading(
        FLEX,
        INDEPENDENT,
        "they make up the output, but small changes of them do not move it: saturated, or an amplitude that hardly "
        "varies over trials",
    ),
    Reading(
        INDEPENDENT,
        FLEX,
        "small changes move the output, but what is there adds little to it: a small amplitude, or contributions that "
        "cancel along the path from silence",
    ),
    Reading(
        FLEX,
        DATA,
        "they are part of the sum that makes the output, yet it does not follow them in these data: they cancel other "
        "parts of it, or are saturated",
    ),
    Reading(
        FLEX,
        DATA,
        "they are added with one sign and go with the output with the other: they cancel other parts of it",
        opposite=True,
    ),
    Reading(DATA, FLEX, "they go with the output without adding to it: they share sources with what does"),
    Reading(ENVELOPES, INDEPENDENT, "the layer follows power there that the output does not read from them"),
    Reading(ENVELOPES, DATA, "the layer follows power there that the output does not follow"),
    Reading(FILTERS, INDEPENDENT, "filters pass it, and what comes after them makes little of it"),
    Reading(BITS, DATA, "held-out trials are decoded by it though the output hardly follows its amplitude"),
    Reading(DATA, BITS, "the output follows it, but loses nothing without it: others say the same, or it misleads"),
)


@dataclass(frozen=True, eq=False)
class Placed:
    """A map on the grid.

    Parameters
    ----------
    name : str
    family : str
    values : ndarray of shape (n_outputs, n_channels, n_bands)
    signed : bool
    p_values : ndarray of the same shape
        Of each cell for itself; 0 where errors are not known.
    """

    name: str
    family: str
    values: NDArray
    signed: bool
    p_values: NDArray

    @property
    def high(self) -> NDArray:
        """The largest tenth of each output's cells, as far as they are beyond 0 (Bonferroni over that tenth)."""
        flat = np.abs(self.values).reshape(len(self.values), -1)
        order = np.argsort(np.argsort(-flat, axis=1, kind="stable"), axis=1)
        n_high = max(1, round(TOP * flat.shape[1]))
        largest = (order < n_high).reshape(self.values.shape) & (self.values != 0)
        return largest & (self.p_values <= ALPHA / n_high)


def ranks_of(values: NDArray) -> NDArray:
    """Share of an output's cells with absolute values of at most that of each.

    Parameters
    ----------
    values : ndarray of shape (n_outputs, ...)

    Returns
    -------
    ndarray of the same shape
        Above 0, at most 1; 0 where the value is 0.
    """
    flat = np.abs(values).reshape(len(values), -1)
    return np.where(flat > 0, rankdata(flat, axis=1) / flat.shape[1], 0.0).reshape(values.shape)


def cell_p_values(values: NDArray, error: NDArray | None, degrees_of_freedom: int | None) -> NDArray:
    """Two-sided p values of cells, each for itself.

    Parameters
    ----------
    values : ndarray
    error : ndarray of the same shape or None
    degrees_of_freedom : int or None
        Of t.

    Returns
    -------
    ndarray of the same shape
        0 where errors are not known: nothing is held against those cells.
    """
    if error is None or degrees_of_freedom is None or not np.isfinite(error).any():
        return np.zeros(values.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(2 * t.sf(np.abs(values) / error, max(1, degrees_of_freedom)), nan=1.0)


def tell_differences(placed: list[Placed], coordinates: dict) -> list[str]:
    """One sentence for each pair of maps whose difference has a meaning, and cells where they differ.

    Parameters
    ----------
    placed : list of Placed
    coordinates : dict of str to list
        ``output``, ``channel`` and ``band``.

    Returns
    -------
    list of str
    """
    told = []
    for one, other in permutations(placed, 2):
        opposite = np.zeros(one.values.shape, bool)
        for reading in READINGS:  # what is told as opposite is not told again as high and low
            if (reading.high, reading.low) != (one.family, other.family):
                continue
            if reading.opposite:
                cells = opposite = _opposite(one, other)
            else:
                cells = one.high & (ranks_of(other.values) <= HALF) & ~opposite
            if cells.any():
                how = "have opposite signs at" if reading.opposite else "differ (the first high, the second low) at"
                where = _named(cells, np.abs(one.values), coordinates)
                told.append(f"{one.name} and {other.name} {how} {where}: {reading.means}.")
    return told


def _opposite(one, other):
    """Cells that are high in one map, and large with the other sign in the other."""
    if not (one.signed and other.signed):
        return np.zeros(one.values.shape, bool)
    both = (one.high | other.high) & (one.p_values <= ALPHA) & (other.p_values <= ALPHA)
    both &= (ranks_of(one.values) > 1 - QUARTER) & (ranks_of(other.values) > 1 - QUARTER)
    return both & (np.sign(one.values) * np.sign(other.values) < 0)


def _named(cells, size, coordinates):
    """The largest of some cells by name, and how many more there are."""
    found = sorted(np.argwhere(cells).tolist(), key=lambda cell: -size[tuple(cell)])
    outputs = [f" (class {readable(name)})" if len(coordinates["output"]) > 1 else "" for name in coordinates["output"]]
    told = [
        f"{readable(coordinates['channel'][c])} {readable(coordinates['band'][b])}{outputs[k]}"
        for k, c, b in found[:N_NAMED]
    ]
    return ", ".join(told) + (f" and {len(found) - N_NAMED} more cells" if len(found) > N_NAMED else "")
