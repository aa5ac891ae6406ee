"""Cross-validated models and what they decode: trained once, whatever is asked about them afterwards."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags

from eegexplain._checkpoint import open_checkpoint
from eegexplain._containers import trials_to_study
from eegexplain._inner import default_estimator, is_continuous
from eegexplain._validation import check_groups, positive_int, random_seed, seeded_parameters, validate_trials
from eegexplain.inspection._splits import check_splits
from eegexplain.inspection.cross_validation import Fold, HeldOut, fold_numbers, predict_held_out, train_folds
from eegexplain.inspection.decoding import Decoding, assess_decoding
from eegexplain.inspection.references import held_out_scores


@dataclass(frozen=True, eq=False)
class CrossValidatedModels:
    """Models trained on the folds of a cross-validation, and what they say about trials they never saw.

    Any explainer can be asked about them (`explain_models`): networks are trained once, whatever is asked.

    Parameters
    ----------
    folds : list of Fold
    X : ndarray of shape (n_trials, n_channels, n_times)
    y : ndarray of shape (n_trials,) or (n_trials, n_targets)
    groups : ndarray of shape (n_trials,) or None
    held_out : HeldOut
    decoding : Decoding or None
        None for regressors.
    seeded : bool
        Whether the models depend on their seed.
    seed : int
        Of folds, models and the permutations behind `decoding`.
    estimator : estimator or None
        What was trained, unfitted.
    params : dict or None
        Further arguments of its ``fit``.
    """

    folds: list[Fold]
    X: NDArray
    y: NDArray
    groups: NDArray | None
    held_out: HeldOut
    decoding: Decoding | None
    seeded: bool = True
    seed: int = 0
    estimator: Any = None
    params: Mapping[str, Any] | None = None

    def without_networks(self) -> "CrossValidatedModels":
        """The same, but the networks are not kept.

        Returns
        -------
        CrossValidatedModels
        """
        return replace(self, folds=[replace(fold, nets=()) for fold in self.folds])


def cross_validate_models(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    cv: Any = None,
    n_seeds: int = 1,
    params: Mapping[str, Any] | None = None,
    identities: Mapping[str, ArrayLike] | None = None,
    references: Mapping[str, Any] | None = None,
    trained: bool = False,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    random_state: Any = None,
    verbose: int = 0,
    notify: Callable[[str], Any] | None = None,
) -> CrossValidatedModels:
    """Train models on folds, each from a start of its own, and let them predict the trials they never saw.

    Parameters
    ----------
    estimator : estimator or explainer
        Of an explainer the inner estimator is trained, its default where it names none.
    X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times), or a container
        Trials, or what `datasets.read_trials` takes.
    y : array-like of shape (n_trials,), or str, optional
        Classes, or numbers. Of a container None takes its own, and a name one of its columns.
    groups : array-like of shape (n_trials,), or str, optional
        Subjects or recordings: folds never split them, and they go to a ``fit`` that takes them.
    cv : int, splitter or iterable of (train, test), optional
        As in scikit-learn; None is 5 folds of shuffled trials, stratified by class, or of whole groups.
    n_seeds : int, default=1
        Models per fold.
    params : dict, optional
        Further arguments of ``fit``; those with an entry per trial are split along.
    identities : dict of str to array-like of shape (n_trials,), optional
        As in `assess_decoding`.
    references : dict of str to Pipeline, optional
        Decoders of `reference_decoders`, to be compared with on the same folds.
    trained : bool, default=False
        Whether the estimator is a frozen one, trained on none of these trials: every fold has this same model once,
        and errors are of trials alone.
    n_jobs : int, optional
        Processes; the result does not depend on it.
    checkpoint : str or path-like, optional
        Folder that keeps what is finished: the same call goes on from there after an interruption. It holds pickles, so
        resume only what you trust.
    random_state : int, RandomState or None
    verbose : int, default=0
        1 shows a progress bar.
    notify : callable, optional
        Takes a sentence about the progress.

    Returns
    -------
    CrossValidatedModels

    Raises
    ------
    ValueError
        For a frozen estimator, copies of a trial in training and test parts, a training part without all classes,
        fewer groups than folds, and a damaged checkpoint, or one of another call.
    """
    estimator, (X, y, groups) = trials_to_study(estimator, X, y, groups)
    checked = check_trainable(estimator, X, y, trained)
    inner, X, y, regression = checked.inner, checked.X, checked.y, checked.regression
    codes = None if groups is None else check_groups(groups, len(X))
    identities = {name: check_groups(value, len(X)) for name, value in (identities or {}).items()}
    seed = random_seed(random_state)
    splits = check_splits(cv, y, codes, seed, classes=not regression)
    _refuse_copies(X, splits, codes)
    settings: dict[str, Any] = {"n_seeds": positive_int("n_seeds", n_seeds), "params": params}
    settings |= {"groups": codes, "n_jobs": n_jobs, "notify": notify, "verbose": verbose}
    described = {"estimator": inner, "params": params, "X": X, "y": y, "groups": codes, "folds": splits.parts}
    described |= {"n_seeds": n_seeds, "seed": seed}
    settings["checkpoint"] = open_checkpoint(checkpoint, "models", described, random_state)
    if trained:
        folds = [Fold((inner,), *part) for part in splits.parts]
    else:
        folds = train_folds(inner, X, y, splits.parts, random_state=seed, **settings)
    held_out = predict_held_out(folds, X)
    decoding = None
    if not regression:
        if notify is not None and references:
            notify("fitting reference decoders on the same folds")
        scores = held_out_scores(references, X, y, splits.parts) if references else {}
        decoding = _decoding(y, held_out, fold_numbers(folds, len(y)), codes, identities, scores, seed)
    seeded = not trained and bool(seeded_parameters(inner)) and getattr(inner, "_depends_on_seed", True)
    return CrossValidatedModels(folds, X, y, codes, held_out, decoding, seeded, seed, inner, params)


@dataclass(frozen=True, eq=False)
class Trainable:
    """What is to be trained, and the trials.

    Parameters
    ----------
    inner : estimator
    X : ndarray of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
    y : ndarray of shape (n_trials,) or (n_trials, n_targets)
    regression : bool
    """

    inner: Any
    X: NDArray
    y: NDArray
    regression: bool


def check_trainable(estimator: Any, X: ArrayLike, y: ArrayLike, trained: bool = False) -> Trainable:
    """Check trials and targets, and that the inner estimator can be trained on them.

    Parameters
    ----------
    estimator : estimator or explainer
        Of an explainer the inner estimator is trained, its default where it names none.
    X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
    y : array-like of shape (n_trials,)
    trained : bool
        Whether a frozen estimator is meant.

    Returns
    -------
    Trainable

    Raises
    ------
    ValueError
        For a frozen estimator.
    """
    inner = estimator.estimator if hasattr(estimator, "explain_population") else estimator
    regression = y is not None and is_continuous(y) if inner is None else get_tags(inner).estimator_type == "regressor"
    holder = BaseEstimator() if hasattr(estimator, "steps") else clone(estimator)  # a Pipeline notes no features
    X, y = validate_trials(holder, X, y, reset=True, kind="regressor" if regression else "classifier")
    if inner is None:
        inner = default_estimator(y, sfreq=estimator.sfreq)
    if type(inner).__name__ == "FrozenEstimator" and not trained:
        raise ValueError(
            "A frozen network cannot be trained again on each fold: give it unfitted, or explain the frozen one on "
            "trials that it never saw (fit of the explainer, or trained=True), with errors that take this network for "
            "given."
        )
    return Trainable(inner, X, y, regression)


def copied_trials(X: NDArray) -> list[list[int]]:
    """Places of trials that are copies of one another; silent ones are left out.

    Parameters
    ----------
    X : ndarray of shape (n_trials, ...)

    Returns
    -------
    list of list of int
    """
    seen: dict[int, list[int]] = {}
    for place, trial in enumerate(X):
        if np.ptp(trial) > 0:
            seen.setdefault(hash(np.ascontiguousarray(trial).tobytes()), []).append(place)
    return [places for places in seen.values() if len(places) > 1]


def _refuse_copies(X, splits, groups):
    """Copies of a trial in training and test parts, or in two groups, make what is explained known to the network."""
    copies = copied_trials(X)
    if not copies:
        return
    for train, test in splits.parts:
        inside = np.isin(np.arange(len(X)), train)
        held_out = np.isin(np.arange(len(X)), test)
        for places in copies:
            if inside[places].any() and held_out[places].any():
                one, other = np.array(places)[inside[places]][0], np.array(places)[held_out[places]][0]
                where = "" if groups is None or groups[one] == groups[other] else ", and in two groups"
                raise ValueError(
                    f"Trials {one} and {other} are copies of one another, in a training and a test part{where}: what "
                    "is held out would be known. Remove copies, or put them into one group."
                )


def _decoding(y, held_out, folds, groups, identities, references, seed):
    """Judged on the trials that were held out."""
    trials = held_out.trials
    folds = folds[trials] if (folds[trials] >= 0).all() else None
    identities = {name: value[trials] for name, value in identities.items()}
    groups = None if groups is None else groups[trials]
    if len(np.unique(y[trials])) < 2:
        return None
    settings = {"folds": folds, "groups": groups, "identities": identities, "random_state": seed}
    settings |= {"scores": held_out.scores, "references": {name: one[trials] for name, one in references.items()}}
    return assess_decoding(y[trials], held_out.together, **settings)
