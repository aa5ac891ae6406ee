"""Models trained on folds, each from a start of its own, and what they say of the trials they never saw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import is_classifier
from sklearn.utils.validation import _check_method_params, has_fit_parameter

from eegexplain._checkpoint import Checkpoint
from eegexplain._inner import inner_input, inner_target
from eegexplain._many import fit_many
from eegexplain._units import Unit, run_units
from eegexplain._validation import random_seed, seeded_parameters, spawn_seeds
from eegexplain.inspection._splits import split_trials

__all__ = [
    "Fold",
    "HeldOut",
    "fold_numbers",
    "own_seed",
    "predict_held_out",
    "scores_of",
    "split_trials",
    "train_folds",
    "train_targets",
]


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
class HeldOut:
    """What the models of all folds say about trials that they never saw.

    Parameters
    ----------
    trials : ndarray of int of shape (n_tested,)
        Places of the trials that were held out at least once.
    scores : ndarray of shape (n_tested, n_outputs)
        Mean over the models of a fold (and over folds, where several held out a trial): log odds less their mean over
        classes, or predicted numbers.
    alone : ndarray of shape (n_seeds, n_tested, n_outputs)
        The same of one model of each fold.
    classes : ndarray or None
        Of the columns of scores; None for numbers.
    """

    trials: np.ndarray
    scores: np.ndarray
    alone: np.ndarray
    classes: np.ndarray | None

    @property
    def together(self):
        """Prediction for each trial by the models of a fold together, ``(n_tested,)`` for classes."""
        return self._predicted(self.scores)

    @property
    def by_seed(self):
        """Prediction by one model of each fold, ``(n_seeds, n_tested)`` for classes."""
        return self._predicted(self.alone)

    @property
    def probabilities(self):
        """Of each class, ``(n_tested, n_classes)``."""
        return softmax(self.scores, axis=1)

    def _predicted(self, scores):
        return scores if self.classes is None else self.classes[scores.argmax(axis=-1)]


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
    estimator: Any,
    X: NDArray,
    y: NDArray,
    splits: list[tuple[NDArray, NDArray]],
    *,
    groups: NDArray | None = None,
    n_seeds: int = 1,
    random_state: Any = None,
    params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    checkpoint: Checkpoint | None = None,
    verbose: int = 0,
    notify: Callable[[str], Any] | None = None,
) -> list[Fold]:
    """Train models on each fold, each from a start of its own.

    Parameters
    ----------
    estimator : estimator
        Unfitted. Where it can train many of its kind at once (``_fit_many``), it does.
    X : ndarray of shape (n_trials, n_channels, n_times)
    y : ndarray of shape (n_trials,)
    splits : list of (train, test)
    groups : ndarray of shape (n_trials,) or None
        Given to a ``fit`` that takes them, so that early stopping does not split them either.
    n_seeds : int
        Models per fold.
    random_state : int, RandomState or None
    params : dict or None
        Further arguments of ``fit``; those with an entry per trial are split along.
    n_jobs : int or None
        Processes; the models do not depend on it.
    checkpoint : Checkpoint or None
        Keeps what is trained.
    verbose : int, default=0
        1 shows a progress bar.
    notify : callable or None
        Takes a sentence about the progress.

    Returns
    -------
    list of Fold
    """
    if notify is not None:
        sizes = sorted({len(train) for train, _ in splits})
        notify(
            f"training {len(splits) * n_seeds} networks on "
            f"{' or '.join(map(str, sizes[:: max(1, len(sizes) - 1)]))} trials each"
        )
    settings: dict[str, Any] = {"groups": groups, "params": params, "n_jobs": n_jobs, "verbose": verbose}
    settings["checkpoint"] = checkpoint
    return train_targets(estimator, X, [y], splits, seeds=[random_seed(random_state)], n_seeds=n_seeds, **settings)[0]


def train_targets(
    estimator: Any,
    X: NDArray,
    targets: Sequence[NDArray],
    splits: list[tuple[NDArray, NDArray]],
    *,
    seeds: Sequence[int],
    groups: NDArray | None = None,
    n_seeds: int = 1,
    params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    checkpoint: Checkpoint | None = None,
    verbose: int = 0,
) -> list[list[Fold]]:
    """Train models on each fold with each of several targets: what depends on no target is computed once where it can.

    Parameters
    ----------
    estimator, X, splits, groups, n_seeds, params, n_jobs, checkpoint, verbose
        As in `train_folds`.
    targets : list of ndarray of shape (n_trials,)
        Permuted labels, say.
    seeds : list of int
        One for each target: the networks of each have starts of their own.

    Returns
    -------
    list of list of Fold
        The folds of each target.
    """
    places = [
        (target, number, which)
        for target in range(len(targets))
        for number in range(len(splits))
        for which in range(n_seeds)
    ]
    takes_groups = groups is not None and has_fit_parameter(estimator, "groups")
    extra = dict(params or {}) | ({"groups": groups} if takes_groups else {})
    candidates = [spawn_seeds(estimator, own_seed(seeds[target], *place)) for target, *place in places]
    run: dict[str, Any] = {"n_jobs": n_jobs, "checkpoint": checkpoint, "verbose": verbose}
    if hasattr(estimator, "_fit_many") and not params:
        own = [{name: one.get_params()[name] for name in seeded_parameters(one)} for one in candidates]
        lists: dict[str, Any] = {"subsets": [splits[number][0] for _, number, _ in places], "params": own}
        lists["targets"] = [targets[target] for target, _, _ in places]
        trained = iter(fit_many(estimator, X, None, **lists, groups=groups, **run))
    else:
        stacks = [candidates[first : first + n_seeds] for first in range(0, len(candidates), n_seeds)]
        units = [
            Unit(_train, (stack, X, targets[target], splits[number][0], extra))
            for stack, (target, number, _) in zip(stacks, places[::n_seeds], strict=True)
        ]
        trained = chain.from_iterable(run_units(units, desc="training", **run))
    return [
        [Fold(tuple(next(trained) for _ in range(n_seeds)), train, test) for train, test in splits] for _ in targets
    ]


def _train(models, X, y, inside, params):
    """Models that differ by their seed, fitted on the same trials."""
    params = _check_method_params(X, params, indices=inside)
    return [one.fit(inner_input(X[inside], one), inner_target(y[inside], one), **params) for one in models]


def predict_held_out(folds: list[Fold], X: NDArray) -> HeldOut:
    """Let the models of each fold predict the trials that they never saw.

    Parameters
    ----------
    folds : list of Fold
    X : ndarray of shape (n_trials, n_channels, n_times)

    Returns
    -------
    HeldOut
    """
    found = [np.array([scores_of(net, X[fold.test]) for net in fold.nets], dtype=float) for fold in folds]
    trials, place = np.unique(np.concatenate([fold.test for fold in folds]), return_inverse=True)
    alone = np.zeros((len(folds[0].nets), len(trials), found[0].shape[2]))
    for total, scores in zip(alone, np.concatenate(found, axis=1), strict=True):
        np.add.at(total, place, scores)
    alone /= np.bincount(place)[:, None]
    classes = folds[0].net.classes_ if is_classifier(folds[0].net) else None
    return HeldOut(trials, alone.mean(axis=0), alone, classes)


def scores_of(model: Any, X: NDArray) -> NDArray:
    """Scores of a fitted model with a column per class, or what a regressor predicts.

    Parameters
    ----------
    model : fitted estimator
    X : ndarray of shape (n_trials, n_channels, n_times)

    Returns
    -------
    ndarray of shape (n_trials, n_outputs)
        Of two classes half their difference, with both signs. Of models without a ``decision_function`` the logarithm
        of the probabilities, less its mean over classes.
    """
    X = inner_input(X, model)
    if not is_classifier(model):
        return np.asarray(model.predict(X), dtype=float).reshape(len(X), -1)
    if hasattr(model, "decision_function"):
        scores = np.asarray(model.decision_function(X), dtype=float)
        return scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1) / 2
    scores = np.log(np.clip(model.predict_proba(X), 1e-12, None, dtype=float))
    return scores - scores.mean(axis=1, keepdims=True)


def fold_numbers(folds: list[Fold], n_trials: int) -> NDArray:
    """Number of the fold that held out each trial.

    Parameters
    ----------
    folds : list of Fold
    n_trials : int

    Returns
    -------
    ndarray of int of shape (n_trials,)
        -1 for trials that no fold, or more than one, held out.
    """
    numbers = np.full(n_trials, -1)
    times = np.bincount(np.concatenate([fold.test for fold in folds]), minlength=n_trials)
    for number, fold in enumerate(folds):
        numbers[fold.test] = number
    numbers[times != 1] = -1
    return numbers
