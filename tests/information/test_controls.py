"""Controls of phase relations: weights, halves, matched components, time run backwards."""

from types import SimpleNamespace

import numpy as np
import pytest

from eegexplain._bits import make_judge
from eegexplain.information._controls import both_halves, class_weights, half_coordinates, make_halves, reversed_in_time


def test_class_weights_average_classes_and_contrast_them():
    y = np.array([0, 0, 0, 1])
    overall, contrast = class_weights(y)
    np.testing.assert_allclose(overall, [1 / 6] * 3 + [0.5])
    np.testing.assert_allclose(contrast, [-1 / 3] * 3 + [1])
    assert class_weights(np.array([0, 1, 2, 2])).shape == (4, 4)
    overall, slope = class_weights(np.array([0.0, 1.0, 2.0, 5.0]))
    np.testing.assert_allclose([overall.sum(), slope.sum()], [1, 0], atol=1e-12)


@pytest.mark.parametrize("grouped", [False, True])
def test_halves_have_every_class_and_whole_groups(grouped):
    y = np.arange(40) % 2
    groups = np.arange(40) // 5 if grouped else None
    judge, _ = make_judge(y, np.random.default_rng(0).standard_normal(40), groups=groups)
    halves = make_halves(judge, 0)
    one, other = halves.places
    assert sorted([*one, *other]) == list(range(40)) and min(len(one), len(other)) >= 15
    for places, own in zip(halves.places, halves.judges(judge), strict=True):
        assert set(own.targets) == {0, 1} and (own.targets == y[places]).all()
    assert not grouped or not set(groups[one]) & set(groups[other])


def test_too_few_groups_of_a_class_have_no_halves():
    y = np.repeat([0, 0, 0, 1, 1, 1], 4)
    judge, _ = make_judge(y, np.arange(24.0), groups=np.repeat([0, 1, 2, 3, 3, 3], 4), folds=np.arange(24) % 2)
    assert make_halves(judge, 0) is None


def test_time_runs_backwards_in_the_band_alone():
    X = np.random.default_rng(0).standard_normal((2, 3, 32))
    bins = np.isin(np.arange(17), [3, 4])
    found = np.fft.rfft(reversed_in_time(X, bins))
    before, shift = np.fft.rfft(X), np.exp(2j * np.pi * np.arange(17) / 32)
    np.testing.assert_allclose(found[..., ~bins], before[..., ~bins], atol=1e-12)
    np.testing.assert_allclose(found[..., bins], (before.conj() * shift)[..., bins], atol=1e-12)


def test_the_smaller_of_two_p_values_counts_twice():
    np.testing.assert_allclose(both_halves([np.array([0.01, 0.9]), np.array([0.5, 0.6])]), [0.02, 1.0])


def test_components_of_a_half_are_from_labels_of_the_other():
    rng, y = np.random.default_rng(0), np.arange(40) % 2
    X = rng.standard_normal((40, 3, 32))
    judge, _ = make_judge(y, rng.standard_normal(40))
    halves = make_halves(judge, 0)
    bins = np.isin(np.arange(17), [3, 4, 5, 6])

    def off_diagonal(own, places):
        """What is left beside the diagonal of the difference of both classes' covariances."""
        parts = np.fft.irfft(np.fft.rfft(X) * bins)
        of_class = [np.mean([x @ x.T for x in parts[places[y[places] == k]]], axis=0) for k in (0, 1)]
        inside = own.filters.T @ (of_class[1] - of_class[0]) @ own.filters
        return np.abs(inside - np.diag(np.diag(inside))).max() / np.abs(inside).max()

    trials = SimpleNamespace(question=SimpleNamespace(X=X, order=np.arange(40)), judge=judge)
    for number, own in enumerate(half_coordinates(trials, bins, halves, 3)):
        assert off_diagonal(own, halves.places[1 - number]) < 1e-9
        assert off_diagonal(own, halves.places[number]) > 1e-2
