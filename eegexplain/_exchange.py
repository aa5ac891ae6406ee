"""What a design lets exchange labels, and within what: the ground of every permutation of labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from eegexplain._levels import is_shared, is_trait

LEVEL = 0.05  # of verdicts; fewer arrangements than its inverse can reject nothing


@dataclass(frozen=True, eq=False)
class Design:
    """Units exchange their labels within strata.

    Parameters
    ----------
    units, strata : ndarray of int of shape (n_trials,)
        Codes; each unit lies in one stratum, its trials have one label.
    """

    units: NDArray
    strata: NDArray

    @property
    def exchanged(self) -> str:
        """Either "trials" or "groups"."""
        return "trials" if len(np.unique(self.units)) == len(self.units) else "groups"


def exchangeable(codes: NDArray, folds: NDArray, blocks: NDArray | None = None) -> Design:
    """Trials within folds and blocks; whole blocks where the label is theirs.

    Within folds, because each has a network of its own; within blocks (subjects, recordings), because what only tells
    these apart is no decoding. Whole blocks are exchanged within folds where that gives at least 20 arrangements, else
    over all folds.

    Parameters
    ----------
    codes : ndarray of int of shape (n_trials,)
        Classes.
    folds : ndarray of int of shape (n_trials,)
    blocks : ndarray of int of shape (n_trials,) or None

    Returns
    -------
    Design
    """
    trials = np.arange(len(codes))
    if blocks is None or len(np.unique(blocks)) == len(codes):
        return Design(trials, folds)
    if not is_trait(codes, blocks):
        return Design(trials, np.unique(np.column_stack([folds, blocks]), axis=0, return_inverse=True)[1].ravel())
    within = Design(blocks, folds)
    enough = log_arrangements(codes, within) >= np.log(1 / LEVEL) and not is_shared(folds, blocks)
    return within if enough else Design(blocks, np.zeros_like(folds))


def permuted_labels(
    codes: NDArray, design: Design, n_permutations: int | None, rng: np.random.RandomState
) -> Iterator[NDArray]:
    """Exchange the labels of units within strata; the trials of a unit keep a common label.

    Parameters
    ----------
    codes : ndarray of shape (n_trials,)
        Labels; equal within a unit.
    design : Design
    n_permutations : int or None
        None goes on for ever.
    rng : numpy.random.RandomState

    Yields
    ------
    ndarray of shape (n_trials,)
    """
    _, first, place = np.unique(design.units, return_index=True, return_inverse=True)
    of_unit, stratum = codes[first], design.strata[first]
    order = np.argsort(stratum, kind="stable")
    permuted = np.empty_like(of_unit)
    for _ in count() if n_permutations is None else range(n_permutations):
        permuted[order] = of_unit[np.lexsort((rng.random_sample(len(first)), stratum))]
        yield permuted[place]


def log_arrangements(codes: NDArray, design: Design) -> float:
    """Logarithm of the number of ways in which units can carry their labels.

    Parameters
    ----------
    codes : ndarray of int of shape (n_trials,)
    design : Design

    Returns
    -------
    float
    """
    first = np.unique(design.units, return_index=True)[1]
    total = 0.0
    for stratum in np.unique(design.strata):
        counts = np.bincount(codes[first][design.strata[first] == stratum])
        total += lgamma(counts.sum() + 1) - sum(lgamma(number + 1) for number in counts)
    return total
