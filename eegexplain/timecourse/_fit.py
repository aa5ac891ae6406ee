"""Fit and score a block of time points: all at once where a solver fits the model, else one by one."""

from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from eegexplain._validation import spawn_seeds
from eegexplain.timecourse._scores import predicted_codes
from eegexplain.timecourse._solvers import fit_lda, fit_ordinal, fit_ridge, training_scatter
from eegexplain.timecourse.ordinal import OrdinalLogisticRegression


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
        predicted = predicted_codes(decision, None if thresholds is None else thresholds[:, fold])
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
            coef, intercept = linear_parts(model, n_classes, z)
            weights.append(coef)
            offsets.append(intercept)
    shape = (len(data), len(train))
    return {
        "weights": np.reshape(weights, (*shape, *weights[0].shape)),
        "offsets": np.reshape(offsets, (*shape, *offsets[0].shape)),
    }


def linear_parts(model, n_classes, z):
    """Weights (n_outputs, n_channels) and intercepts (n_outputs,) of a fitted linear model, also inside a search.

    Steps of a pipeline are composed with the model at its end where each is affine on the trials `z` (n_trials,
    n_channels): scalers, PCA, selections.
    """
    model = getattr(model, "best_estimator_", model)
    if isinstance(model, Pipeline):
        return _composed(model, n_classes, z)
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


def _composed(pipeline, n_classes, z):
    """Weights of what enters a pipeline: those of its last step, taken back through the others."""
    mixing, shift, signals = np.eye(z.shape[1]), np.zeros(z.shape[1]), z
    for name, step in pipeline.steps[:-1]:
        if step is None or step == "passthrough":
            continue
        after = np.asarray(step.transform(signals), dtype=float)
        # An affine step is known by what it makes of zero and of each unit vector; whether it is, the trials tell.
        probe = np.asarray(step.transform(np.vstack([np.zeros(signals.shape[1]), np.eye(signals.shape[1])])), float)
        matrix = probe[1:] - probe[0]
        if not np.allclose(signals @ matrix + probe[0], after, rtol=1e-6, atol=1e-6 * np.abs(after).max(initial=0)):
            raise TypeError(
                f"Step {name!r} of the Pipeline, {type(step).__name__}, is not affine: its coefficients are none of "
                "channels. Scalers, PCA and selections of features are."
            )
        mixing, shift, signals = mixing @ matrix, shift @ matrix + probe[0], after
    coef, intercept = linear_parts(pipeline.steps[-1][1], n_classes, signals)
    return coef @ mixing.T, intercept + coef @ shift
