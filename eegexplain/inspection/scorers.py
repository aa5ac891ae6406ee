"""Explanations as scores of a search: faithful, stable, sparse - and a choice that asks for accuracy first."""

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from eegexplain._lazy import LazyTrials
from eegexplain._validation import as_trials, check_option, positive_int, validate_trials
from eegexplain.bases import as_basis
from eegexplain.inspection.faithfulness import complexity, deletion_curve
from eegexplain.inspection.halves import MEASURES, halves_of

# What a cell of an axis is, where an explainer does not name its basis itself.
BASIS_OF = {"frequency": "fourier", "band": "bands"}
ROUNDING = 100  # a score moves by more than so many of its last digits, or it does not move
Scorer = Callable[[Any, ArrayLike, ArrayLike], float]


def faithfulness_scorer(
    *, filling: str = "zeros", n_fractions: int = 10, n_random: int = 2, random_state: int | None = 0
) -> Scorer:
    """Make a scorer of whether the output falls first where the map says, on trials that the network did not see.

    Parameters
    ----------
    filling : {"zeros", "surrogate"}, default="zeros"
        What deleted cells become: nothing, which makes trials unlike any trial, or a phase-randomized copy of the
        trial. A copy keeps the power, so that only what timing and relations between channels give is deleted: networks
        of power that score best with it have the less true maps (``benchmarks/results/search.md``).
    n_fractions : int
        Shares of the cells that are deleted, evenly from 0 to 0.9; at least 2.
    n_random : int
        Random orders to compare with.
    random_state : int or None
        Of random orders and copies. With a number all candidates of a search meet the same ones.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)`` for ``scoring=`` of searches and cross-validation: `estimator` is an explainer whose
        maps are those of outputs (`FLEXAttributor`, `PerturbationCorrelator`), alone or at the end of a Pipeline. 1 is
        the best there is, 0 what a random order gives.

    Raises
    ------
    ValueError
        For counts below 1 and an unknown filling; from the scorer for trials of another shape than in ``fit``.
    TypeError
        From the scorer, around what is no explainer or explains no outputs.

    Notes
    -----
    The evidence of each trial (``explain(X)``), for the class that the network predicts (for numbers: for each output),
    orders the cells of this trial. `deletion_curve` deletes them in this order and in random ones; the score is the
    explained output: centered logits for all candidates, whatever `response` they explain. The difference of the areas
    is divided by the range of the two curves, both averaged over trials, so that neither the unit of the output nor its
    size counts.

    A network that learned nothing is explained faithfully, too - untrained ones reach .1 to .8 -, and the score differs
    between kinds of networks more than between good and bad maps of one kind. Search with `accuracy_and_faithfulness`.

    References
    ----------
    .. [1] Samek et al. (2017). Evaluating the visualization of what a deep neural network has learned. IEEE
       Transactions on Neural Networks and Learning Systems. https://doi.org/10.1109/TNNLS.2016.2599820

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from eegexplain import FLEXAttributor, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import faithfulness_scorer
    >>> eeg = make_oscillatory_eeg(n_trials=40, random_state=0)
    >>> flex = FLEXAttributor(SyncNetClassifier(sfreq=eeg.sfreq, random_state=0), n_steps=4)
    >>> cross_val_score(flex, eeg.X, eeg.y, cv=2, scoring=faithfulness_scorer()).shape
    (2,)
    """
    check_option("filling", filling, ("zeros", "surrogate"))
    if positive_int("n_fractions", n_fractions) < 2:
        raise ValueError("n_fractions must be at least 2: a curve needs more than the intact trial")
    return _Faithfulness(filling, n_fractions, positive_int("n_random", n_random), random_state)


def stability_scorer(*, measure: str = "spearman", n_repeats: int = 1, random_state: int | None = 0) -> Scorer:
    """Make a scorer of whether two halves of the held-out trials give the same map.

    Parameters
    ----------
    measure : {"spearman", "cosine", "sign_agreement", "jaccard", "rank_biased_overlap"}
        Of agreement, as in `Stability`.
    n_repeats : int
        Ways to divide; the mean is given.
    random_state : int or None
        Of the halves. With a number all candidates of a search meet the same ones.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``; `estimator` is any explainer, alone or at the end of a Pipeline.

    Raises
    ------
    ValueError
        For an unknown measure; from the scorer for fewer than 4 trials.
    TypeError
        From the scorer, around what is no explainer.

    Notes
    -----
    Both maps are of *one* network: what they share may be the network's start, or noise that it learned, and maps that
    hold nothing of the trials (templates that are filters) agree perfectly. Whether other trials and another network
    give the map, `stability` tells; whether trials of one recording are alike, only halves of whole groups.

    Examples
    --------
    >>> from eegexplain.inspection import stability_scorer
    >>> stability_scorer(measure="cosine")
    stability_scorer(measure='cosine', n_repeats=1, random_state=0)
    """
    return _Stability(
        check_option("measure", measure, tuple(MEASURES)), positive_int("n_repeats", n_repeats), random_state
    )


