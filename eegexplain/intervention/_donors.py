"""Whose states a trial is given: donors of its own class and of another, each as often as any."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eegexplain._explanation import order_by_content


def draw_others(n_trials: int, rng: np.random.RandomState) -> NDArray:
    """Another trial for each, every trial once; a single one gets itself.

    Parameters
    ----------
    n_trials : int
    rng : numpy.random.RandomState

    Returns
    -------
    ndarray of int of shape (n_trials,)
    """
    return _round(np.arange(n_trials), np.arange(n_trials), 1, rng)[:, 0]


@dataclass(frozen=True, eq=False)
class Donors:
    """Trials whose states each trial is given.

    Parameters
    ----------
    same, other : ndarray of int of shape (n_trials, n_draws)
        Of the trial's own class, and of the other classes.
    """

    same: NDArray
    other: NDArray


def draw_donors(
    X: NDArray, codes: NDArray, groups: NDArray | None, n_draws: int, rng: np.random.RandomState
) -> Donors:
    """Draw donors by what trials hold, not by where they stand.

    Donors are from the trial's own group where that has another trial of its class and one of another class, else from
    all other groups that have them, else from all trials: of both kinds alike, so that what tells groups apart does not
    tell kinds apart.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    codes : ndarray of int of shape (n_trials,)
        Of the classes.
    groups : ndarray of int of shape (n_trials,) or None
    n_draws : int
    rng : numpy.random.RandomState

    Returns
    -------
    Donors
        The only trial of a class is its own donor.
    """
    order = order_by_content(X)
    codes = codes[order]
    if groups is None:
        groups = np.zeros(len(codes), int)
    else:  # numbered by where they first occur: names do not matter
        _, first, groups = np.unique(groups[order], return_index=True, return_inverse=True)
        groups = np.argsort(np.argsort(first))[groups]
    drawn = np.empty((2, len(codes), n_draws), int)
    for group in range(groups.max() + 1):
        for code in np.unique(codes[groups == group]):
            members = np.flatnonzero((groups == group) & (codes == code))
            near = groups == group
            if not _serves(codes[near], code, 2):
                near = ~near if _serves(codes[~near], code, 1) else np.ones(len(codes), bool)
            for kind, pool in enumerate((near & (codes == code), near & (codes != code))):
                drawn[kind, members] = _round(members, np.flatnonzero(pool), n_draws, rng)
    found = np.empty_like(drawn)
    found[:, order] = order[drawn]
    return Donors(*found)


def _serves(codes, code, least):
    """Whether trials hold so many of the class, and one of another class."""
    return (codes == code).sum() >= least and (codes != code).any()


def _round(members, pool, n_draws, rng):
    """Donors for members from a pool, each about equally often."""
    if not np.isin(members, pool).all():
        n_times = -(-len(members) * n_draws // len(pool))
        dealt = np.concatenate([rng.permutation(pool) for _ in range(n_times)])
        return dealt[: len(members) * n_draws].reshape(len(members), n_draws)
    # all stand in a circle and walk in step: nobody stays in place
    circle = rng.permutation(pool)
    places = np.argsort(circle)[np.searchsorted(np.sort(circle), members)]
    steps = 1 + rng.permutation(len(pool) - 1) if len(pool) > 1 else np.zeros(1, int)
    return circle[(places[:, None] + np.resize(steps, n_draws)) % len(circle)]
