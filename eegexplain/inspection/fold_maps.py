"""Maps of cross-validated networks on the trials they never saw: averages over seeds and folds, with total errors."""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from eegexplain._validation import spawn_seeds
from eegexplain.inspection._errors import total_error


def errors_over(folds, groups=None):
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


def explain_folds(explainer, folds, X, y, *, groups=None, random_state=None, prefix=""):
    """Explain each fold's networks on its held-out trials and average, over seeds first, then over folds.

    Parameters
    ----------
    explainer : unfitted explainer
        Its ``estimator`` is replaced by each network in turn, frozen.
    folds : list of Fold
    X : ndarray of shape (n_trials, n_channels, n_times)
    y : ndarray of shape (n_trials,)
    groups : ndarray of shape (n_trials,) or None
        Clusters for the errors, where every fold holds out several.
    random_state : int, RandomState or None
        What the explainer draws, it draws anew for each network.
    prefix : str, default=""
        Which ``value`` and ``standard_error`` of the explanation to take, for example "class_".

    Returns
    -------
    xarray.Dataset
        What `average_maps` describes, but ``standard_error`` is the total error: over networks and folds, or that of
        the same name there, now ``error_given_networks``, where it is larger. ``degrees_of_freedom`` is the number of
        folds less one.
    """
    rng, clustered, parts = check_random_state(random_state), errors_over(folds, groups) != "trials", []
    for fold in folds:
        inside = groups[fold.test] if clustered and len(np.unique(groups[fold.test])) > 1 else None
        explainers = (spawn_seeds(explainer, rng).set_params(estimator=FrozenEstimator(net)) for net in fold.nets)
        parts.append([one.fit(X[fold.test], y[fold.test], groups=inside).explanation_ for one in explainers])
    mean = average_maps(parts, prefix)
    mean["error_given_networks"] = mean["standard_error"]
    sizes = [len(fold.test) for fold in folds], [len(fold.train) for fold in folds]
    total = total_error(mean["network_value"].values, mean["standard_error"].values, *sizes)
    mean["standard_error"] = mean["standard_error"].copy(data=total)
    return mean.assign_attrs(degrees_of_freedom=len(folds) - 1)


def average_maps(parts, prefix=""):
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
