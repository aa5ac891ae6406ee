"""R2 of runs with edges, weights of samples, and targets without a prediction."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator
from sklearn.metrics import r2_score

from eegexplain.encoding._scoring import EncodingRegressorMixin, correlation

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(12, 3)) * [1.0, 2.0, 5.0]
ANSWER = Y + RNG.normal(size=(12, 3))
GROUPS = np.repeat([0, 1], 6)


class Fixed(EncodingRegressorMixin, BaseEstimator):
    """Predicts one array; the first sample of each run is an edge, and runs shift the prediction."""

    def __init__(self, answer=ANSWER):
        self.answer = answer

    def predict(self, X, groups=None):
        return self.answer if groups is None else self.answer + 0.3 * np.asarray(groups)[:, None]

    def _encoding_model(self):
        return self

    def valid_samples(self, n_times, groups=None):
        groups = np.zeros(n_times) if groups is None else np.asarray(groups)
        return np.r_[False, groups[1:] == groups[:-1]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("groups", [None, GROUPS])
@pytest.mark.parametrize("multioutput", ["uniform_average", "variance_weighted", "raw_values"])
def test_edges_are_left_out_and_samples_weighted(weighted, groups, multioutput):
    weight = np.linspace(0.1, 3, 12) if weighted else None
    kept = np.delete(np.arange(12), [0] if groups is None else [0, 6])
    answer = ANSWER + (0 if groups is None else 0.3 * groups[:, None])
    options = {"sample_weight": None if weight is None else weight[kept], "multioutput": multioutput}
    found = Fixed().score(Y, Y, sample_weight=weight, multioutput=multioutput, groups=groups)
    assert_allclose(found, r2_score(Y[kept], answer[kept], **options))
    partly = answer.copy()
    partly[:, 1] = np.nan  # a target without prediction
    found = Fixed(ANSWER * np.where(np.arange(3) == 1, np.nan, 1)).score(Y, Y, weight, multioutput, groups)
    expected = r2_score(Y[kept][:, [0, 2]], partly[kept][:, [0, 2]], **options)
    assert_allclose(found, [expected[0], np.nan, expected[1]] if multioutput == "raw_values" else expected)


def test_no_prediction_at_all_and_a_single_target():
    nothing = Fixed(np.full((12, 3), np.nan))
    assert np.isnan(nothing.score(Y, Y)) and np.ndim(nothing.score(Y, Y)) == 0
    assert np.isnan(nothing.score(Y, Y, multioutput="raw_values")).tolist() == [True] * 3
    single = Fixed(np.full(12, np.nan))
    assert np.ndim(single.score(Y, Y[:, 0], multioutput="raw_values")) == 0
    assert_allclose(Fixed(ANSWER[:, 0]).score(Y, Y[:, 0]), r2_score(Y[1:, 0], ANSWER[1:, 0]))


def test_single_missing_predictions_are_an_error():
    answer = ANSWER.copy()
    answer[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        Fixed(answer).score(Y, Y)


@pytest.mark.parametrize("weighted", [False, True])
def test_correlations_of_what_varies(weighted):
    """Weights repeat samples; means leave out data that never vary, and count predictions that never vary as zero."""
    times = np.arange(1, 13) % 3 + 1 if weighted else np.ones(12, dtype=int)
    weight = times if weighted else None
    truth, prediction = (np.repeat(values, times, axis=0) for values in (Y, ANSWER))
    expected = [np.corrcoef(t, p)[0, 1] for t, p in zip(truth.T, prediction.T, strict=True)]
    assert_allclose(correlation(Y, ANSWER, weight, "raw_values"), expected)
    assert_allclose(correlation(Y, ANSWER, weight), np.mean(expected))
    assert_allclose(correlation(Y, ANSWER, weight, "variance_weighted"), np.average(expected, weights=truth.var(0)))
    flat, silent = Y.copy(), ANSWER.copy()
    flat[:, 0], silent[:, [0, 1]] = 0.1, 0.3  # whose means are not these numbers exactly
    assert_allclose(correlation(flat, silent, weight, "raw_values"), [np.nan, 0, expected[2]])
    assert_allclose(correlation(flat, silent, weight), expected[2] / 2)
    assert np.isnan(correlation(flat[:, 0], silent[:, 0]))
