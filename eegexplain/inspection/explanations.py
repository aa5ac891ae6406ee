"""Cross-validated explanations: maps of held-out trials, averaged, with errors that contain the networks."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.utils import check_random_state

from eegexplain._checkpoint import open_checkpoint
from eegexplain._containers import trials_to_study
from eegexplain._digest import Digests
from eegexplain._explanation import origin
from eegexplain.inspection._cross_validated import CrossValidatedExplanation
from eegexplain.inspection._scheme import described_models
from eegexplain.inspection._trials import trial_values, trial_variables
from eegexplain.inspection.fold_maps import average_folds, explain_folds
from eegexplain.inspection.models import CrossValidatedModels, cross_validate_models

UNMATCHED = ("filter", "unit")  # axes that mean something else in each network: nothing to average over


def explain_models(
    models: CrossValidatedModels,
    explainer: Any,
    *,
    scoring: Any = None,
    return_trials: bool = False,
    random_state: Any = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    verbose: int = 0,
) -> CrossValidatedExplanation:
    """Explain each model on the trials that it never saw, and average.

    Parameters
    ----------
    models : CrossValidatedModels
    explainer : explainer
        Its ``estimator`` is replaced by each model in turn.
    scoring : str, callable, list or dict, optional
        As in `cross_validate_explanations`.
    return_trials : bool, default=False
        Whether to keep the evidence of every held-out trial.
    random_state : int, RandomState or None
        What the explainer draws, it draws anew for each model.
    n_jobs : int or None
        Processes; the result does not depend on it.
    checkpoint : str or path-like, optional
        Folder that keeps what is finished: the same call goes on from there after an interruption. It holds pickles, so
        resume only what you trust. Explainers may share it.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    CrossValidatedExplanation

    Raises
    ------
    ValueError
        For maps that differ in shape between folds, maps of filters, which mean something else in each network, and a
        damaged checkpoint, or one of another call.
    """
    read = _Reading(_scorers(scoring), return_trials)
    rng = check_random_state(random_state)
    described = {**described_models(models), "seed": models.seed, "explainer": explainer, "random_state": rng}
    described |= {"scoring": scoring, "return_trials": return_trials}
    own = "" if checkpoint is None else Digests()(explainer)[:12]  # networks stay, whatever is asked of them
    kept = open_checkpoint(checkpoint, f"maps-{own}", described, random_state)
    settings = {"groups": models.groups, "random_state": rng, "n_jobs": n_jobs, "checkpoint": kept, "verbose": verbose}
    found = explain_folds(explainer, models.folds, models.X, models.y, read=read, **settings)
    maps = [[one.explanation for one in fold] for fold in found]
    _check_alike(maps)
    dataset = _averaged(maps, models)
    scores = {name: (("fold", "seed"), [[one.scores[name] for one in fold] for fold in found]) for name in read.scorers}
    facts = {"seed": models.seed, **origin(explainer, models.X, models.y)}
    dataset = dataset.assign(scores | trial_variables(models)).assign_attrs(facts)
    if return_trials:
        dataset = dataset.assign(trial_value=trial_values(found, models))
    return CrossValidatedExplanation(dataset, explainer, models)


def cross_validate_explanations(
    explainer: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    cv: Any = None,
    n_seeds: int = 1,
    scoring: Any = None,
    params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    return_estimator: bool = False,
    return_trials: bool = False,
    random_state: Any = None,
    verbose: int = 0,
) -> CrossValidatedExplanation:
    """Train on each fold, explain the trials that it holds out, and average, with errors that contain the networks.

    A map of one network tells about this network. What would be found with other trials and another network - the mean
    map over repeats of the whole procedure - is what this estimates; the error is that of this estimate.

    Parameters
    ----------
    explainer : explainer
        Any analysis of this package, around an estimator that can be trained.
    X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times), or a container
        Trials, or what `datasets.read_trials` takes.
    y : array-like of shape (n_trials,), or str, optional
        Classes, or numbers. Of a container None takes its own, and a name one of its columns.
    groups : array-like of shape (n_trials,), or str, optional
        Subjects or recordings: folds never split them, errors are clustered by them, networks' own choices too.
    cv : int, splitter or iterable of (train, test), optional
        As in scikit-learn; None is 5 folds of shuffled trials, stratified by class, or of whole groups. Repeated and
        shuffled splits are taken too: their error is that of Nadeau and Bengio.
    n_seeds : int, default=1
        Networks per fold. From 2 on errors tell seeds from training data; 4 bring the standard deviation of a
        gradient-trained map from .053 to .032.
    scoring : str, callable, list or dict, optional
        Scores of the explainer around each network on its held-out trials; None is its ``score``.
    params : dict, optional
        Further arguments of the inner ``fit``; those with an entry per trial are split along.
    n_jobs : int, optional
        Processes; the result does not depend on it.
    checkpoint : str or path-like, optional
        Folder that keeps what is finished: the same call goes on from there after an interruption. It holds pickles, so
        resume only what you trust.
    return_estimator : bool, default=False
        Whether to keep the trained networks (and a reference to the trials), which `stability` and `significance` of
        the result, and further explainers, need.
    return_trials : bool, default=False
        Whether to keep the evidence of every held-out trial as ``trial_value``.
    random_state : int, RandomState or None
    verbose : int, default=0
        1 shows progress bars.

    Returns
    -------
    CrossValidatedExplanation

    Raises
    ------
    ValueError
        For a frozen network, copies of a trial in training and test parts, a training part without all classes, fewer
        groups than folds, maps that differ in shape between folds or belong to filters, which mean something else
        in each network, and a damaged checkpoint, or one of another call.

    Notes
    -----
    With F folds of networks whose maps have the standard deviation s over folds, the error is
    ``s sqrt((1 + rho ((F - 1)^2 - 1)) / F)`` and at least ``s sqrt(1 / F + n_test / n_train)`` [1]_, where rho, the
    attribute ``data_share``, is the share of s^2 that training data explain: what neither seeds nor the errors over
    trials do. A ratio of map and error has a t distribution with F - 1 degrees of freedom.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52 (2003),
           doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> from eegexplain import PerturbationCorrelator, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import cross_validate_explanations
    >>> eeg = make_oscillatory_eeg(n_trials=60, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq)
    >>> correlator = PerturbationCorrelator(net, bands="eeg", ch_names=eeg.ch_names)
    >>> found = cross_validate_explanations(correlator, eeg.X, eeg.y, cv=3, random_state=0)
    >>> dict(found.dataset["fold_value"].sizes)
    {'fold': 3, 'seed': 1, 'output': 2, 'channel': 19, 'band': 5}
    """
    require_explainer(explainer)
    explainer, (X, y, groups) = trials_to_study(explainer, X, y, groups)
    settings: dict[str, Any] = {"random_state": check_random_state(random_state), "n_jobs": n_jobs, "verbose": verbose}
    settings["checkpoint"] = checkpoint
    models = cross_validate_models(explainer, X, y, groups=groups, cv=cv, n_seeds=n_seeds, params=params, **settings)
    found = explain_models(models, explainer, scoring=scoring, return_trials=return_trials, **settings)
    return found if return_estimator else replace(found, models=models.without_networks())


@dataclass(frozen=True, eq=False)
class _Read:
    """What is kept of one explainer around one network."""

    explanation: Any
    scores: dict
    trials: Any


@dataclass(frozen=True, eq=False)
class _Reading:
    """Reads explanation, scores and evidence of trials from a fitted explainer; picklable, for worker processes."""

    scorers: dict
    trials: bool

    def __call__(self, explainer, X, y):
        scores = {name: float(scorer(explainer, X, y)) for name, scorer in self.scorers.items()}
        return _Read(explainer.explanation_, scores, explainer.explain(X)["value"] if self.trials else None)


class _OwnScore:
    """The score method of an explainer, of its inner estimator."""

    def __call__(self, explainer, X, y):
        return explainer.score(X, y)


def _scorers(scoring):
    """Scorers by the name of their variable."""
    if scoring is None:
        return {"test_score": _OwnScore()}
    if callable(scoring):
        return {"test_score": scoring}
    if isinstance(scoring, str):
        return {"test_score": get_scorer(scoring)}
    if isinstance(scoring, Mapping):
        return {f"test_{name}": get_scorer(one) if isinstance(one, str) else one for name, one in scoring.items()}
    return {f"test_{name}": get_scorer(name) for name in scoring}


def require_explainer(explainer: Any) -> None:
    """Refuse a network without an analysis around it.

    Parameters
    ----------
    explainer : explainer

    Raises
    ------
    TypeError
    """
    if not hasattr(explainer, "explain_population"):
        raise TypeError(
            f"{type(explainer).__name__} is no explainer: give an analysis around it, for example "
            f"PerturbationCorrelator({type(explainer).__name__}(...))."
        )


def _check_alike(maps):
    """Maps that can be averaged: the same axes, and these mean the same in each network."""
    named = "value" if "value" in maps[0][0] else next(name for name in maps[0][0] if name.endswith("value"))
    first = maps[0][0][named]
    for dim in UNMATCHED:
        if dim in first.dims:
            raise ValueError(
                f"A map over {dim}s cannot be averaged over networks: {dim} 0 of one has nothing to do with {dim} 0 of "
                "another. Explain outputs, or explain each network alone (estimators_)."
            )
    for number, fold in enumerate(maps):
        for one in fold:
            same = dict(one[named].sizes) == dict(first.sizes) and all(
                np.array_equal(one[named][dim].values, first[dim].values) for dim in first.coords
            )
            if not same:
                raise ValueError(
                    f"The map of fold {number} has the axes {dict(one[named].sizes)}, that of fold 0 "
                    f"{dict(first.sizes)}, or other names on them: maps must agree to be averaged."
                )


def _averaged(maps, models):
    """Averages of all variables called value; those beside the main one keep their prefix."""
    import xarray as xr

    prefixes = [name.removesuffix("value") for name in maps[0][0].data_vars if name.endswith("value")]
    prefixes = [one for one in prefixes if not set(UNMATCHED) & set(maps[0][0][f"{one}value"].dims)]
    settings = {"groups": models.groups, "seeded": models.seeded}
    found = {prefix: average_folds(maps, models.folds, prefix, **settings) for prefix in prefixes}
    merged = {f"{prefix}{name}": one[name] for prefix, one in found.items() for name in one.data_vars}
    return xr.Dataset(merged, attrs=found[prefixes[0]].attrs)
