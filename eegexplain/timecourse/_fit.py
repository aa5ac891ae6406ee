"""Fit and score a block of time points: all at once where a solver fits the model, else one by one."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge

from eegexplain._validation import spawn_seeds
from eegexplain.timecourse._solvers import fit_lda, fit_ordinal, fit_ridge, training_scatter
from eegexplain.timecourse.ordinal import OrdinalLogisticRegression, ordinal_log_proba


def fit_block(times, *, inner, X, y, trials, train, test, score, target, n_classes, seeds=None):
    """Fit all folds at some time points.

    Parameters
    ----------
    times : slice
        Time points.
    inner : estimator
        The linear model.
    X : ndarray of shape (n_all_trials, n_channels, n_times)
        Trials of all subjects.
    y : ndarray of shape (n_all_trials,)
        Numbers, or codes of the classes.
    trials : slice or ndarray of int
        Those of this subject.
    train, test : ndarray of bool, shape (n_folds, n_trials)
        Training and test trials among them.
    score : Score
        What to measure on the test trials.
    target : {"binary", "multiclass", "ordinal", "numbers"}
    n_classes : int
    seeds : ndarray of int, shape (n_all_times, n_folds), optional
        For models with a ``random_state``: every fit has one of its own.

    Returns
    -------
    dict
        ``weights, patterns`` (for standardised channels) and ``raw_weights`` of shape ``(n_times, n_folds, n_outputs,
        n_channels)``, ``raw_offsets`` ``(n_times, n_folds, n_outputs)``, ``scores`` ``(n_times, n_folds)``,
        ``thresholds`` (ordinal), and ``converged``.
    """
    data = np.ascontiguousarray(X[trials, :, times].transpose(2, 0, 1), dtype=float)
    y = y[trials]
    centre = data.mean(axis=1, keepdims=True)
    spread = data.std(axis=1, keepdims=True)
    spread[spread <= 1e-12 * np.abs(centre)] = 1.0
    data = (data - centre) / spread
    training = training_scatter(data, train)
    scale = training.scale
    solve = _solver(inner, target)
    if solve is _one_by_one and seeds is not None:
        solve = partial(_one_by_one, seeds=seeds[times])
    found = solve(inner, data, y, train, training, n_classes)
    result = {"weights": found["weights"], "converged": bool(np.all(found.get("converged", True)))}
    inside = found["weights"] / scale[:, :, None]  # weights of the trials standardised over all folds
    offsets = found["offsets"] - np.einsum("tfkc,tfc->tfk", inside, training.mean)
    result["patterns"] = _patterns(training.covariance, found["weights"])
    result["raw_weights"] = inside / spread[:, None]
    result["raw_offsets"] = offsets - np.einsum("tfkc,tc->tfk", result["raw_weights"], centre[:, 0])
    thresholds = found.get("thresholds")
    if thresholds is not None:
        result["thresholds"] = thresholds
    result["scores"] = _scores(data, y, test, inside, offsets, thresholds, score)
    return result


def _patterns(covariance, weights):
    """Haufe's patterns: covariance of the channels with the decision values, over the covariance of these."""
    with_channels = weights @ covariance
    shared = with_channels @ weights.swapaxes(2, 3)
    return np.linalg.pinv(shared, hermitian=True, rcond=1e-10) @ with_channels


def _scores(data, y, test, weights, offsets, thresholds, score):
    scores = np.empty(test.shape[:1] + data.shape[:1])
    for fold, held_out in enumerate(test):
        decision = data[:, held_out] @ weights[:, fold].swapaxes(1, 2) + offsets[:, fold, None]
        if thresholds is not None:
            predicted = ordinal_log_proba(decision[..., 0], thresholds[:, fold]).argmax(axis=-1)
        elif decision.shape[2] == 1:
            predicted = (decision[..., 0] > 0).astype(int)
        else:
            predicted = decision.argmax(axis=-1)
        scores[fold] = score.function(y[held_out], predicted, decision)
    return scores.T


# -- how to fit: a solver for all time points where one is known to give the same numbers


def _solver(inner, target):
    kind = type(inner)
    if kind is OrdinalLogisticRegression:
        return _ordinal
    params = inner.get_params()
    if kind is Ridge and np.ndim(params["alpha"]) == 0 and params["alpha"] > 0 and _plain(params, positive=False):
        return _ridge
    if (
        kind is LinearDiscriminantAnalysis and params["solver"] in ("lsqr", "eigen")
        and _shrinks(params["shrinkage"]) and _plain(params, priors=None, covariance_estimator=None)
    ):  # fmt: skip
        return _lda
    if kind is LogisticRegression and target == "binary" and _is_plain_logistic(params):
        return _logistic
    return _one_by_one


def _plain(params, **expected):
    expected.setdefault("fit_intercept", True)
    return all(params[name] == value or params[name] is value for name, value in expected.items() if name in params)


def _shrinks(shrinkage):
    return shrinkage == "auto" if isinstance(shrinkage, str) else shrinkage is not None and 0 < shrinkage <= 1


