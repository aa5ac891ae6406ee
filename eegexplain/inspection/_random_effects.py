"""What a sample of groups tells of all: mean, spread without the groups' own errors, and what a new group will show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eegexplain._explanation import ORIGIN

OF_ONE = ("data_share", "perturbed_score", "n_trials", "seed", *ORIGIN)  # attributes that tell of one group


@dataclass(frozen=True, eq=False)
class RandomEffects:
    """Of each cell.

    Parameters
    ----------
    value : ndarray of shape (...)
        Mean over groups, each of which counts once.
    standard_error : ndarray of shape (...)
        Standard deviation over groups by the root of their number; t with one degree of freedom less.
    between_sd : ndarray of shape (...)
        Standard deviation of the groups' true values; NaN where errors are unknown.
    prediction_error : ndarray of shape (...)
        Standard deviation of the difference between what a new group will show and `value`.
    """

    value: NDArray
    standard_error: NDArray
    between_sd: NDArray
    prediction_error: NDArray


def random_effects(values: ArrayLike, errors: ArrayLike) -> RandomEffects:
    """Summarize the values of groups that are a random sample.

    The variance over groups, less the mean of their squared errors and at least zero, is that between groups: the
    unweighted moment estimator [1]_. DerSimonian and Laird's [2]_ and restricted maximum likelihood weigh groups by
    errors that they take for known; those of five folds have 4 degrees of freedom, and with them both are too
    large (10 groups with errors of 1 that differ by 1: mean variance 1.36 and 1.25, of the unweighted one 1.04).

    Parameters
    ----------
    values, errors : array-like of shape (n_groups, ...)

    Returns
    -------
    RandomEffects

    References
    ----------
    .. [1] L. V. Hedges, "A random effects model for effect sizes", Psychological Bulletin 93 (1983),
           doi:10.1037/0033-2909.93.2.388.
    .. [2] R. DerSimonian, N. Laird, "Meta-analysis in clinical trials", Controlled Clinical Trials 7 (1986),
           doi:10.1016/0197-2456(86)90046-2.
    """
    values, errors = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    n_groups, variance = len(values), values.var(axis=0, ddof=1)
    between = np.sqrt(np.maximum(variance - np.square(errors).mean(axis=0), 0))
    return RandomEffects(
        values.mean(axis=0), np.sqrt(variance / n_groups), between, np.sqrt(variance * (1 + 1 / n_groups))
    )


def summarize_groups(maps: Mapping[Any, Any]) -> Any:
    """Means over groups with their errors, of every variable called value.

    Parameters
    ----------
    maps : dict of xarray.Dataset
        By group, of a `CrossValidatedExplanation` each.

    Returns
    -------
    xarray.Dataset
        As in `GroupExplanation`, without the numbers of trials.

    Raises
    ------
    ValueError
        For maps that differ in shape or names.
    """
    import xarray as xr

    first = next(iter(maps.values()))
    data: dict[str, Any] = {}
    for prefix in _prefixes(first):
        _check_alike({name: one[f"{prefix}value"] for name, one in maps.items()})
        stacked = {name: [one[f"{prefix}{name}"] for one in maps.values()] for name in ("value", "standard_error")}
        values, errors = (xr.concat(ones, "group") for ones in stacked.values())
        found = vars(random_effects(values.values, errors.values))
        data |= {f"{prefix}{name}": values.isel(group=0, drop=True).copy(data=one) for name, one in found.items()}
        data |= {f"{prefix}group_value": values, f"{prefix}group_error": errors}
    scores = [name for name in first if name.startswith("test_")]
    data |= {name: ("group", [float(one[name].mean()) for one in maps.values()]) for name in scores}
    kept = {name: value for name, value in first.attrs.items() if name not in OF_ONE}
    return xr.Dataset(data, attrs=kept | {"degrees_of_freedom": len(maps) - 1}).assign_coords(group=list(maps))


def _prefixes(dataset):
    """What stands before the value of the map and of those beside it."""
    others = ("fold_value", "trial_value")
    return [name.removesuffix("value") for name in dataset if name.endswith("value") and not name.endswith(others)]


def _check_alike(maps):
    name, first = next(iter(maps.items()))
    for other, value in maps.items():
        same = dict(value.sizes) == dict(first.sizes) and all(
            np.array_equal(value[dim].values, first[dim].values) for dim in value.coords
        )
        if not same:
            raise ValueError(
                f"The map of group {other!r} has the axes {dict(value.sizes)}, that of group {name!r} "
                f"{dict(first.sizes)}, or other names on them: maps must agree to be averaged."
            )
