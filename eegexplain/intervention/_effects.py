"""What outputs lose when units do what they do on trials of another class, with errors over givers and takers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eegexplain._explanation import population_error


@dataclass(frozen=True, eq=False)
class Pairs:
    """Trials that take states from others.

    Parameters
    ----------
    donors : ndarray of int of shape (n_trials, 2, n_draws)
        Of the trial's own class, and of other classes.
    codes : ndarray of int of shape (n_trials,)
        Of the classes.
    clusters : ndarray of int of shape (n_trials,)
        Trials of one cluster are not independent.
    """

    donors: NDArray
    codes: NDArray
    clusters: NDArray

    def effects(self, scores: NDArray, n_classes: int) -> tuple[NDArray, NDArray]:
        """Differences between states of the own and of another class, of each class's trials.

        Parameters
        ----------
        scores : ndarray of shape (n_trials, 2, n_draws, ...)
            Of each trial with the states of each of its donors.
        n_classes : int

        Returns
        -------
        value, error : ndarray of shape (n_classes, ...)
            NaN for classes without trials.
        """
        value, error = np.full((2, n_classes, *scores.shape[3:]), np.nan)
        for code in np.unique(self.codes):
            members = self.codes == code
            means = scores[members].mean(axis=(0, 2))
            value[code] = means[0] - means[1]
            error[code] = pair_error(scores[members], self.donors[members], self.clusters, self.clusters[members])
        return value, error

    def contrasts(self, scores: NDArray, groups: NDArray | None) -> tuple[NDArray, NDArray]:
        """Differences between trials of a class and all others, of its own output: what there is to lose.

        Parameters
        ----------
        scores : ndarray of shape (n_trials, n_classes, ...)
        groups : ndarray of int of shape (n_trials,) or None

        Returns
        -------
        value, error : ndarray of shape (n_classes, ...)
        """
        value, error = np.full((2, *scores.shape[1:]), np.nan)
        for code in np.unique(self.codes):
            own, influence = scores[:, code], np.zeros(scores[:, code].shape)
            for sign, part in ((1.0, self.codes == code), (-1.0, self.codes != code)):
                influence[part] = sign * len(own) / part.sum() * (own[part] - own[part].mean(0))
            value[code] = own[self.codes == code].mean(0) - own[self.codes != code].mean(0)
            error[code] = population_error(influence, groups)
        return value, error


def pair_error(scores: NDArray, donors: NDArray, clusters: NDArray, takers: NDArray) -> NDArray:
    """Standard error of the mean difference between two kinds of pairs: those that share a trial are dependent.

    A cluster moves the mean by what its trials are as takers, and by what they are as givers to other clusters. What is
    special to a pair of clusters is in both, so that its estimate is taken off once [1]_.

    Parameters
    ----------
    scores : ndarray of shape (n_takers, 2, n_draws, ...)
    donors : ndarray of int of shape (n_takers, 2, n_draws)
        Trials that give.
    clusters : ndarray of int of shape (n_trials,)
    takers : ndarray of int of shape (n_takers,)
        Clusters of the trials that take.

    Returns
    -------
    ndarray of shape (...)
        NaN where all givers of a kind are of one cluster.

    References
    ----------
    .. [1] P. M. Aronow, C. Samii, V. A. Assenova, "Cluster-robust variance estimation for dyadic data", Political
           Analysis 23 (2015), doi:10.1093/pan/mpv018.
    """
    givers = clusters[donors]
    fewest = min(len(np.unique(givers[:, kind])) for kind in range(2))
    if fewest < 2:
        return np.full(scores.shape[3:], np.nan)
    n_takers, _, n_draws = donors.shape
    by_kind = scores.mean(axis=2)
    taken = by_kind[:, 0] - by_kind[:, 1]
    taken = (taken - taken.mean(axis=0)) / n_takers
    # what a taker is like is in both kinds, and its mean holds a share of each of its givers
    given = scores - by_kind.mean(axis=1)[:, None, None]
    given = (given - given.mean(axis=(0, 2))[:, None]) / (n_takers * (n_draws - 0.5))
    given[:, 1] *= -1
    between = (givers != takers[:, None, None]).reshape(*donors.shape, *[1] * (scores.ndim - 3))
    as_takers, as_givers = np.zeros((2, int(clusters.max()) + 1, *scores.shape[3:]))
    np.add.at(as_takers, takers, taken)
    np.add.at(as_givers, givers, between * given)
    twice = between * _special(scores, donors) / (n_takers * n_draws) ** 2
    variance = np.square(as_takers + as_givers).sum(axis=0) - twice.sum(axis=(0, 1, 2))
    variance = np.maximum(variance, np.square(as_takers).sum(axis=0))
    return np.sqrt(variance * fewest / (fewest - 1))


def _special(scores, donors):
    """Squares of what is special to pairs: neither the taker's nor the giver's; 0 where that cannot be told apart."""
    found = np.zeros(scores.shape)
    for kind in range(2):
        given, place = np.unique(donors[:, kind], return_inverse=True)
        place = place.reshape(donors[:, kind].shape)
        free = place.size - len(place) - len(given)
        if free > 0:
            rest = scores[:, kind] - scores[:, kind].mean(axis=1, keepdims=True)
            total = np.zeros((len(given), *scores.shape[3:]))
            np.add.at(total, place, rest)
            times = np.bincount(place.ravel()).reshape(-1, *[1] * (scores.ndim - 3))
            found[:, kind] = np.square(rest - (total / times)[place]) * (place.size / free)
    return found
