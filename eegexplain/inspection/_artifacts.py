"""Where artifacts show: channels by their names in the 10-05 system, bands and frequencies by their limits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OCULAR_BELOW, MUSCLE_ABOVE = 8.0, 13.0  # Hz: delta and theta; beta and gamma
LINE_WIDTH = 1.0  # Hz to either side of the line and its harmonics
NARROW = 4.0  # Hz: a wider band around the line holds more than the line

_ROWS = "N?Fp|AFp|AFF?|FFC|FFT|FCC|FTT|FC|FT|F|CCP|TTP|CPP|TPP|CP|TP|C|T|PPO|POO|PO|P|OI|O|I|N"
_NAME = re.compile(rf"^({_ROWS})(z|\d+)(h?)$", re.I)
_EYES = re.compile(r"eog|^[LIS]O[12]$|^[hv]eo[glr]?$", re.I)
_FRONT = {"n", "nfp", "fp", "afp", "af", "aff", "f"}
_EDGE = {"n", "nfp", "fp", "o", "oi", "i"}  # rows of which every electrode lies on the edge


@dataclass(frozen=True)
class Place:
    """What the name of a channel says about its place.

    Parameters
    ----------
    ocular : bool
        Near the eyes: frontal rows, and electrodes for the eyes themselves.
    muscle : bool
        On the edge of the cap, over muscles of face, jaw and neck.
    """

    ocular: bool
    muscle: bool


def place_of(name: str) -> Place | None:
    """Place of a channel, by its name.

    Parameters
    ----------
    name : str
        In the 10-05 system, old names (T3 to T6) included, or of an electrode for the eyes.

    Returns
    -------
    Place or None
        None for other names.
    """
    name = name.strip(" .")
    if _EYES.search(name):
        return Place(True, False)
    found = _NAME.match(name)
    if found is None:
        return None
    row, number = found[1].lower(), 0 if found[2].lower() == "z" else int(found[2])
    outer = number >= (9 if found[3] else 7)
    ocular = row in _FRONT
    old_temporal = row == "t" and not found[3]  # T3 to T6 are T7, T8, P7 and P8 of the newer system
    return Place(ocular, outer or row in _EDGE or old_temporal)


def ocular_columns(columns: Sequence[tuple[float, float]]) -> NDArray:
    """Bands (or bins) below the limit of eye movements.

    Parameters
    ----------
    columns : sequence of (float, float)
        Limits in Hz; of a bin twice its frequency.

    Returns
    -------
    ndarray of bool of shape (n_columns,)
    """
    return np.array([high <= OCULAR_BELOW for _, high in columns])


def muscle_columns(columns: Sequence[tuple[float, float]]) -> NDArray:
    """Bands (or bins) from the lower limit of muscles on.

    Parameters
    ----------
    columns : sequence of (float, float)

    Returns
    -------
    ndarray of bool of shape (n_columns,)
    """
    return np.array([low >= MUSCLE_ABOVE for low, _ in columns])


def line_columns(columns: Sequence[tuple[float, float]], line: float) -> NDArray:
    """Bins and narrow bands at the frequency of the mains and its harmonics.

    Parameters
    ----------
    columns : sequence of (float, float)
    line : float
        In Hz.

    Returns
    -------
    ndarray of bool of shape (n_columns,)
    """
    inside = []
    for low, high in columns:
        nearest = line * max(1, round((low + high) / 2 / line))
        inside.append(high - low <= NARROW and low - LINE_WIDTH <= nearest <= high + LINE_WIDTH)
    return np.array(inside, dtype=bool)
