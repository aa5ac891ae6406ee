"""Maps of cross-validated networks on the trials they never saw: averages over seeds and folds, with total errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from eegexplain._checkpoint import Checkpoint
from eegexplain._explanation import ORIGIN, make_explanation, population_error
from eegexplain._units import Unit, run_units
from eegexplain._validation import drawn_seeds, with_seeds
from eegexplain.inspection._errors import fold_errors
from eegexplain.inspection._splits import Splits
from eegexplain.inspection.cross_validation import Fold

AVERAGES = (  # what `average_folds` gives
    "value",
    "standard_error",
    "error_given_networks",
    "jackknife_error",
    "nadeau_bengio_error",
    "seed_sd",
    "fold_sd",
    "fold_value",
)
NUMBERS = ("perturbed_score", "slope", "free_total")  # attributes of each network, whose mean is told


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
    starts: list[list[dict[str, int]]] | None = None,
    n_jobs: int | None = None,
    checkpoint: Checkpoint | None = None,
    read: Callable[[Any, NDArray, NDArray], Any] | None = None,
    verbose: int = 0,
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
        Clusters for the errors; not used in a fold that holds out fewer than the explainer can compare (2, or its
        ``_fewest_groups``).
    random_state : int, RandomState or None
        What the explainer draws, it draws anew for each network.
    starts : list of list of dict, optional
        What was drawn already, of `draw_starts`.
    n_jobs : int or None
        Processes; the explanations do not depend on it.
    checkpoint : Checkpoint or None
        Keeps what `read` returns.
    read : callable or None
        Takes the explainer fitted around a network, its trials and their targets, and returns what is kept of it; None
        keeps ``explanation_``.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    list of list of xarray.Dataset
        One list per fold, in it one explanation (or what `read` returns) per network.

    Raises
    ------
    ValueError
        Of the explainer, for trials that it cannot explain.
    """
    if starts is None:
        starts = draw_starts(explainer, [len(fold.nets) for fold in folds], check_random_state(random_state))
    units, fewest = [], getattr(explainer, "_fewest_groups", 2)
    for fold, seeds in zip(folds, starts, strict=True):
        clusters = None if groups is None or len(np.unique(groups[fold.test])) < fewest else groups[fold.test]
        units.append(Unit(_explain, (explainer, seeds, fold, X, y, clusters, read or _population)))
    return list(run_units(units, n_jobs=n_jobs, checkpoint=checkpoint, verbose=verbose, desc="explaining"))


def draw_starts(explainer: Any, n_networks: list[int], rng: np.random.RandomState) -> list[list[dict[str, int]]]:
    """Seeds of what an explainer draws around each network.

    Parameters
    ----------
    explainer : explainer
    n_networks : list of int
        Of each fold.
    rng : numpy.random.RandomState

    Returns
    -------
    list of list of dict
    """
    return [[drawn_seeds(explainer, rng) for _ in range(count)] for count in n_networks]


def _explain(explainer, seeds, fold, X, y, clusters, read):
    """What is kept of the explainers around the networks of a fold."""
    X, y, found = X[fold.test], y[fold.test], []
    for own, net in zip(seeds, fold.nets, strict=True):
        one = with_seeds(explainer, own).set_params(estimator=FrozenEstimator(net))
        found.append(read(one.fit(X, y, groups=clusters), X, y))
    return found


def _population(explainer, X, y):
    return explainer.explanation_


def average_folds(
    explanations: list[list[Any]],
    folds: list[Fold],
    prefix: str = "",
    *,
    groups: NDArray | None = None,
    seeded: bool = True,
) -> Any:
    """Average the explanations of all networks, over the seeds of a fold first, with errors that contain the networks.

    Parameters
    ----------
    explanations : list of list of xarray.Dataset
        Of `explain_folds`: one list per fold, in it one explanation per seed.
    folds : list of Fold
    prefix : str, default=""
        Which ``value`` and ``standard_error`` of the explanations to take, for example "class_".
    groups : ndarray of shape (n_trials,) or None
        Units in which the sizes of training and test parts are counted.
    seeded : bool, default=True
        Whether networks depend on their seed.

    Returns
    -------
    xarray.Dataset
        ``fold_value``, with dims ``fold`` and ``seed`` before the others, is the map of each network, ``value`` their
        mean; ``seed_sd`` the standard deviation over the seeds of a fold (root mean square over folds), ``fold_sd``
        that of the folds' means, both NaN where there is only one. ``standard_error`` is the total error of
        `eegexplain.inspection._errors.fold_errors`, ``jackknife_error`` and ``nadeau_bengio_error`` two that it lies
        between, ``error_given_networks`` that over trials or groups: networks of one fold share their trials, so their
        errors are averaged, not reduced, and those of folds add up as independent. ``degrees_of_freedom`` is the number
        of folds less one, ``data_share`` how much of the spread over folds is due to their training data.
    """
    import xarray as xr

    def stacked(name):
        """A variable of all explanations, with dims fold and seed first."""
        return xr.concat(
            [xr.concat([part[f"{prefix}{name}"] for part in fold], "seed") for fold in explanations], "fold"
        )

    networks = stacked("value")
    given = stacked("standard_error").mean("seed") if f"{prefix}standard_error" in explanations[0][0] else None
    means = networks.mean("seed")
    given_values = np.full(means.shape, np.nan) if given is None else given.values
    splits = Splits([(fold.train, fold.test) for fold in folds])
    errors = fold_errors(networks.values, given_values, splits.overlap(groups), once=splits.once, seeded=seeded)
    over_trials = np.sqrt(np.square(given_values).sum(axis=0)) / len(folds)
    total = errors.total if len(folds) > 1 else over_trials
    value = means.mean("fold")
    mean = xr.Dataset(
        {
            "value": value,
            "standard_error": value.copy(data=total),
            "error_given_networks": value.copy(data=over_trials),
            "jackknife_error": value.copy(data=errors.jackknife),
            "nadeau_bengio_error": value.copy(data=errors.nadeau_bengio),
            "seed_sd": np.sqrt((_deviation(networks, "seed") ** 2).mean("fold")),
            "fold_sd": _deviation(means, "fold"),
            "fold_value": networks,
        }
    )
    every = [part.attrs for fold in explanations for part in fold]
    means = {name: float(np.mean([one[name] for one in every])) for name in NUMBERS if name in every[0]}
    common = {key: value for key, value in every[0].items() if key not in ORIGIN}  # else of one network, of its trials
    mean = mean.assign_attrs(common | means)
    if "note" in mean.attrs and sum("note" in one for one in every) <= len(every) / 2:
        del mean.attrs["note"]  # of single networks
    return mean.assign_attrs(degrees_of_freedom=len(folds) - 1, data_share=errors.data_share)


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
