"""Designs: how labels, folds and the levels of what is recorded (subjects, blocks) lie together."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._validation import check_groups


def is_trait(y: NDArray, levels: Any) -> bool:
    """Whether every level (a subject, say) holds trials of one class only, and some level several trials.

    Parameters
    ----------
    y, levels : array-like of shape (n_trials,)

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        For arrays of different lengths, and NaN.
    """
    return _n_pairs(levels, y) == len(np.unique(levels)) < len(y)


def is_shared(folds: NDArray, levels: Any) -> bool:
    """Whether a level (a subject, say) has trials in several folds, so that networks were trained on it, too.

    Parameters
    ----------
    folds, levels : array-like of shape (n_trials,)

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        For arrays of different lengths, and NaN.
    """
    return _n_pairs(levels, folds) > len(np.unique(levels))


def _n_pairs(levels, others):
    """How many different pairs of a level and another value the trials have."""
    codes = [check_groups(values, len(others)) for values in (levels, others)]
    return len(np.unique(np.column_stack(codes), axis=0))
