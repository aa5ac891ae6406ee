"""What a map of phase relations says, in words."""

from typing import Any

import numpy as np

from eegexplain._exchange import LEVEL
from eegexplain._judge import one_sided_p
from eegexplain._total import total_information

CAUTION = (
    "In-phase synchrony of two places and one source seen twice have the same second-order statistics; no test on the "
    "scalp tells them apart."
)


def gate(dataset: Any, prefix: str) -> np.ndarray:
    """One-sided p of information of 0 or less, from value and error.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of a `SynchronyMapper`, perhaps averaged over folds.
    prefix : str
        Such as "total_" or "relations_".

    Returns
    -------
    ndarray of the shape of the variable
    """
    degrees_of_freedom = dataset.attrs.get("degrees_of_freedom", np.inf)
    values, errors = dataset[f"{prefix}value"].values, dataset[f"{prefix}standard_error"].values
    return np.vectorize(one_sided_p, otypes=[float])(values, errors, degrees_of_freedom)


def describe(dataset: Any) -> str:
    """Say what was found: the gate, each band with its strongest pair, both controls, and what they leave.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of a `SynchronyMapper`, perhaps averaged over folds.

    Returns
    -------
    str
    """
    unit = f"{dataset.attrs.get('unit', 'bit')}s"
    total = total_information(dataset)
    lines = [str(total)]
    if not total.shown:
        return "\n".join([*lines, CAUTION])
    shown = gate(dataset, "relations_")
    for place, band in enumerate(dataset["band"].values):
        lines += _band_lines(dataset, place, f"{band}", shown[place], unit)
    return "\n".join([*lines, CAUTION])


def _band_lines(dataset, place, band, p, unit):
    """Sentences about one band."""
    head = f"{band}: all phase relations {_with_error(dataset, 'relations_', place)} {unit} (p = {p:.2g})"
    if not p <= LEVEL:
        return [f"{head}: not shown to be above 0."]
    value = dataset["value"].values[place]
    i, j = np.unravel_index(np.argmax(value), value.shape)
    first, second = (dataset[dim].values for dim in dataset["value"].dims[-2:])
    pair = f"strongest pair {first[i]} and {second[j]}, {value[i, j]:.3f}"
    reverse, lagged = gate(dataset, "reversal_")[place] <= LEVEL, _keeps_relations(dataset, place)
    verdict = {
        (True, True): "lags carry information: synchrony, not volume conduction alone",
        (True, False): "time reversal costs information, but no relation of uncorrelated components is shown: lags, "
        "or the order of moments",
        (False, True): "uncorrelated components keep relations, but time reversal costs nothing: lags whose sign does "
        "not matter, or class covariances that were not quite diagonal",
        (False, False): "neither control shows lags: channels are combined in phase, as for one source",
    }[bool(reverse), bool(lagged)]
    controls = (
        f"time reversal costs {_with_error(dataset, 'reversal_', place)}, components uncorrelated in each class keep "
        f"{_with_error(dataset, 'diagonal_', place)}"
    )
    return [f"{head}; {pair}.", f"  {controls}: {verdict}."]


def _keeps_relations(dataset, place):
    """Whether components without covariances are related: by the test of their pairs, over folds by what they know."""
    known = gate(dataset, "diagonal_")[place] <= LEVEL
    if "diagonal_corrected_p" not in dataset:
        return known
    return known and (dataset["diagonal_corrected_p"].values[place] <= LEVEL).any()


def _with_error(dataset, prefix, place):
    value, error = dataset[f"{prefix}value"].values[place], dataset[f"{prefix}standard_error"].values[place]
    return f"{float(value):.3f} +- {float(error):.3f}"