def sparsity_scorer() -> Scorer:
    """Make a scorer of how few cells hold the map of the held-out trials.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``; `estimator` is any explainer, alone or at the end of a Pipeline. 1 is a single
        cell, 0 an even map, or an empty one: 1 less `complexity` over its largest value, averaged over outputs, so that
        maps of different sizes can be compared.

    Raises
    ------
    TypeError
        From the scorer, around what is no explainer.

    Examples
    --------
    >>> from eegexplain.inspection import sparsity_scorer
    >>> sparsity_scorer()
    sparsity_scorer()
    """
    return _Sparsity()


def accuracy_and_faithfulness(
    weight: float = 0.25, *, chance: float = 0.5, accuracy: str = "accuracy", faithfulness: str = "faithfulness"
) -> Callable[[Mapping[str, Any]], int]:
    """Make a ``refit`` for searches: the candidate that decodes and whose map is faithful.

    With ``skill = (accuracy - chance) / (1 - chance)``, the candidate with the largest

        skill ** (1 - weight) * faithfulness ** weight

    of the means over test parts is chosen. Both are cut at 0, and a candidate without skill has 0 at any weight:
    faithful maps of networks that learned nothing never win.

    Parameters
    ----------
    weight : float
        From 0 (accuracy alone) to 1 (faithfulness alone, among candidates above chance). Small weights decide between
        candidates that decode alike; large ones give up accuracy, and maps that are true of the data with it.
    chance : float
        Accuracy of a candidate that learned nothing: one over the number of classes for "balanced_accuracy".
    accuracy, faithfulness : str
        Names of the two in ``scoring``. Others may stand in their places, a `stability_scorer` for example.

    Returns
    -------
    callable
        ``refit(cv_results) -> best_index``, for `GridSearchCV` and its kin with several scores.

    Raises
    ------
    ValueError
        For a weight outside 0 to 1, a chance outside 0 to below 1; from the callable where ``cv_results`` lacks a score
        or every candidate failed.

    Warns
    -----
    UserWarning
        From the callable, where no candidate is above chance or none of these is faithful; the most accurate is taken.

    Notes
    -----
    The search's own scores chose the candidate: report those of outer folds, around the search.

    Faithful is what is true of the *network*. On simulated data (average precision of the map .87 when chosen by
    accuracy alone, .91 at best) SyncNets chosen with a `faithfulness_scorer` had maps of .90, with
    ``filling="surrogate"`` .84, and with a `stability_scorer` in its place .91.

    Examples
    --------
    >>> from eegexplain.inspection import accuracy_and_faithfulness
    >>> choose = accuracy_and_faithfulness()
    >>> choose({"mean_test_accuracy": [0.5, 0.8, 0.81], "mean_test_faithfulness": [0.9, 0.4, 0.2]})
    1
    """
    if not (isinstance(weight, (int, float)) and 0 <= weight <= 1):
        raise ValueError(f"weight must be between 0 (accuracy alone) and 1 (faithfulness alone), got {weight!r}")
    if not (isinstance(chance, (int, float)) and 0 <= chance < 1):
        raise ValueError(f"chance must be at least 0 and below 1 (one over the number of classes), got {chance!r}")
    return _Choice(weight, chance, accuracy, faithfulness)


class _Called:
    """Written as the call that makes it."""

    made_by = ""

    def __repr__(self):
        given = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self))
        return f"{self.made_by}({given})"


@dataclass(frozen=True, repr=False)
class _Faithfulness(_Called):
    filling: str
    n_fractions: int
    n_random: int
    random_state: Any
    made_by = "faithfulness_scorer"

    def __call__(self, estimator, X, y=None):
        explainer, X = _held(estimator, X)
        X, model = as_trials(validate_trials(explainer, X, reset=False)), explainer._outputs()
        evidence, outputs, basis = _evidence(explainer, X, model)
        rows, settings = np.arange(len(X)), {"filling": self.filling, "n_random": self.n_random}
        settings |= {"fractions": np.linspace(0, 0.9, self.n_fractions), "sfreq": explainer.sfreq_}
        gains, ranges, largest = [], [], 0.0
        for maps, about in zip(evidence, outputs, strict=True):
            curve = deletion_curve(
                lambda trials, about=about: model.outputs(trials)[rows, about],
                X, maps, basis, random_state=self.random_state, **settings,
            )  # fmt: skip
            gains.append(curve.gain)
            ranges.append(np.ptp(np.concatenate([curve.scores, curve.random_scores]), axis=0))
            largest = max(largest, float(np.abs(curve.scores).max()))
        total = float(np.mean(ranges))
        felt = total > ROUNDING * model.eps * largest  # else the outputs do not care what is deleted
        return float(np.mean(gains)) / total if felt else 0.0


