"""Controls of phase relations: time run backwards, and coordinates in which only lags are left to relate anything."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from eegexplain._judge import Judge
from eegexplain.information._coordinates import Coordinates, covariances, diagonal_coordinates
from eegexplain.information._question import Judged, Question
from eegexplain.information._rotations import Relations, Turned, in_quadrature

FILLED = 1e-3  # share of the covariance of all trials in that of a half, which may miss a direction


@dataclass(frozen=True, eq=False)
class Halves:
    """Two parts of the trials, each explained in coordinates from the labels of the other.

    Parameters
    ----------
    places : list of ndarray of int
        Of each part's trials.
    """

    places: list[NDArray]

    def judges(self, judge: Judge) -> list[Judge]:
        """A judge of each part's own trials, for tests.

        Parameters
        ----------
        judge : Judge

        Returns
        -------
        list of Judge
        """
        groups = [None if judge.groups is None else judge.groups[one] for one in self.places]
        return [
            replace(judge, targets=judge.targets[one], folds=judge.folds[one], groups=own)
            for one, own in zip(self.places, groups, strict=True)
        ]


def make_halves(judge: Judge, random_state: int) -> Halves | None:
    """Draw two parts that both have every class, of whole groups.

    Parameters
    ----------
    judge : Judge
    random_state : int

    Returns
    -------
    Halves or None
        None where there are too few trials or groups of a class.
    """
    classes = judge.targets.dtype.kind in "iu"
    strata = judge.targets if classes else np.zeros(len(judge.targets), int)
    units = strata if judge.groups is None else np.unique(np.column_stack([strata, judge.groups]), axis=0)[:, 0]
    if np.bincount(units).min() < 2:
        return None
    options = {"n_splits": 2, "shuffle": True, "random_state": random_state}
    splitter = StratifiedKFold(**options) if judge.groups is None else StratifiedGroupKFold(**options)
    places = [test for _, test in splitter.split(strata, strata, judge.groups)]
    complete = all(len(one) > 1 and len(np.unique(strata[one])) == len(np.unique(strata)) for one in places)
    return Halves(places) if complete else None


def reversed_in_time(X: NDArray, bins: NDArray) -> NDArray:
    """Let time run backwards in a band: power and coupling in phase stay, lags change their sign.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    bins : ndarray of bool of shape (n_bins,)

    Returns
    -------
    ndarray of the shape of `X`
    """
    own = in_quadrature(X, bins)[0]
    return X + (own[..., ::-1] - own)


def class_weights(targets: NDArray) -> NDArray:
    """Weights of trials that give the covariance over all classes, and those by which classes differ from it.

    Parameters
    ----------
    targets : ndarray of shape (n_trials,)
        Codes of classes, or numbers.

    Returns
    -------
    ndarray of shape (1 + n_contrasts, n_trials)
        Two classes have one contrast, numbers too: their covariance with the trials' covariances.
    """
    if targets.dtype.kind not in "iu":
        centered = targets - targets.mean()
        return np.stack([np.full(len(targets), 1.0), centered / max(centered.std(), 1e-300)]) / len(targets)
    own = (targets == np.unique(targets)[:, None]).astype(float)
    means = own / own.sum(axis=1, keepdims=True)
    overall = means.mean(axis=0, keepdims=True)
    contrasts = means[1:] - means[:1] if len(means) == 2 else means - overall
    return np.concatenate([overall, contrasts])


def half_coordinates(trials: Judged, bins: NDArray, halves: Halves, n_units: int) -> list[Coordinates]:
    """Coordinates for each half that diagonalize the class covariances of the other, units of both matched.

    Parameters
    ----------
    trials : Judged
    bins : ndarray of bool of shape (n_bins,)
    halves : Halves
    n_units : int

    Returns
    -------
    list of Coordinates
    """
    X, order, targets = trials.question.X, trials.question.order, trials.judge.targets
    overall = covariances(X, order, bins, np.full((1, len(order)), 1 / len(order)))[0]
    found = []
    for other in reversed(halves.places):
        C, *contrasts = covariances(X, order[other], bins, class_weights(targets[other]))
        found.append(diagonal_coordinates(n_units, (1 - FILLED) * C + FILLED * overall, np.array(contrasts)))
    return [found[0], _matched(found[1], found[0], overall)]


def _matched(second, first, C):
    """The units of the second in the order of those of the first that see the same; what is left stays last."""
    filters = [one.filters[:, : one.n_single] for one in (first, second)]
    filters = [one / np.sqrt(np.einsum("ik,ij,jk->k", one, C, one)) for one in filters]
    _, chosen = linear_sum_assignment(-np.abs(filters[0].T @ C @ filters[1]))
    place = np.concatenate([chosen, np.arange(second.n_single, second.filters.shape[1])])
    return replace(second, filters=second.filters[:, place], patterns=second.patterns[:, place])


def turned_halves(question: Question, bins: NDArray, coordinates: list[Coordinates], halves: Halves) -> list[Turned]:
    """What is turned in a band: each half in coordinates of its own.

    Parameters
    ----------
    question : Question
    bins : ndarray of bool of shape (n_bins,)
    coordinates : list of Coordinates
    halves : Halves

    Returns
    -------
    list of Turned
    """
    return [
        Turned(question.of(places), bins, own) for own, places in zip(coordinates, halves.places, strict=True)
    ]


def join_halves(parts: list[Relations], halves: Halves) -> Relations:
    """Relations of all trials from those of the halves.

    Parameters
    ----------
    parts : list of Relations
    halves : Halves

    Returns
    -------
    Relations
    """
    back = np.argsort(np.concatenate(halves.places))
    constant = np.concatenate([one.constant for one in parts])[back]
    values = np.concatenate([one.values for one in parts])[back]
    return Relations(constant, values, float(np.mean([one.interaction for one in parts])))


def both_halves(p_values: list[NDArray]) -> NDArray:
    """One p value of two independent tests, in whose two halves the same pair is looked at.

    Coordinates of a half are from labels of the other, so that each half has an exact test of its own, but the two
    are not independent: Bonferroni's bound holds.

    Parameters
    ----------
    p_values : list of ndarray

    Returns
    -------
    ndarray
    """
    return np.minimum(1.0, len(p_values) * np.min(p_values, axis=0))
