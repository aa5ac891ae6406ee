"""Cells: what they take, that taking twice is taking once, and that hybrids keep the covariance of trials."""

import numpy as np
import pytest

from eegexplain.information._cells import SHRINKAGE, Cell, Part, covariances, filter_pair

RNG = np.random.default_rng(0)
MIX = RNG.standard_normal((5, 5))
X = (MIX @ RNG.standard_normal((400, 5, 64))).astype(np.float32)
NAMES = list("abcde")


BINS = np.arange(33)
SLOW, FAST = Part("slow", BINS <= 8), Part("fast", BINS > 8)


def test_covariances_are_those_of_the_parts_and_shrunk_a_little():
    parts = [SLOW, FAST, Part("all"), Part("middle", weights=np.hanning(64))]
    for part, C in zip(parts, covariances(X, parts), strict=True):
        flat = part.of(X.astype(float)).transpose(1, 0, 2).reshape(5, -1)
        expected = flat @ flat.T / flat.shape[1]
        np.testing.assert_allclose(C, expected + SHRINKAGE * np.diag(np.diag(expected)), rtol=1e-9, atol=1e-12)


def test_covariances_stay_in_the_space_that_trials_fill():
    average = X - X.mean(axis=1, keepdims=True, dtype=float)
    (C,) = covariances(average, [Part("all")])
    np.testing.assert_allclose(C.sum(axis=0), 0, atol=1e-6 * np.abs(C).max())
    assert np.linalg.matrix_rank(C, tol=1e-6) == 4
    flat = X.copy()
    flat[:, 2] = 3  # an offset alone
    for C in covariances(flat, [FAST, Part("some", (BINS > 2) & (BINS < 9))]):
        assert not C[2].any() and not C[:, 2].any() and C[3, 3] > 0


def test_hybrids_keep_the_covariance_of_trials():
    """With partners of all trials: what one trial takes is uncorrelated with what it keeps."""
    part = Part("all")
    (C,) = covariances(X, [part])
    n = len(X)
    rng = np.random.default_rng(1)
    for filters in (np.eye(5)[:, [1]], rng.standard_normal((5, 2)), rng.standard_normal((5, 4))):
        cell = Cell(part, filter_pair("one", filters, C))
        taken = cell.of(X.astype(float))
        moment = np.zeros((5, 5))
        for shift in range(1, 40):  # many partners: chance correlations of two trials vanish
            hybrids = X - taken + taken[(np.arange(n) + shift) % n]
            flat = hybrids.transpose(1, 0, 2).reshape(5, -1)
            moment += flat @ flat.T / flat.shape[1] / 39
        np.testing.assert_allclose(moment, C, atol=0.004 * np.abs(C).max())
    alone = X.astype(float).copy()  # a channel exchanged alone does not
    alone[:, 1] = np.roll(X[:, 1], 1, axis=0)
    flat = alone.transpose(1, 0, 2).reshape(5, -1)
    assert np.abs(flat @ flat.T / flat.shape[1] - C).max() > 0.1 * np.abs(C).max()


def test_filters_that_see_the_same_are_refused():
    (C,) = covariances(X, [Part("all")])
    for filters in (np.ones((5, 2)), np.zeros((5, 1)), RNG.standard_normal((5, 6))):
        with pytest.raises(ValueError, match="of both on 5 channels one is 0, or a sum of others"):
            filter_pair("both", filters, C)


def test_filters_of_an_average_reference_see_what_is_left():
    average = X - X.mean(axis=1, keepdims=True, dtype=float)
    (C,) = covariances(average, [Part("all")])
    with pytest.raises(ValueError, match="mean see nothing in these data.*reference"):
        filter_pair("mean", np.ones((5, 1)), C)
    everything = filter_pair("all", np.eye(5), C)
    assert everything.filters.shape == (5, 4)
    np.testing.assert_allclose(everything.filters.T @ everything.patterns, np.eye(4), atol=1e-8)
    np.testing.assert_allclose(everything.of(average), average, atol=1e-9)
