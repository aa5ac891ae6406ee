"""Usable information: how many bits about the label scores of held-out trials hold, calibrated on others."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from eegexplain._arrays import check_array_like, check_labels
from eegexplain._calibration import CLASSES, NUMBERS
from eegexplain._judge import UNITS, Judge, UsableInformation
from eegexplain._validation import check_groups, check_option

SMALLEST_PROBABILITY = 1e-6
N_SPLITS = 5


class UncalibratedError(ValueError):
    """Too few trials or groups for a calibration."""


def usable_information(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    folds: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    kind: str = "logits",
    unit: str = "bit",
    random_state: Any = 0,
) -> UsableInformation:
    r"""Bits about the label that scores of held-out trials hold for who may calibrate but not amplify them.

    Scores :math:`z` are calibrated to :math:`\mathrm{softmax}(a z + b)` with a slope :math:`a` in [0, 1] on other
    held-out trials of the same network (5 parts; whole groups), or, where a fold has fewer than 5 groups of a class, on
    the held-out trials of other folds. The loss that is left is compared with that
    of the frequencies of the classes in those same trials. So overconfidence is forgiven, faint outputs of networks
    that learned nothing are not made into information, and scores that do not vary have exactly 0.

    Parameters
    ----------
    y : array-like of shape (n_trials,)
        Classes; numbers for ``kind="predictions"``.
    scores : array-like of shape (n_trials,) or (n_trials, n_classes)
        Of networks that had not seen the trial: a column per class in sorted order, or of two classes the difference.
    folds : array-like of shape (n_trials,), optional
        Which network each score is from, by the fold that held the trial out; None is a single network.
    groups : array-like of shape (n_trials,), optional
        Trials of one group (a subject) are not independent.
    kind : {"logits", "probabilities", "predictions"}, default="logits"
        What the scores are: ``decision_function``, ``predict_proba`` (of two classes also that of the second alone), or
        ``predict`` of a regressor, which is judged by a Gaussian with the variance of its errors.
    unit : {"bit", "nat"}, default="bit"
    random_state : int, RandomState instance or None, default=0
        Draws the parts that calibrate each other.

    Returns
    -------
    UsableInformation

    Raises
    ------
    ValueError
        For shapes that do not fit, one class, NaN, and too few trials or groups of a class.

    Warns
    -----
    UserWarning
        For probabilities below 1e-6, which are raised to it, with the number of their trials.

    Notes
    -----
    This is V-information [1]_ of the family :math:`a z + b`. Errors given the networks are those of a mean over trials
    or groups; that over folds takes the overlap of their training parts into account [2]_.

    References
    ----------
    .. [1] Y. Xu, S. Zhao, J. Song, R. Stewart, S. Ermon, "A theory of usable information under computational
           constraints", ICLR (2020), doi:10.48550/arXiv.2002.10689.
    .. [2] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52 (2003),
           doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import usable_information
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(2000) % 2
    >>> x = rng.standard_normal(2000) + 2 * y  # two Gaussians: z = 2 x - 2 is the ideal observer, .486 bits
    >>> found = usable_information(y, 2 * x - 2)
    >>> abs(found.value - 0.486) < 3 * found.standard_error, found.above_zero
    (True, True)
    >>> usable_information(y, 20 * x - 20).value - found.value < 0.01  # overconfidence is forgiven
    True
    """
    judge, scores = make_judge(y, scores, folds=folds, groups=groups, kind=kind, unit=unit, random_state=random_state)
    return judge.information(scores)


def make_judge(y, scores, *, folds=None, groups=None, kind="logits", unit="bit", random_state=0):
    """Check what `usable_information` takes, and choose the trials that calibrate.

    Parameters
    ----------
    y, scores, folds, groups, kind, unit, random_state
        As in `usable_information`.

    Returns
    -------
    judge : Judge
    scores : ndarray of shape (n_trials, n_classes) or (n_trials,)
        As logits.

    Raises
    ------
    ValueError
    """
    check_option("kind", kind, ("logits", "probabilities", "predictions"))
    check_option("unit", unit, tuple(UNITS))
    targets, strata, scores = _checked(y, scores, kind)
    folds = np.zeros(len(targets), int) if folds is None else check_groups(folds, len(targets))
    groups = None if groups is None else check_groups(groups, len(targets))
    calibrations, over = _calibrations(strata, folds, groups, random_state)
    loss = NUMBERS if kind == "predictions" else CLASSES
    return Judge(targets, folds, groups, calibrations, over, loss, unit), scores


def _checked(y, scores, kind):
    """Targets, what the calibration is stratified by, and scores: a column per class, or a number."""
    scores = check_array_like("scores", scores, dtype=np.float64)
    if kind == "predictions":
        y = check_array_like("y", y, ndim="n_trials", dtype=np.float64)
        if scores.shape != y.shape:
            raise ValueError(f"predictions must be one per trial, got y of shape {y.shape} and scores {scores.shape}.")
        return y, np.zeros(len(y), int), scores
    classes, codes = np.unique(check_labels("y", y), return_inverse=True)
    n, n_classes = len(codes), len(classes)
    if n_classes < 2 or scores.shape not in {(n, n_classes), *([(n,)] if n_classes == 2 else [])}:
        raise ValueError(
            f"{kind} must have a column for each of at least 2 classes that occur in y (two classes may have one "
            f"column): got y with {n} trials of {n_classes} classes and scores of shape {scores.shape}."
        )
    if kind == "probabilities":
        return codes, codes, _log_probabilities(scores)
    return codes, codes, scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1) / 2


def _log_probabilities(probabilities):
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError(
            f"probabilities must lie between 0 and 1, got {probabilities.min():g} to {probabilities.max():g}: outputs "
            'of decision_function are kind="logits".'
        )
    if probabilities.ndim == 1:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    n_small = int((probabilities < SMALLEST_PROBABILITY).any(axis=1).sum())
    if n_small:
        warnings.warn(
            f"{n_small} of {len(probabilities)} trials have a probability below {SMALLEST_PROBABILITY:g}, which is "
            'raised to it: where the estimator has a decision_function, give that with kind="logits".',
            stacklevel=3,
        )
    return np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))


def _calibrations(strata, folds, groups, random_state) -> tuple[list[tuple[NDArray, NDArray]], str]:
    """Places of the trials that calibrate and of those judged, and what is never split between them."""
    whole = "trials" if groups is None else "groups"
    n_strata = strata.max() + 1
    for least in (N_SPLITS, 2):
        found = []
        for number in range(folds.max() + 1):
            inside = np.flatnonzero(folds == number)
            own = None if groups is None else groups[inside]
            splits = _splits(strata[inside], own, n_strata, random_state, least)
            if not splits:
                break
            found += [(inside[train], inside[test]) for train, test in splits]
        else:
            return found, whole
        # an intercept from two or three subjects errs by more than networks of one procedure differ in scale
        splits = _splits(strata, folds, n_strata, random_state, 2)
        if splits:
            return splits, "folds"
    raise UncalibratedError(
        "A calibration needs at least 2 trials of each class, and 2 groups of each where there are groups, in each "
        f"fold, or 2 folds of each class: got {len(strata)} trials in {folds.max() + 1} folds."
    )


def _splits(strata, groups, n_strata, random_state, least):
    """Up to 5 parts, each of whose complements has every class; empty where fewer than `least` units have a class."""
    units = strata if groups is None else np.unique(np.column_stack([strata, groups]), axis=0)[:, 0]
    most = min(N_SPLITS, np.bincount(units, minlength=n_strata).min())
    for n_splits in range(most, least - 1, -1):
        options = {"n_splits": n_splits, "shuffle": True, "random_state": random_state}
        splitter = StratifiedKFold(**options) if groups is None else StratifiedGroupKFold(**options)
        splits = list(splitter.split(strata, strata, groups))
        if all(len(test) and len(np.unique(strata[train])) == n_strata for train, test in splits):
            return splits
    return []
