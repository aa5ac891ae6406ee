"""Splits of trials for cross-validation: made, or taken from the caller and checked."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Splits:
    """Training and test parts of a cross-validation.

    Parameters
    ----------
    parts : list of (ndarray of int, ndarray of int)
        Places of the training and of the test trials.
    """

    parts: list

    @property
    def once(self) -> bool:
        """Whether no trial is tested twice: folds, not repeated or shuffled splits."""
        return not np.any(np.bincount(np.concatenate([test for _, test in self.parts])) > 1)

    def overlap(self, groups: NDArray | None = None) -> float:
        """Mean ratio of the sizes of test and training parts, counted in groups where there are some."""
        return float(np.mean([n_units(test, groups) / n_units(train, groups) for train, test in self.parts]))


def n_units(trials: NDArray, groups: NDArray | None = None) -> int:
    """How many trials, or how many groups they come from."""
    return len(trials) if groups is None else len(np.unique(groups[trials]))


def split_trials(
    y: NDArray, groups: NDArray | None = None, n_folds: int | None = None, random_state: Any = None
) -> list[tuple[NDArray, NDArray]]:
    """Folds of trials, stratified by class; groups are never split.

    Parameters
    ----------
    y : ndarray of shape (n_trials,)
        Classes.
    groups : ndarray of shape (n_trials,) or None
    n_folds : int or None
        None is 5, or fewer where there are fewer groups or trials of a class.
    random_state : int, RandomState or None

    Returns
    -------
    list of (train, test)
        Places of the trials.

    Raises
    ------
    ValueError
        For one class, and for fewer groups or trials of a class than folds.
    """
    counts = np.unique(y, return_counts=True)[1]
    if len(counts) < 2:
        raise ValueError(f"Decoding needs at least 2 classes, but all {len(y)} trials are of one")
    units = int(counts.min()) if groups is None else min(int(counts.min()), len(np.unique(groups)))
    what = "trials of the smallest class" if groups is None else "groups (or trials of the smallest class)"
    n_folds = _number_of_folds(n_folds, units, what)
    options = {"n_splits": n_folds, "shuffle": True, "random_state": random_state}
    if groups is None:
        return list(StratifiedKFold(**options).split(y, y))
    splits = list(StratifiedGroupKFold(**options).split(y, y, groups))
    if any(len(np.unique(y[train])) < len(counts) or not len(test) for train, test in splits):
        raise ValueError(
            f"With {n_folds} folds of {units} groups a training part lacks a class: use fewer folds, or more groups of "
            "each class"
        )
    return splits


def _number_of_folds(n_folds, units, what):
    n_folds = min(N_FOLDS, units) if n_folds is None else n_folds
    if units < 2:
        raise ValueError(f"Decoding needs at least 2 {what}, there is {units}")
    if n_folds < 2 or n_folds > units:
        raise ValueError(f"There must be at least 2 folds and at most as many as {what} ({units}), got {n_folds}")
    return n_folds


def check_splits(cv: Any, y: NDArray, groups: NDArray | None, random_state: Any, classes: bool) -> Splits:
    """Make splits, or check those of the caller.

    Parameters
    ----------
    cv : None, int, splitter or iterable of (train, test)
        None and a number are folds of shuffled trials, stratified for classes, of whole groups where there are some.
    y : ndarray of shape (n_trials,) or (n_trials, n_targets)
    groups : ndarray of shape (n_trials,) or None
    random_state : int, RandomState or None
        Of folds that are made here.
    classes : bool
        Whether `y` are classes.

    Returns
    -------
    Splits

    Raises
    ------
    ValueError
        For parts that are empty, share trials or name none, a training part without all classes, and more folds than
        groups or trials.
    """
    if cv is None or isinstance(cv, (int, np.integer)):
        make = split_trials if classes else _split_numbers
        parts = make(y, groups, None if cv is None else int(cv), random_state)
    else:
        parts = list(cv.split(y, y, groups) if hasattr(cv, "split") else cv)
    if len(parts) < 2:
        raise ValueError(f"cv gives {len(parts)} split: the spread over networks needs at least 2.")
    parts = [tuple(_places(part, len(y)) for part in pair) for pair in parts]
    for number, (train, test) in enumerate(parts):
        _check_fold(number, train, test, y if classes else None)
    if groups is not None:
        _warn_of_split_groups(parts, groups)
    return Splits(parts)


def _split_numbers(y, groups, n_folds, random_state):
    """Folds for regression: whole groups where there are some."""
    units = n_units(np.arange(len(y)), groups)
    n_folds = _number_of_folds(n_folds, units, "trials" if groups is None else "groups")
    if groups is None:
        return list(KFold(n_folds, shuffle=True, random_state=random_state).split(y))
    return list(GroupKFold(n_folds, shuffle=True, random_state=random_state).split(y, y, groups))


def _places(part, n_trials):
    """Numbers of trials, from numbers or a mask."""
    part = np.asarray(part)
    part = np.flatnonzero(part) if part.dtype == bool and part.shape == (n_trials,) else part
    if part.ndim != 1 or part.dtype.kind not in "iu" or (len(part) and not 0 <= part.min() <= part.max() < n_trials):
        raise ValueError(f"cv must give numbers of trials from 0 to {n_trials - 1}, got an array {part!r:.80}.")
    return part.astype(np.intp)


def _check_fold(number, train, test, y):
    if not len(train) or not len(test):
        raise ValueError(f"Split {number} of cv has {len(train)} training and {len(test)} test trials: give it both.")
    shared = np.intersect1d(train, test)
    if len(shared):
        raise ValueError(
            f"Split {number} of cv trains and tests on the same {len(shared)} trials (first: {shared[0]}): what is "
            "explained would not be held out."
        )
    if y is not None:
        missing = sorted(set(np.unique(y).tolist()) - set(np.unique(y[train]).tolist()), key=str)
        if missing:
            raise ValueError(
                f"The training part of split {number} has no trial of class {missing[0]!r}: its network would know "
                "fewer classes than the others. Use fewer folds, or more groups of each class."
            )


def _warn_of_split_groups(parts, groups):
    for number, (train, test) in enumerate(parts):
        shared = np.intersect1d(groups[train], groups[test])
        if len(shared):
            warnings.warn(
                f"split {number} of cv has trials of {len(shared)} of {len(np.unique(groups))} groups in training and "
                "test parts: recognizing a group then counts as decoding, and errors over folds leave out how groups "
                "differ",
                UserWarning,
                stacklevel=4,
            )
            return
