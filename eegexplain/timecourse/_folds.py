"""Whose trials one model serves, and which of them are left out in turn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, PredefinedSplit

from eegexplain._settings import as_splits


@dataclass(frozen=True, eq=False)
class Part:
    """Trials of one model, and its folds.

    Parameters
    ----------
    name : object
        Of the group; None for all trials.
    trials : ndarray of int, shape (n_trials,)
        Which of all trials.
    splits : list of (ndarray, ndarray)
        Training and test trials among these.
    """

    name: Any
    trials: NDArray
    splits: list


def divide(cv: Any, y: NDArray, groups: NDArray | None, runs: NDArray | None, *, classifier: bool) -> list[Part]:
    """Divide trials into those of one model each.

    A splitter of groups leaves out groups, so that one model serves all of them, unless `runs` are there to be left
    out; with any other `cv` each group has a model of its own. Predefined folds are of all trials: each group takes its
    own of them.

    Parameters
    ----------
    cv : int, splitter, iterable of (train, test), or None
        None tests on the training trials.
    y : ndarray of shape (n_trials,)
    groups : ndarray of shape (n_trials,) or None
        Subjects, say.
    runs : ndarray of shape (n_trials,) or None
        What is left out as a whole within each group.
    classifier : bool
        Whether a number of folds is stratified.

    Returns
    -------
    list of Part

    Raises
    ------
    ValueError
        For folds that leave some group without training or test trials, and what `as_splits` refuses.
    """
    count = isinstance(cv, (int, np.integer))
    if runs is not None and count:
        cv = GroupKFold(cv)
    if groups is None or (_splits_groups(cv) and runs is None):
        members, left_out = [(None, np.arange(len(y)))], groups if runs is None else runs
    else:
        members, left_out = [(name, np.flatnonzero(groups == name)) for name in np.unique(groups)], runs
    if cv is None:
        return [Part(name, trials, [(np.arange(len(trials)),) * 2]) for name, trials in members]
    predefined = isinstance(cv, PredefinedSplit) or not (hasattr(cv, "split") or count)
    if predefined and len(members) > 1:
        splits = as_splits(cv, np.zeros((len(y), 1)), y, classifier=classifier)
        return [Part(name, trials, _own(splits, trials, name)) for name, trials in members]
    parts = []
    for name, trials in members:
        labels = None if left_out is None else left_out[trials]
        splits = as_splits(cv, np.zeros((len(trials), 1)), y[trials], labels, classifier=classifier)
        parts.append(Part(name, trials, splits))
    return parts


def _splits_groups(cv):
    """Whether a splitter asks for groups: scikit-learn's own say so by the metadata that they request."""
    request = getattr(cv.get_metadata_routing(), "split", None) if hasattr(cv, "get_metadata_routing") else None
    return request is not None and request.requests.get("groups") is True


def _own(splits, trials, name):
    """Folds of all trials as those of some, which count from 0; folds without a test trial among them are no folds."""
    place = np.full(max(max(part.max() for pair in splits for part in pair), trials.max()) + 1, -1)
    place[trials] = np.arange(len(trials))
    own = [tuple(place[part][place[part] >= 0] for part in pair) for pair in splits]
    own = [pair for pair in own if len(pair[1])]
    if not own or not all(len(train) for train, _ in own):
        raise ValueError(
            f"The predefined folds leave group {name} without training or test trials: give each group some of both, "
            "or leave out groups, so that one model serves all."
        )
    return own
