"""The table of all that was found of phase relations."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._explanation import make_explanation
from eegexplain.information._judging import total_of
from eegexplain.information._pairs import Worth, square
from eegexplain.information._question import Judged
from eegexplain.information._summary import CAUTION
from eegexplain.information._synchrony import Measured


@dataclass(frozen=True, eq=False)
class Axes:
    """What stands on the axes.

    Parameters
    ----------
    dim : str
        What the units are.
    units, bands, outputs, electrodes : list of str
    patterns : ndarray of shape (n_bands, n_electrodes, n_units)
        Of units that are no channels.
    """

    dim: str
    units: list[str]
    bands: list[str]
    outputs: list[str]
    electrodes: list[str]
    patterns: NDArray


def tabulate(trials: Judged, found: Measured, axes: Axes) -> Any:
    """Everything with names.

    Parameters
    ----------
    trials : Judged
    found : Measured
    axes : Axes

    Returns
    -------
    xarray.Dataset
    """
    judge, dims = trials.judge, ("band", axes.dim, f"other_{axes.dim}")
    total = total_of(judge, trials.whole)
    errors = np.array([[judge.error(pair) for pair in band] for band in found.information])
    size, n_bands = len(axes.units), len(axes.bands)
    shape = (len(axes.outputs), n_bands, -1) if found.tested.evidence.size else (len(axes.outputs), n_bands, 0)
    evidence, evidence_errors = (one.T.reshape(shape) for one in (found.tested.evidence, found.tested.errors))
    variables = {
        "evidence_value": (("output", *dims), square(evidence, size)),
        "evidence_standard_error": (("output", *dims), square(evidence_errors, size)),
        "corrected_p": (dims, square(found.tested.p_values.reshape(shape[1:]), size, 1.0)),
        **_named("relations", found.everything),
        **_named("reversal", found.reversal),
        **_named("diagonal", found.diagonal),
        **_components(found.components),
        **({} if axes.dim == "channel" else {"pattern": (("band", "electrode", axes.dim), axes.patterns)}),
        "reversal_z": ("band", [one.z for one in found.reversal]),
        "interaction": ("band", found.interaction),
        **{name: ((), value) for name, value in total.variables.items()},
    }
    coords = {"output": axes.outputs, "band": axes.bands, **dict.fromkeys(dims[1:], axes.units),
              **dict.fromkeys(("diagonal", "other_diagonal"), found.components.names),
              "electrode": axes.electrodes}  # fmt: skip
    facts = {
        "method": "synchrony",
        "label": f"information in phase relations ({judge.unit}s)",
        **total.attrs,
        "caution": CAUTION,
    }
    values = square(found.information.mean(axis=2), size)
    settings = {"standard_error": square(errors.reshape(n_bands, -1), size), "variables": variables}
    return make_explanation(values, dims, coords, **settings, **facts)


def _named(name: str, worth: list[Worth]) -> dict:
    """Values, errors and p values of all bands."""
    return {
        f"{name}_value": ("band", [one.value for one in worth]),
        f"{name}_standard_error": ("band", [one.error for one in worth]),
        f"{name}_p": ("band", [one.p_value for one in worth]),
    }


def _components(components):
    """Pairs of components without covariances; components of other data are others, so that none is a "value"."""
    size, dims = len(components.names), ("band", "diagonal", "other_diagonal")
    return {
        "diagonal_evidence": (("output", *dims), square(components.evidence, size)),
        "diagonal_corrected_p": (dims, square(components.p_values, size, 1.0)),
    }