def _is_plain_logistic(params):
    l2 = params.get("penalty") in ("l2", "deprecated", None) and not params.get("l1_ratio")
    if params.get("penalty", "l2") is None:
        return False
    return l2 and params["C"] > 0 and np.isfinite(params["C"]) and _plain(params, class_weight=None, dual=False)


def _ridge(inner, data, y, train, training, n_classes):
    weights, offsets = fit_ridge(data, y, train, training, alpha=float(inner.alpha))
    return {"weights": weights, "offsets": offsets}


def _lda(inner, data, y, train, training, n_classes):
    weights, offsets = fit_lda(data, y, train, training, n_classes=n_classes, shrinkage=inner.shrinkage)
    return {"weights": weights, "offsets": offsets}


def _logistic(inner, data, y, train, training, n_classes):
    found = fit_ordinal(data, y, train, training, n_classes=2, penalty=1 / inner.C)
    return {"weights": found.weights, "offsets": -found.thresholds, "converged": found.converged}


def _ordinal(inner, data, y, train, training, n_classes):
    found = fit_ordinal(
        data, y, train, training, n_classes=n_classes, penalty=1 / inner.C, tol=inner.tol,
        max_iter=inner.max_iter,
    )  # fmt: skip
    offsets = np.zeros(found.weights.shape[:3])
    return {"weights": found.weights, "offsets": offsets, "thresholds": found.thresholds, "converged": found.converged}


def _one_by_one(inner, data, y, train, training, n_classes, seeds=None):
    weights, offsets = [], []
    mean, scale = training.mean, training.scale
    for time, trials in enumerate(data):
        for fold, kept in enumerate(train):
            z = (trials[kept] - mean[time, fold]) / scale[time, fold]
            model = clone(inner) if seeds is None else spawn_seeds(inner, seeds[time, fold])
            model.fit(z, y[kept])
            coef, intercept = linear_parts(model, n_classes)
            weights.append(coef)
            offsets.append(intercept)
    shape = (len(data), len(train))
    return {
        "weights": np.reshape(weights, (*shape, *weights[0].shape)),
        "offsets": np.reshape(offsets, (*shape, *offsets[0].shape)),
    }


def linear_parts(model, n_classes):
    """Weights (n_outputs, n_channels) and intercepts (n_outputs,) of a fitted linear model, also inside a search."""
    model = getattr(model, "best_estimator_", model)
    if not hasattr(model, "coef_"):
        raise TypeError(
            f"{type(model).__name__} has no coef_ after fit: TimeResolvedCoefficients needs a linear model, such as "
            "LogisticRegression, LinearDiscriminantAnalysis, Ridge, LinearSVC or OrdinalLogisticRegression."
        )
    coef = np.atleast_2d(np.asarray(model.coef_, dtype=float))
    expected = n_classes if n_classes > 2 else 1
    if len(coef) != expected:
        raise TypeError(
            f"{type(model).__name__} has {len(coef)} rows of coef_ where {expected} are expected: choose a model with "
            "one per class (one-versus-rest or multinomial)."
        )
    intercept = np.broadcast_to(np.ravel(getattr(model, "intercept_", 0.0)), (expected,)).astype(float)
    return coef, intercept


# -- scores of decision values, all time points at once


def _recall(codes, predicted, _):
    classes = np.unique(codes)
    return np.mean([(predicted[:, codes == code] == code).mean(axis=1) for code in classes], axis=0)


def _auc(codes, _, decision):
    positive = codes == 1
    n_positive, n_negative = positive.sum(), (~positive).sum()
    if not n_positive or not n_negative:
        return np.full(len(decision), np.nan)
    ranks = rankdata(decision[..., 0], axis=1)[:, positive].sum(axis=1)
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def _r2(y, _, decision):
    total = ((y - y.mean()) ** 2).sum()
    left = ((y - decision[..., 0]) ** 2).sum(axis=1)
    return 1 - left / total if total > 0 else np.full(len(decision), np.nan)


def _rank_correlation(y, _, decision):
    first = rankdata(y) - (len(y) + 1) / 2
    second = rankdata(decision[..., 0], axis=1) - (len(y) + 1) / 2
    size = np.sqrt((first**2).sum() * (second**2).sum(axis=1))
    return np.divide(second @ first, size, out=np.full(len(decision), np.nan), where=size > 0)


@dataclass(frozen=True)
class Score:
    """A score over time: ``function(y, predicted codes, decisions)``, the targets it is for, its value by chance."""

    function: object
    targets: tuple
    chance: object


SCORES = {
    "balanced_accuracy": Score(_recall, ("binary", "multiclass", "ordinal"), lambda codes: 1 / len(np.unique(codes))),
    "accuracy": Score(
        lambda codes, predicted, _: (predicted == codes).mean(axis=1), ("binary", "multiclass", "ordinal"),
        lambda codes: np.bincount(codes).max() / len(codes),
    ),
    "roc_auc": Score(_auc, ("binary",), lambda codes: 0.5),
    "r2": Score(_r2, ("numbers",), lambda y: 0.0),
    "rank_correlation": Score(_rank_correlation, ("binary", "ordinal", "numbers"), lambda y: 0.0),
}  # fmt: skip
