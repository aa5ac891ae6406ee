"""Seeds of refits: each has its own, drawn from the caller's."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state


def random_seed(random_state: Any) -> int:
    """Draw one integer seed (below 2**31) from anything scikit-learn accepts as `random_state`."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def seeded_parameters(estimator: Any) -> list[str]:
    """Return the names of all `random_state` parameters of an estimator and of what it holds, at any depth, sorted."""
    names = estimator.get_params(deep=True)
    return sorted(name for name in names if name == "random_state" or name.endswith("__random_state"))


def spawn_seeds(estimator: Any, random_state: Any) -> Any:
    """Clone an estimator and give every nested `random_state` a seed of its own.

    Every refit inside a procedure (folds, permutations, seeds) goes through here. A plain ``clone`` hands one seed to
    all refits: their networks then share their start, and maps of pure noise look alike.

    Parameters
    ----------
    estimator : estimator instance
        It is not changed. Fitted parts inside a ``FrozenEstimator`` are not refitted and stay as they are.
    random_state : int, RandomState instance or None
        The caller's. For several refits pass one RandomState instance, from which each draws its own seeds; an int
        gives the same seeds each time.

    Returns
    -------
    estimator : estimator instance
        Unfitted; all its seeds are ints, so that it can be fitted again with the same result.
    """
    return with_seeds(estimator, drawn_seeds(estimator, check_random_state(random_state)))


def drawn_seeds(estimator: Any, rng: np.random.RandomState) -> dict[str, int]:
    """Seeds for every nested `random_state` of an estimator, by the name of the parameter.

    Parameters
    ----------
    estimator : estimator instance
    rng : numpy.random.RandomState

    Returns
    -------
    dict of str to int
    """
    return {name: random_seed(rng) for name in seeded_parameters(estimator)}


def with_seeds(estimator: Any, seeds: Mapping[str, int]) -> Any:
    """Clone an estimator, with the seeds that `drawn_seeds` gave: to draw them and to fit may happen far apart.

    Parameters
    ----------
    estimator : estimator instance
    seeds : dict of str to int

    Returns
    -------
    estimator : estimator instance
    """
    return clone(estimator).set_params(**seeds)
