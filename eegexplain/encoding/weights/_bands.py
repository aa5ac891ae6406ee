"""Bands of features, and how they may share a penalty."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state


class Division(NamedTuple):
    """Candidates of how bands share a penalty.

    Parameters
    ----------
    shares : ndarray of shape (n_divisions, n_bands)
        How much variance the weights of each band may take: a band's penalty is divided by its share.
    member : ndarray of int, shape (n_columns,)
        Band of each column of the design.
    """

    shares: np.ndarray
    member: np.ndarray

    @property
    def scales(self):
        """Factors of the columns that turn each division into one penalty for all (n_divisions, n_columns)."""
        return np.sqrt(self.shares)[:, self.member]


def undivided(n_columns):
    """Return the one division where there are no bands."""
    return Division(np.ones((1, 1)), np.zeros(n_columns, dtype=int))


def draw_divisions(member, n_bands, n_candidates, random_state):
    """Draw divisions: the even one, one that favours each band, and draws from two Dirichlet distributions.

    Parameters
    ----------
    member : ndarray of int, shape (n_columns,)
        Band of each column.
    n_bands, n_candidates : int
        Numbers of them.
    random_state : int, RandomState or None
        Seed.

    Returns
    -------
    division : Division
        As many as asked for.
    """
    rng = check_random_state(random_state)
    favoured = 0.1 / n_bands + 0.9 * np.eye(n_bands)
    draws = [rng.dirichlet(np.full(n_bands, spread), size=n_candidates) for spread in (1.0, 0.2)]
    shares = np.vstack([np.full((1, n_bands), 1 / n_bands), favoured, np.hstack(draws).reshape(-1, n_bands)])
    return Division(shares[:n_candidates], member)


def read_bands(bands, known):
    """Band of each feature, and the names of the bands.

    Parameters
    ----------
    bands : dict of str to sequence, or array-like of shape (n_features,)
        Positions or names of each band's features, or a label per feature.
    known : list
        Names of the features, or their positions.

    Returns
    -------
    member : ndarray of int, shape (n_features,)
        Band of each feature.
    names : list
        Names of the bands.

    Raises
    ------
    ValueError
        Unless each feature is in one band.
    """
    n_features = len(known)
    if not isinstance(bands, dict):
        labels = np.asarray(bands)
        if labels.shape != (n_features,):
            raise ValueError(f"bands has shape {labels.shape}; one label per feature is ({n_features},), or a dict.")
        names, member = np.unique(labels, return_inverse=True)
        return member.reshape(-1), names.tolist()
    member = np.full(n_features, -1)
    for i, columns in enumerate(bands.values()):
        for column in columns:
            position = known.index(column) if column in known else column
            if not isinstance(position, (int, np.integer)) or not 0 <= position < n_features:
                raise ValueError(f"bands: there is no feature {column!r} among {known}.")
            if member[position] >= 0:
                raise ValueError(f"bands: feature {column!r} is in two bands.")
            member[position] = i
    if (member < 0).any():
        raise ValueError(f"bands: features {[known[i] for i in np.flatnonzero(member < 0)]} are in no band.")
    return member, list(bands)
