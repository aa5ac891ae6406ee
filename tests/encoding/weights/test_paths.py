"""Penalties and divisions among bands, by columns and by samples, against explicit fits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, ShuffleSplit

from eegexplain.encoding.weights._bands import Division
from eegexplain.encoding.weights._criteria import CRITERIA
from eegexplain.encoding.weights._paths import Best, Dual, Primal, Task, fit_path
from eegexplain.encoding.weights._sums import Rows

ALPHAS = np.array([0.1, 3.0, 100.0])
CHUNKS = [slice(0, 2), slice(2, 3)]


def data(n_samples, n_columns, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_columns)) * np.linspace(0.5, 2, n_columns)
    Y = X @ rng.normal(size=(n_columns, 3)) + rng.normal(size=(n_samples, 3)) * [0.5, 3, 10] + [1.0, -2.0, 5.0]
    return X, Y


def task_of(n_columns, shares, splits, intercept, criterion="r2"):
    member = np.arange(n_columns) >= n_columns // 2
    division = Division(np.array(shares), member.astype(int))
    return Task(ALPHAS, division, splits, CRITERIA[criterion], intercept, None, CHUNKS)


def paths(X, Y, task):
    """Both ways to the same numbers."""
    rows = Rows(X - X.mean(0) * task.fit_intercept, Y, Y.mean(0) * task.fit_intercept)
    return Primal(rows, len(X), task), Dual(rows, task)


def every_score(path, task):
    """Scores of all divisions, penalties and targets."""
    return np.concatenate([np.array(list(path.scores(chunk))) for chunk in task.chunks], axis=2)


def by_hat_matrix(X, Y, alpha, intercept):
    x, y = (values - values.mean(0) * intercept for values in (X, Y))
    hat = x @ np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T)
    freedom = 1 - (np.trace(hat) + intercept) / len(x)
    return 1 - ((y - hat @ y) ** 2).mean(0) / freedom**2 / ((y**2).mean(0) / (1 - intercept / len(x)) ** 2)


def by_refitting(X, Y, alpha, intercept, splits):
    residual = total = 0
    correlations = []
    for train, test in splits:
        prediction = Ridge(alpha=alpha, fit_intercept=intercept).fit(X[train], Y[train]).predict(X[test])
        residual = residual + ((Y[test] - prediction) ** 2).sum(0)
        total = total + ((Y[test] - Y[train].mean(0) * intercept) ** 2).sum(0)
        p, y = prediction - prediction.mean(0), Y[test] - Y[test].mean(0)
        correlations.append((p * y).sum(0) / np.sqrt((p**2).sum(0) * (y**2).sum(0)))
    return {"r2": 1 - residual / total, "pearson": np.mean(correlations, axis=0)}


SPLITTERS = [
    None,
    KFold(4),
    ShuffleSplit(2, test_size=0.5, random_state=0),  # as many test samples as samples, but no partition
    ShuffleSplit(3, test_size=8, train_size=10, random_state=0),
]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize("n_columns", [4, 50])
@pytest.mark.parametrize("shares", [[[1.0, 1.0]], [[1.0, 1.0], [0.1, 2.0], [1.0, 0.0]]])
def test_both_paths_score_and_fit_as_explicit_regressions(intercept, splitter, n_columns, shares):
    X, Y = data(30, n_columns)
    splits = None if splitter is None else list(splitter.split(X))
    scales = task_of(n_columns, shares, splits, intercept).division.scales
    if splits is None:
        every = {"r2": [[by_hat_matrix(X * scale, Y, alpha, intercept) for alpha in ALPHAS] for scale in scales]}
    else:
        found = [[by_refitting(X * scale, Y, alpha, intercept, splits) for alpha in ALPHAS] for scale in scales]
        every = {name: [[each[name] for each in row] for row in found] for name in ("r2", "pearson")}
    for criterion, expected in every.items():
        expected, task = np.array(expected), task_of(n_columns, shares, splits, intercept, criterion)
        for path in paths(X, Y, task):
            assert_allclose(every_score(path, task), expected, atol=1e-8)
            fit = fit_path(path, task, 3)
            best = expected.reshape(-1, 3).argmax(0)
            assert_array_equal(fit.alpha, ALPHAS[best % 3])
            assert_array_equal(fit.shares, np.array(shares)[best // 3].T)
            assert_allclose(fit.scores, expected[best // 3, :, np.arange(3)].T, atol=1e-8)
            for v in range(3):
                scale = task.division.scales[best[v] // 3]
                ridge = Ridge(alpha=fit.alpha[v], fit_intercept=intercept).fit(X * scale, Y[:, v])
                assert_allclose(fit.weights[:, v], ridge.coef_ * scale, atol=1e-8)
                left = ((Y[:, v] - ridge.predict(X * scale)) ** 2).sum()
                assert_allclose(fit.residual[v], left, atol=1e-7)
            assert_allclose(fit.total, Y.var(0) * 30, rtol=1e-9)


def test_only_the_best_of_many_divisions_is_kept():
    best, rng = Best(4, 5), np.random.default_rng(0)
    scores = rng.normal(size=(7, 4, 5))
    for number, each in enumerate(scores):
        for chunk in (slice(0, 2), slice(2, 5)):
            best.offer(each[:, chunk], number, chunk)
    winner = scores.max(1).argmax(0)
    assert_array_equal(best.division, winner)
    assert_array_equal(best.scores, scores[winner, :, np.arange(5)].T)


def test_constant_targets_score_zero():
    X, Y = data(6, 5)
    Y[:, 0] = 0
    for criterion in ("r2", "pearson"):
        task = task_of(5, [[1.0, 1.0]], list(KFold(3).split(X)), False, criterion)
        for path in paths(X, Y, task):
            scores = every_score(path, task)
            assert not scores[..., 0].any() and scores[..., 1:].all()
