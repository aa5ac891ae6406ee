"""Maps of cross-validated networks on the trials they never saw: averages over seeds and folds, with total errors."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from eegexplain._explanation import make_explanation, population_error
from eegexplain._validation import spawn_seeds
from eegexplain.inspection._errors import total_error
from eegexplain.inspection._tasks import run_tasks
from eegexplain.inspection.cross_validation import Fold


def errors_over(folds: list[Fold], groups: NDArray | None = None) -> str:
    """What the error of a map is over that takes its networks for given.

    Parameters
    ----------
    folds : list of Fold
    groups : ndarray of shape (n_trials,) or None

    Returns
    -------
    {"trials", "groups", "folds"}
        "folds" where one holds out a single group, which tells nothing about the spread over groups: that is in the
        spread over folds.
    """
    if groups is None:
        return "trials"
    return "groups" if all(len(np.unique(groups[fold.test])) > 1 for fold in folds) else "folds"


def explain_folds(
    explainer: Any,
    folds: list[Fold],
    X: NDArray,
    y: NDArray,
    *,
    groups: NDArray | None = None,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> list[list[Any]]:
    """Explain each fold's networks on its held-out trials.

    Parameters
    ----------
    explainer : unfitted explainer
        Its ``estimator`` is replaced by each network in turn, frozen.
    folds : list of Fold
    X : ndarray of shape (n_trials, n_channels, n_times)
    y : ndarray of shape (n_trials,)
    groups : ndarray of shape (n_trials,) or None
        Clusters for the errors; not used in a fold that holds out a single one.
    random_state : int, RandomState or None
        What the explainer draws, it draws anew for each network.
    n_jobs : int or None
        Processes; the explanations do not depend on it.

    Returns
    -------
    list of list of xarray.Dataset
        One list per fold, in it one explanation per network.

    Raises
    ------
    ValueError
        Of the explainer, for trials that it cannot explain.
    """
    rng, tasks = check_random_state(random_state), []
    clustered = errors_over(folds, groups) != "trials"
    for fold in folds:
        clusters = groups[fold.test] if clustered and len(np.unique(groups[fold.test])) > 1 else None
        explainers = (spawn_seeds(explainer, rng).set_params(estimator=FrozenEstimator(net)) for net in fold.nets)
        tasks += [(one, fold.test, clusters) for one in explainers]
    found = run_tasks(partial(_explain, X, y), tasks, n_jobs)
    return [[next(found) for _ in fold.nets] for fold in folds]


def _explain(X, y, task):
    explainer, test, clusters = task
    return explainer.fit(X[test], y[test], groups=clusters).explanation_


def average_folds(explanations: list[list[Any]], folds: list[Fold], prefix: str = "") -> Any:
    """Average the explanations of all networks, with the total error.

    Parameters
    ----------
    explanations : list of list of xarray.Dataset
        Of `explain_folds`.
    folds : list of Fold
    prefix : str, default=""
        Which ``value`` and ``standard_error`` of the explanations to take, for example "class_".

    Returns
    -------
    xarray.Dataset
        What `average_maps` describes, but ``standard_error`` is the total error: over networks and folds, or that of
        the same name there, now ``error_given_networks``, where it is larger. ``degrees_of_freedom`` is the number of
        folds less one.
    """
    mean = average_maps(explanations, prefix)
    mean["error_given_networks"] = mean["standard_error"]
    sizes = [len(fold.test) for fold in folds], [len(fold.train) for fold in folds]
    total = total_error(mean["network_value"].values, mean["standard_error"].values, *sizes)
    mean["standard_error"] = mean["standard_error"].copy(data=total)
    return mean.assign_attrs(degrees_of_freedom=len(folds) - 1)


def average_maps(parts: list[list[Any]], prefix: str = "") -> Any:
    """Mean of the explanations of several networks, over the seeds of a fold first, then over folds.

    Parameters
    ----------
    parts : list of list of xarray.Dataset
        One list per fold, in it one explanation per seed.
    prefix : str, default=""
        Which ``value`` and ``standard_error`` of the explanations to take, for example "class_".

    Returns
    -------
    xarray.Dataset
        ``network_value``, with dims ``fold`` and ``seed`` before the others, is the map of each network, ``value``
        their mean; ``seed_sd`` is the standard deviation over the seeds of a fold (root mean square over folds),
        ``fold_sd`` that of the folds' means, both NaN where there is only one. ``standard_error`` is that of
        ``value`` given these networks: networks of one fold share their trials, so their errors are averaged, not
        reduced, and those of folds add up as independent.
    """
    import xarray as xr

    def stacked(name):
        """One variable of every fold and network, ``(fold, seed, ...)``."""
        return xr.concat([xr.concat([part[f"{prefix}{name}"] for part in fold], "seed") for fold in parts], "fold")

    networks, errors = stacked("value"), stacked("standard_error").mean("seed")
    means = networks.mean("seed")
    mean = xr.Dataset(
        {
            "value": means.mean("fold"),
            "standard_error": np.sqrt((errors**2).sum("fold")) / len(parts),
            "seed_sd": np.sqrt((_deviation(networks, "seed") ** 2).mean("fold")),
            "fold_sd": _deviation(means, "fold"),
            "network_value": networks,
        }
    )
    every = [part.attrs for fold in parts for part in fold]
    scores = [attributes["perturbed_score"] for attributes in every if "perturbed_score" in attributes]
    return mean.assign_attrs(every[0] | ({"perturbed_score": float(np.mean(scores))} if scores else {}))


def _deviation(values, dim):
    """Standard deviation of a sample along a dim, NaN for a single value."""
    if values.sizes[dim] > 1:
        return values.std(dim, ddof=1)
    return values.isel({dim: 0}, drop=True) * np.nan


def class_means(explanation: Any, y: NDArray, groups: NDArray | None = None) -> Any:
    """Mean over trials of each class, of the map of that class's output.

    Parameters
    ----------
    explanation : xarray.Dataset
        Of single trials: ``value`` over ``trial``, ``output`` and further dims.
    y : ndarray of shape (n_trials,)
    groups : ndarray of shape (n_trials,) or None

    Returns
    -------
    xarray.Dataset
        ``value`` and ``standard_error``, NaN for a class without trials.
    """
    value = explanation["value"]
    dims, labels = value.dims[1:], np.asarray(y).astype(str)
    mean, error = np.full((2, *value.shape[1:]), np.nan)
    for place, name in enumerate(value["output"].values.astype(str)):
        inside = labels == name
        if inside.any():
            maps = value.values[inside, place]
            mean[place] = maps.mean(axis=0)
            error[place] = population_error(maps - mean[place], None if groups is None else groups[inside])
    coords = {dim: value[dim].values for dim in dims}
    return make_explanation(mean, dims, coords, standard_error=error, **explanation.attrs)
