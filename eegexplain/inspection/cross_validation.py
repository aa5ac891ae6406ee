"""Networks trained on folds: splits of trials, networks that differ by their seed, predictions of held-out trials."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from eegexplain.inspection._tasks import run_tasks


@dataclass(frozen=True, eq=False)
class Fold:
    """Networks that differ by their seed alone, the trials they were trained on and the trials they never saw.

    Parameters
    ----------
    nets : tuple of fitted estimators
    train, test : ndarray of int
        Places of the trials.
    """

    nets: tuple
    train: np.ndarray
    test: np.ndarray

    @property
    def net(self):
        """The first of the networks, for those who show a single one."""
        return self.nets[0]


@dataclass(frozen=True, eq=False)
class HeldOutPredictions:
    """What the networks of all folds say about trials that they never saw.

    Parameters
    ----------
    together : ndarray of shape (n_trials,)
        Class by the mean logit of a fold's networks.
    alone : ndarray of shape (n_seeds, n_trials)
        Class by one network of each fold.
    logits : ndarray of shape (n_trials, n_classes)
        Mean of a fold's networks.
    """

    together: np.ndarray
    alone: np.ndarray
    logits: np.ndarray


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
    n_folds = min(5, units) if n_folds is None else n_folds
    if units < 2:
        raise ValueError(f"Decoding needs at least 2 {what}, there is {units}")
    if n_folds < 2 or n_folds > units:
        raise ValueError(f"There must be at least 2 folds and at most as many as {what} ({units}), got {n_folds}")
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


def own_seed(seed: int, *position: int) -> int:
    """Seed of the network at a position of a cross-validation: networks that share a start have alike maps.

    Parameters
    ----------
    seed : int
        The caller's.
    *position : int
        Fold, and place in it.

    Returns
    -------
    int
    """
    return int(np.random.SeedSequence(seed, spawn_key=position).generate_state(1)[0])


def train_folds(
    make_net: Callable[[int], Any],
    X: NDArray,
    y: NDArray,
    splits: list[tuple[NDArray, NDArray]],
    *,
    groups: NDArray | None = None,
    n_seeds: int = 1,
    seed: int = 0,
    n_jobs: int | None = None,
    notify: Callable[[str], Any] | None = None,
) -> list[Fold]:
    """Train networks on each fold, each from a start of its own.

    Parameters
    ----------
    make_net : callable
        Takes a seed and returns an unfitted classifier.
    X : ndarray of shape (n_trials, n_channels, n_times)
    y : ndarray of shape (n_trials,)
    splits : list of (train, test)
    groups : ndarray of shape (n_trials,) or None
        Given to ``fit``, so that early stopping does not split them either.
    n_seeds : int
        Networks per fold.
    seed : int
    n_jobs : int or None
        Processes; the networks do not depend on it.
    notify : callable or None
        Takes a sentence about the progress.

    Returns
    -------
    list of Fold
    """
    tasks = [(number, which) for number in range(len(splits)) for which in range(n_seeds)]
    train = partial(_train, make_net, X, y, groups, splits, seed)
    trained, folds = run_tasks(train, tasks, n_jobs), []
    for number, (inside, outside) in enumerate(splits):
        if notify is not None:
            notify(f"training {n_seeds} networks of fold {number + 1} of {len(splits)} on {len(inside)} trials")
        folds.append(Fold(tuple(next(trained) for _ in range(n_seeds)), inside, outside))
    return folds


def _train(make_net, X, y, groups, splits, seed, position):
    inside = splits[position[0]][0]
    extra = {} if groups is None else {"groups": groups[inside]}
    return make_net(own_seed(seed, *position)).fit(X[inside], y[inside], **extra)


def predict_held_out(folds: list[Fold], X: NDArray, y: NDArray) -> HeldOutPredictions:
    """Let each fold's networks predict the trials that they never saw.

    Parameters
    ----------
    folds : list of Fold
        That hold out every trial once.
    X : ndarray of shape (n_trials, n_channels, n_times)
    y : ndarray of shape (n_trials,)
        Classes.

    Returns
    -------
    HeldOutPredictions
    """
    together, alone = np.empty_like(y), np.empty((len(folds[0].nets), len(y)), y.dtype)
    mean = np.empty((len(y), len(folds[0].net.classes_)))
    for fold in folds:
        logits, classes = np.array([logits_of(net, X[fold.test]) for net in fold.nets]), fold.net.classes_
        mean[fold.test] = logits.mean(axis=0)
        together[fold.test] = classes[mean[fold.test].argmax(axis=1)]
        alone[:, fold.test] = classes[logits.argmax(axis=2)]
    return HeldOutPredictions(together, alone, mean)


def logits_of(net: Any, X: NDArray) -> NDArray:
    """Logits of a classifier with a column per class.

    Parameters
    ----------
    net : fitted classifier
        With ``decision_function``.
    X : ndarray of shape (n_trials, n_channels, n_times)

    Returns
    -------
    ndarray of shape (n_trials, n_classes)
        Of two classes half their difference, with both signs.
    """
    logits = net.decision_function(X)
    return logits if logits.ndim == 2 else np.stack([-logits, logits], axis=1) / 2


def fold_numbers(folds: list[Fold], n_trials: int) -> NDArray:
    """Number of the fold that held out each trial.

    Parameters
    ----------
    folds : list of Fold
    n_trials : int

    Returns
    -------
    ndarray of int of shape (n_trials,)
    """
    numbers = np.empty(n_trials, int)
    for number, fold in enumerate(folds):
        numbers[fold.test] = number
    return numbers
