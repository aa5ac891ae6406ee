"""What an information map holds, read for drawing: cells, amounts, errors and how each is drawn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from eegexplain._arrays import check_number
from eegexplain._exchange import LEVEL
from eegexplain._text import readable
from eegexplain._validation import check_array_like

OUTSIDE = "outside"  # of a Shapley decomposition: what no cell holds
SMALLEST_FONT = 7.0
GREY = {"unique": "0.6", "alone": "0.78", "shapley": "0.6", "total": "0.45"}  # where nothing is shown
# Okabe and Ito's: apart in colour and in lightness
COLOUR = {"unique": "#0072B2", "alone": "#E69F00", "shapley": "#0072B2", "total": "0.25"}
MEANING = {
    "unique": "lost without the cell",
    "alone": "known by the cell alone",
    "shapley": "the cell's share (Shapley)",
}
ORDERED = ("frequency", "time", "test_time")  # axes of numbers


@dataclass(frozen=True, eq=False)
class Amounts:
    """One kind of information of every cell.

    Parameters
    ----------
    name : {"unique", "alone", "shapley"}
    values, errors : ndarray of shape (*cells)
    told : ndarray of bool of shape (*cells)
        Cells that are told from 0.
    folds : ndarray of shape (n_folds, *cells) or None
    """

    name: str
    values: NDArray
    errors: NDArray
    told: NDArray
    folds: NDArray | None


def read_amounts(explanation: Any, mask: Any = None) -> list[Amounts]:
    """All kinds that a map holds, that of its ``value`` last.

    Parameters
    ----------
    explanation : xarray.Dataset
    mask : array-like of bool or None
        Cells whose ``value`` is told from 0. None takes corrected p values; where there are none, and for what is
        drawn beside ``value``, the cells whose 95 % interval lies above 0.

    Returns
    -------
    list of Amounts

    Raises
    ------
    ValueError
        For a mask of another shape.
    """
    main = explanation.attrs.get("decomposition", "unique")
    prefixes = {main: ""} | ({"unique": "unique_"} if main == "alone" and "unique_value" in explanation else {})
    order = [name for name in MEANING if name in prefixes]
    return [_read(explanation, name, prefixes[name], mask if name == main else None) for name in order]


def _read(explanation, name, prefix, mask):
    dims = explanation["value"].dims
    values = explanation[f"{prefix}value"].transpose(*dims).to_numpy().astype(float)
    error = f"{prefix}standard_error"
    errors = explanation[error].transpose(*dims).to_numpy() if error in explanation else np.full(values.shape, np.nan)
    folds = None
    if f"{prefix}fold_value" in explanation:
        folds = explanation[f"{prefix}fold_value"]
        folds = (folds.mean("seed") if "seed" in folds.dims else folds).transpose("fold", *dims).to_numpy()
    return Amounts(name, values, errors, _told(explanation, values, errors, mask), folds)


def _told(explanation, values, errors, mask):
    value = explanation["value"]
    if mask is not None:
        named = mask.transpose(*value.dims) if hasattr(mask, "dims") else mask
        found = np.asarray(named, dtype=bool)
        if found.shape != value.shape:
            raise ValueError(f"mask must have the shape of the values, {value.shape}, got {found.shape}.")
        return found
    if "corrected_p" in explanation:
        return explanation["corrected_p"].transpose(*value.dims).to_numpy() <= LEVEL
    return values > quantile(explanation) * errors


def quantile(explanation: Any) -> float:
    """Errors in half a 95 % interval.

    Parameters
    ----------
    explanation : xarray.Dataset

    Returns
    -------
    float
    """
    return float(stats.t.ppf(0.975, explanation.attrs["degrees_of_freedom"]))


def read_truth(truth: Any, shape: tuple[int, ...]) -> dict[str, NDArray]:
    """Exact values by what they are of.

    Parameters
    ----------
    truth : dict or None
    shape : tuple of int
        Of the cells.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        For unknown names and other shapes.
    """
    found = {}
    for name, given in (truth or {}).items():
        if name not in COLOUR:
            raise ValueError(f"truth is of {', '.join(COLOUR)}, got {name!r}.")
        if name == "total":
            found[name] = np.asarray(check_number("truth['total']", given))
            continue
        values = check_array_like(f"truth[{name!r}]", given, dtype=float)
        if values.shape != shape:
            raise ValueError(f"truth[{name!r}] must have the shape {shape}, got {values.shape}.")
        found[name] = values
    return found


def cell_names(explanation: Any) -> list[str]:
    """Names of the cells of a map with one axis.

    Parameters
    ----------
    explanation : xarray.Dataset

    Returns
    -------
    list of str
    """
    dim = explanation["value"].dims[0]
    labels = explanation[dim].values
    return [readable(label) if isinstance(label, str) else f"{label:g}" for label in labels]


def borders(centers: NDArray) -> NDArray:
    """Borders between cells around ascending numbers.

    Parameters
    ----------
    centers : ndarray of shape (n_cells,)

    Returns
    -------
    ndarray of shape (n_cells + 1,)
    """
    if len(centers) == 1:
        return centers[0] + np.array([-0.5, 0.5])
    middle = (centers[1:] + centers[:-1]) / 2
    return np.concatenate([[2 * centers[0] - middle[0]], middle, [2 * centers[-1] - middle[-1]]])
