"""Coordinates of phases: what they are by formula, in data of any rank."""

import numpy as np
import pytest

from eegexplain.information._coordinates import (
    REST,
    covariances,
    diagonal_coordinates,
    filter_coordinates,
    principal_coordinates,
    same_units,
)

BINS = np.isin(np.arange(17), [4, 5, 6])


@pytest.fixture
def X():
    return np.random.default_rng(0).standard_normal((6, 4, 32))


def covariance(X):
    return covariances(X, np.arange(len(X)), BINS, np.full((1, len(X)), 1 / len(X)))[0]


def test_units_together_are_the_whole_space(X):
    X = X - X.mean(axis=1, keepdims=True)
    C = covariance(X)
    rng = np.random.default_rng(1)
    for own in (
        principal_coordinates(2, C),
        principal_coordinates(8, C),
        filter_coordinates(list("abcd"), list(np.eye(4)[:, :, None]), C),
        filter_coordinates(["two", "one"], [np.eye(4)[:, :2], np.eye(4)[:, [3]]], C),
        filter_coordinates(["oblique"], [rng.standard_normal((4, 1))], C),
    ):
        np.testing.assert_allclose(own.patterns @ own.filters.T @ C, C, atol=1e-12)
        np.testing.assert_allclose(own.patterns.sum(axis=0), 0, atol=1e-10)  # the average reference
    assert principal_coordinates(2, C).names == ["1", "2", REST] and principal_coordinates(8, C).names == list("123")


def test_patterns_leave_the_rest_uncorrelated(X):
    C, filters = covariance(X), np.random.default_rng(1).standard_normal((4, 2))
    own = filter_coordinates(["a", "b"], np.split(filters, 2, axis=1), C)
    np.testing.assert_allclose(own.patterns[:, :2], C @ filters @ np.linalg.inv(filters.T @ C @ filters))
    rest = own.patterns[:, 2:]
    np.testing.assert_allclose(filters.T @ C @ rest.T, 0, atol=1e-12)


def test_covariances_are_those_of_filtered_trials(X):
    weights = np.random.default_rng(0).standard_normal((2, len(X)))
    own = np.fft.irfft(np.fft.rfft(X) * BINS)
    expected = [sum(w * x @ x.T / 32 for w, x in zip(row, own, strict=True)) for row in weights]
    np.testing.assert_allclose(covariances(X, np.arange(len(X)), BINS, weights), expected, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_diagonal_coordinates_have_no_covariance_in_any_class(n_classes):
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((5, 5))
    classes = [mixing @ np.diag(rng.uniform(0.2, 2, 5)) @ mixing.T for _ in range(n_classes)]
    C = np.mean(classes, axis=0)
    contrasts = [classes[1] - classes[0]] if n_classes == 2 else [one - C for one in classes]
    own = diagonal_coordinates(5, C, np.array(contrasts))
    np.testing.assert_allclose(own.filters.T @ own.patterns, np.eye(5), atol=1e-7)
    for one in classes:
        inside = own.filters.T @ one @ own.filters
        np.testing.assert_allclose(inside, np.diag(np.diag(inside)), atol=1e-6)
    first = own.filters.T @ contrasts[0] @ own.filters
    if n_classes == 2:
        assert (np.diff(np.abs(np.diag(first))) <= 1e-9).all()  # the most different first


def test_diagonal_coordinates_of_rank_deficient_data():
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((5, 3))
    classes = [basis @ np.diag(rng.uniform(0.2, 2, 3)) @ basis.T for _ in range(2)]
    own = diagonal_coordinates(2, sum(classes) / 2, np.array([classes[1] - classes[0]]))
    assert own.names == ["1", "2", REST] and own.filters.shape == (5, 3)
    np.testing.assert_allclose(own.filters.T @ own.patterns, np.eye(3), atol=1e-8)


def test_bands_of_different_rank_get_the_same_units():
    full, poor = principal_coordinates(3, np.eye(4)), principal_coordinates(3, np.diag([2.0, 1, 0, 0]))
    alike = same_units([full, poor])
    assert alike[0].names == alike[1].names == ["1", "2", "3", REST]
    assert alike[1].unit.tolist() == [0, 1] and alike[0].unit.tolist() == [0, 1, 2, 3]


def test_filters_that_see_the_same_are_refused(X):
    one = np.arange(1.0, 5.0)[:, None]
    with pytest.raises(ValueError, match="see only 1 different things"):
        filter_coordinates(["a", "b"], [one, 2 * one], covariance(X))
