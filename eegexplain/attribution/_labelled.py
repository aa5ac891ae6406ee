"""Attributions with named axes, the contrast of two classes, and the warning about open integrals."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from eegexplain._explanation import make_explanation
from eegexplain._means import class_variables
from eegexplain._validation import check_option


def label_population(population, checks, coords, basis, facts):
    """Label mean maps, and how well the integral of each trial came out.

    Parameters
    ----------
    population : Population
    checks : Checks
    coords : dict of str to sequence
    basis : Basis
    facts : dict
        Attributes.

    Returns
    -------
    xarray.Dataset
        ``value``, ``standard_error``, with `per_class` ``class_value`` and ``class_standard_error``, and per trial
        ``convergence_delta``, ``n_steps``, ``converged``.
    """
    coords = {**coords, "trial": np.arange(len(checks.n_steps))}
    dims = tuple(coords)[:-1]
    variables = {"convergence_delta": (("trial", "output"), checks.convergence_delta),
                 "n_steps": (("trial",), checks.n_steps), "converged": (("trial",), checks.converged)}
    overall = population.overall.mean
    if population.per_class is not None:
        variables |= class_variables([each.mean for each in population.per_class], dims, overall.shift.shape[1:])
    dataset = make_explanation(overall.mean(), dims, coords, standard_error=overall.standard_error(),
                               variables=variables, **facts, **checks.summary())
    return _with_cells(dataset, basis)


def label_trials(values, checks, coords, basis, facts, names):
    """Dataset of single trials; `names` are the outputs explained, None where all are."""
    coords = {"trial": np.arange(len(values)), **coords}
    delta = checks.convergence_delta
    if names is not None:
        del coords["output"]
        values, delta = values[:, 0], delta[:, 0]
    leading = tuple(coords)[:-2]
    variables = {"convergence_delta": (leading, delta), "n_steps": (("trial",), checks.n_steps)}
    dataset = make_explanation(values, tuple(coords), coords, variables=variables, **facts)
    if names is not None:
        dataset = dataset.assign_coords(target=("trial", names))
    return _with_cells(dataset, basis)


def class_contrast(explanation: Any, first: str, second: str) -> Any:
    """Difference of two classes' maps, each over its own trials, and its standard error.

    Parameters
    ----------
    explanation : xarray.Dataset
        ``explanation_`` of a fitted `FLEXAttributor`, or what `explain_population` returns with labels.
    first, second : str
        Names of outputs.

    Returns
    -------
    xarray.Dataset
        ``value`` and ``standard_error`` without the output dimension.

    Raises
    ------
    ValueError
        Without class maps, or for an unknown class.
    """
    if "class_value" not in explanation:
        raise ValueError("no maps per class: fit a classifier, or give labels to explain_population")
    names = [str(name) for name in explanation["output"].values]
    for name in (first, second):
        check_option("class", name, names)
    left, right = explanation.sel(output=first), explanation.sel(output=second)
    contrast = explanation[["value", "standard_error"]].isel(output=0, drop=True)
    contrast["value"] = left["class_value"] - right["class_value"].values
    contrast["standard_error"] = np.hypot(left["class_standard_error"], right["class_standard_error"].values)
    return contrast.drop_vars("output").assign_attrs(explanation.attrs, contrast=f"{first} - {second}")


def _with_cells(dataset, basis):
    """Attach time, frequency and band of each coefficient where the basis has several coordinates."""
    extra = {key: (basis.dim, values) for key, values in basis.cells().items() if key != basis.dim}
    return dataset.assign_coords(extra)


def warn_unconverged(checks):
    """Warn once with the number of trials that were not integrated to the tolerance."""
    n_open = int(np.sum(~checks.converged))
    if n_open:
        warnings.warn(f"the map of {n_open} of {len(checks.converged)} trials still moved at the last node; raise tol, "
                      "choose a baseline from which the network changes smoothly, or fix n_steps",
                      ConvergenceWarning, stacklevel=4)