@dataclass(frozen=True, repr=False)
class _Stability(_Called):
    measure: str
    n_repeats: int
    random_state: Any
    made_by = "stability_scorer"

    def __call__(self, estimator, X, y):
        explainer, X = _held(estimator, X)
        y, rng = np.asarray(y), check_random_state(self.random_state)
        if len(X) < 4:
            raise ValueError(f"stability_scorer divides the held-out trials: it needs at least 4, got {len(X)}")
        strata = np.unique(y, return_inverse=True)[1] if is_classifier(explainer) else np.zeros(len(X), int)
        found = []
        for _ in range(self.n_repeats):
            maps = [_map(explainer, X[half], y[half]).ravel() for half in halves_of(strata, None, rng)]
            found.append(MEASURES[self.measure](*maps))
        return float(np.mean(found))


@dataclass(frozen=True, repr=False)
class _Sparsity(_Called):
    made_by = "sparsity_scorer"

    def __call__(self, estimator, X, y=None):
        explainer, X = _held(estimator, X)
        maps = np.atleast_2d(_map(explainer, X, y))
        n_cells = maps.shape[-2] * maps.shape[-1]
        if n_cells < 2:
            return 0.0
        filled = np.abs(maps).sum((-2, -1)) > 0
        return float(np.mean(np.where(filled, 1 - complexity(maps) / np.log(n_cells), 0.0)))


@dataclass(frozen=True, repr=False)
class _Choice(_Called):
    weight: float
    chance: float
    accuracy: str
    faithfulness: str
    made_by = "accuracy_and_faithfulness"

    def __call__(self, cv_results):
        accuracy, faithful = (self._means(cv_results, name) for name in (self.accuracy, self.faithfulness))
        skill = np.maximum(accuracy - self.chance, 0) / (1 - self.chance)
        value = np.where(skill > 0, skill ** (1 - self.weight) * np.maximum(faithful, 0) ** self.weight, 0.0)
        if value.max() > 0:
            return int(value.argmax())
        warnings.warn(
            f"No candidate has both: an accuracy above {self.chance:g} (best {accuracy.max():.3g}) and a faithfulness "
            f"above 0 (best {faithful.max():.3g}). The most accurate is taken; its map explains nothing that was "
            "decoded. For other numbers of classes set chance.",
            UserWarning, stacklevel=2,
        )  # fmt: skip
        return int(accuracy.argmax())

    def _means(self, cv_results, name):
        """Means over test parts; a candidate that failed comes last."""
        key = f"mean_test_{name}"
        if key not in cv_results:
            known = [one.removeprefix("mean_test_") for one in cv_results if one.startswith("mean_test_")]
            raise ValueError(
                f"The search has no score {name!r}, only {known}: give scoring={{{name!r}: ...}}, or its name here."
            )
        means = np.asarray(cv_results[key], dtype=float)
        if np.isnan(means).all():
            raise ValueError(f"The score {name!r} is NaN for every candidate: search with error_score='raise'.")
        return np.where(np.isnan(means), -np.inf, means)


def _held(estimator, X):
    """The explainer that was fitted, and the trials as it takes them: what stands before it transforms them."""
    while not hasattr(estimator, "explain_population"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
            estimator = estimator.steps[-1][1]
        else:
            raise TypeError(
                f"{type(estimator).__name__} is no explainer: score an analysis around it, for example "
                f"FLEXAttributor({type(estimator).__name__}(...))."
            )
    return estimator, X if isinstance(X, LazyTrials) else np.asarray(X)


def _map(explainer, X, y):
    return np.nan_to_num(explainer.explain_population(X, y)["value"].values)


def _evidence(explainer, X, model) -> tuple[NDArray, NDArray, Any]:
    """Each trial's maps ``(n_maps, n_trials, n_rows, n_cells)``, the outputs that they are about, and their basis."""
    dims = explainer.explanation_["value"].dims
    basis = getattr(explainer, "basis_", None) or BASIS_OF.get(dims[-1])
    if "output" not in dims or basis is None:
        raise TypeError(
            f"The map of {type(explainer).__name__} has the axes {dims}: deletion needs one of each output, over "
            f"channels and one of {tuple(BASIS_OF)}, as FLEXAttributor and PerturbationCorrelator give."
        )
    if is_classifier(explainer):
        outputs = model.outputs(X).argmax(1)[None]
    else:
        outputs = np.repeat(np.arange(model.n_outputs)[:, None], len(X), axis=1)
    trials = X.reshape(len(X), *explainer.trial_shape_)
    if "target" not in inspect.signature(explainer.explain).parameters:
        whole = explainer.explain(trials)["value"].values
        whole = whole if whole.ndim == 4 else whole[:, None]
        maps = np.stack([whole[np.arange(len(X)), about] for about in outputs])
    else:
        maps = np.stack([explainer.explain(trials, target=about)["value"].values for about in outputs])
    return maps, outputs, as_basis(basis, getattr(explainer, "bands", None))
