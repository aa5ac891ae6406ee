"""Deletion curves and scores against a known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eegexplain.bases import as_basis, spatial
from eegexplain.inspection import (
    average_precision,
    complexity,
    deletion_curve,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    sign_agreement,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 2, 40))


def amplitude_at_bin_4(X):
    return np.abs(np.fft.rfft(X)[:, 1, 4])


TRUTH = np.zeros((2, 21))
TRUTH[1, 4] = 1


@pytest.mark.parametrize("kind", ["deletion", "insertion"])
def test_the_truth_beats_random_order_and_its_opposite_loses(kind):
    found = deletion_curve(amplitude_at_bin_4, X, TRUTH, kind=kind, random_state=0, n_random=8)
    worst = deletion_curve(amplitude_at_bin_4, X, -TRUTH, kind=kind, random_state=0, n_random=8)
    assert np.all(found.gain > 0) and np.all(worst.gain < 0)
    whole = amplitude_at_bin_4(X)
    if kind == "deletion":
        np.testing.assert_allclose(found.scores[0], whole)
        np.testing.assert_allclose(found.scores[1:], 0, atol=1e-10)
    else:
        np.testing.assert_allclose(found.scores[0], 0, atol=1e-10)
        np.testing.assert_allclose(found.scores[1:], np.tile(whole, (19, 1)))


def test_against_a_loop_over_cells():
    """The curve of one trial, with the spectrum edited by hand in the order of the map."""
    maps = RNG.normal(size=(5, 2, 21))
    curve = deletion_curve(amplitude_at_bin_4, X, maps, fractions=[0, 0.1, 0.5, 1], n_random=1, random_state=0)
    order = np.argsort(-maps[2].ravel())
    for number, count in enumerate([0, 4, 21, 42]):
        spectrum = np.fft.rfft(X[2]).ravel().copy()
        spectrum[order[:count]] = 0
        expected = amplitude_at_bin_4(np.fft.irfft(spectrum.reshape(2, 21), n=40)[None])[0]
        np.testing.assert_allclose(curve.scores[number, 2], expected, atol=1e-10)


def test_surrogate_filling_keeps_power():
    """With a score of power alone, replacing everything by a surrogate changes nothing."""
    curve = deletion_curve(amplitude_at_bin_4, X, TRUTH, filling="surrogate", fractions=[0, 0.5, 1], random_state=0)
    np.testing.assert_allclose(curve.scores[2], curve.scores[0], atol=1e-10)
    given = deletion_curve(amplitude_at_bin_4, X, TRUTH, filling=X[::-1], fractions=[0, 1], random_state=0)
    np.testing.assert_allclose(given.scores[1], given.scores[0][::-1], atol=1e-10)


@pytest.mark.parametrize("n_times", [40, 41])
def test_surrogates_turn_all_channels_alike_and_every_trial_on_its_own(n_times):
    trials, seen = np.random.default_rng(1).normal(size=(300, 2, n_times)) + 1, []

    def predict(x):
        seen.append(x)
        return x[:, 0, 0]

    maps = np.ones((2, n_times))
    deletion_curve(predict, trials, maps, "time", filling="surrogate", fractions=[0, 1], random_state=0, n_random=1)
    before, after = np.fft.rfft(trials), np.fft.rfft(seen[1])
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-9)
    np.testing.assert_allclose(after[:, 0] * after[:, 1].conj(), before[:, 0] * before[:, 1].conj(), atol=1e-8)
    turns = after[:, 0] / before[:, 0]
    fixed = [0, -1] if n_times % 2 == 0 else [0]
    np.testing.assert_allclose(turns[:, fixed], 1)
    free = np.delete(turns, fixed, axis=1)
    for power in (1, 2):  # uniform phases, independent over trials and bins
        assert np.abs((free**power).mean()) < 5 / np.sqrt(free.size)
    assert np.abs((free[:, 1:] * free[:, :-1].conj()).mean()) < 5 / np.sqrt(free.size)


def test_random_orders_are_uniform_averaged_and_of_their_own_for_every_trial():
    """A score that one cell of 42 holds survives in the share of orders that have not reached it."""
    fractions = [0, 0.25, 0.5, 1]
    curve = deletion_curve(amplitude_at_bin_4, X, TRUTH, fractions=fractions, n_random=300, random_state=0)
    kept = curve.random_scores / amplitude_at_bin_4(X)
    expected = [1 - round(f * 42) / 42 for f in fractions]
    np.testing.assert_allclose(kept, np.tile(expected, (5, 1)).T, atol=4 * 0.5 / np.sqrt(300))
    single = deletion_curve(amplitude_at_bin_4, X, TRUTH, fractions=fractions, n_random=1, random_state=0)
    assert set(np.round(single.random_scores / amplitude_at_bin_4(X), 9).ravel()) == {0.0, 1.0}
    np.testing.assert_array_equal(single.scores, curve.scores)


@pytest.mark.parametrize(("kind", "left"), [("deletion", [42, 41, 38, 21, 0]), ("insertion", [0, 1, 4, 21, 42])])
def test_so_many_cells_are_out_as_the_fraction_says(kind, left):
    def predict(x):
        return (np.abs(np.fft.rfft(x)) > 1e-9).sum((1, 2))

    fractions, maps = [0, 0.02, 0.1, 0.5, 1], RNG.normal(size=(2, 21))
    curve = deletion_curve(predict, X, maps, kind=kind, fractions=fractions, random_state=0, n_random=2)
    np.testing.assert_array_equal(curve.scores, np.tile(left, (5, 1)).T)
    np.testing.assert_array_equal(curve.random_scores, curve.scores)


def test_area_is_that_of_trapezoids_over_the_range_and_gain_the_difference():
    for kind, sign in [("deletion", 1), ("insertion", -1)]:
        curve = deletion_curve(amplitude_at_bin_4, X, TRUTH, kind=kind, fractions=[0.1, 0.2, 0.6], random_state=0)
        for scores, found in [(curve.scores, curve.auc), (curve.random_scores, curve.random_auc)]:
            area = 0.1 * (scores[0] + scores[1]) / 2 + 0.4 * (scores[1] + scores[2]) / 2
            np.testing.assert_allclose(found, area / 0.5)
        np.testing.assert_allclose(curve.gain, sign * (curve.random_auc - curve.auc))
    default = deletion_curve(amplitude_at_bin_4, X, TRUTH, random_state=0)
    np.testing.assert_allclose(default.fractions, np.arange(20) / 20)
    assert default.kind == "deletion" and default.scores.shape == default.random_scores.shape == (20, 5)


def test_residual_rows_and_cells_are_never_deleted():
    bands = {"low": (0, 6), "high": (6, 12)}
    product = spatial(np.array([[1.0], [2.0]]), as_basis("bands", bands))  # one component of two channels
    whole = product.bind(40, 40.0).attribute(X, X)
    assert whole.shape == (5, 2, 3)
    curves = [deletion_curve(lambda x: x[:, 0, 3], X, maps, product, sfreq=40.0, random_state=0, n_random=1)
              for maps in (whole, whole[:, :1, :2], whole + 1e6 * (np.arange(3) == 2))]  # fmt: skip
    np.testing.assert_array_equal(curves[0].scores, curves[1].scores)
    np.testing.assert_array_equal(curves[0].scores, curves[2].scores)


@pytest.mark.parametrize("basis", ["time", "stft", "bands", "wavelet"])
def test_other_bases(basis):
    bands = {"low": (0, 6), "high": (6, 20)}
    bound = as_basis(basis, bands).bind(40, 40.0)
    gradient = np.zeros((5, 2, 40))
    gradient[:, 1] = np.cos(2 * np.pi * 4 * np.arange(40) / 40)
    maps = bound.attribute(X, gradient)
    curve = deletion_curve(lambda x: (x * gradient).sum((1, 2)), X, maps, basis, sfreq=40.0, bands=bands,
                           random_state=0)
    assert curve.gain.mean() > 0


def test_spatial_basis():
    basis = spatial(np.array([[1.0, 0.0], [0.0, 1.0]]), "fourier")
    plain = deletion_curve(amplitude_at_bin_4, X, TRUTH, random_state=0)
    product = deletion_curve(amplitude_at_bin_4, X, TRUTH, basis, random_state=0)
    np.testing.assert_allclose(product.scores, plain.scores, atol=1e-10)


def test_same_seed_same_curve():
    first, second = (deletion_curve(amplitude_at_bin_4, X, TRUTH, random_state=3).random_scores for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("arguments, message", [
    ({"kind": "deletoin"}, "Did you mean 'deletion'"),
    ({"filling": "zero"}, "Did you mean 'zeros'"),
    ({"filling": np.zeros(3)}, "filling has shape"),
    ({"attributions": np.zeros((2, 20))}, "attributions have shape"),
    ({"predict": lambda x: x}, "one score per trial"),
    ({"fractions": [0.5]}, "ascending"),
    ({"fractions": [0, 2]}, "between 0 and 1"),
    ({"fractions": [-0.1, 1]}, "between 0 and 1"),
    ({"fractions": [0, 0.5, 0.5]}, "ascending"),
    ({"fractions": [[0, 1]]}, "ascending"),
    ({"n_random": 0}, "at least 1"),
    ({"X": X[0]}, "n_trials, n_channels, n_times"),
])
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        deletion_curve(**{"predict": amplitude_at_bin_4, "X": X, "attributions": TRUTH, "random_state": 0, **arguments})


def test_rank_and_mass_accuracy_by_hand():
    maps = np.array([[[4.0, 3.0, -9.0, 2.0]], [[0.0, 0.0, 0.0, 1.0]]])
    truth = np.array([[True, False, True, False]])
    np.testing.assert_allclose(relevance_rank_accuracy(maps, truth), [0.5, 0])
    np.testing.assert_allclose(relevance_mass_accuracy(maps, truth), [4 / 9, 0])
    per_trial = np.stack([truth, np.array([[False, False, False, True]])])
    np.testing.assert_allclose(relevance_rank_accuracy(maps, per_trial), [0.5, 1])
    assert np.isnan(relevance_rank_accuracy(maps, truth & False)).all()
    assert np.isnan(relevance_mass_accuracy(-maps[1], truth))


def test_scores_of_stacks_of_maps_ties_and_cells_without_relevance():
    truth = np.array([[True, True, False, False]])
    maps = np.array([[[[1.0, 1, 1, 1]], [[0, 0, 0, 0]]], [[[-3.0, 0, 2, 0]], [[0, 0, 0, -1]]]])
    np.testing.assert_allclose(relevance_rank_accuracy(maps, truth), [[1, 0], [0, 0]])  # ties: in order of the cells
    found = relevance_mass_accuracy(maps, truth)
    np.testing.assert_allclose(found, [[0.5, np.nan], [0, np.nan]])
    assert average_precision(maps, truth).shape == sign_agreement(maps, truth - 0.5).shape == (2, 2)
    np.testing.assert_allclose(average_precision(maps, truth)[1], [(1 + 2 / 4) / 2, 0.5])
    np.testing.assert_allclose(complexity(maps), [[np.log(4), 0], [-0.6 * np.log(0.6) - 0.4 * np.log(0.4), 0]])


@given(st.integers(0, 100))
def test_average_precision_is_that_of_ranks(seed):
    rng = np.random.default_rng(seed)
    maps, truth, scored = rng.normal(size=(3, 2, 8)), rng.random((2, 8)) < 0.4, rng.random((2, 8)) < 0.8
    truth[0, :2], scored[0, :2] = [True, False], True
    found = average_precision(maps, truth, scored=scored)
    for number in range(3):
        sizes, true = np.abs(maps[number][scored]), truth[scored]
        order = np.argsort(-sizes)
        precision = np.cumsum(true[order]) / np.arange(1, len(order) + 1)
        np.testing.assert_allclose(found[number], precision[true[order]].mean())


def test_sign_agreement_and_complexity_by_hand():
    effect = np.array([[1.0, -1.0, 0.0, 2.0]])
    maps = np.array([[[3.0, 1.0, -7.0, 1.0]], [[-1.0, -1.0, 1.0, -1.0]]])
    np.testing.assert_allclose(sign_agreement(maps, effect), [2 / 3, 1 / 3])
    np.testing.assert_allclose(sign_agreement(maps, effect, scored=effect > 1), [1, 0])
    np.testing.assert_allclose(sign_agreement([[2.0, 1.0, 1.0, 0.0]], effect, scored=effect != 2), 0.5)
    np.testing.assert_allclose(complexity(np.ones((3, 2, 4))), np.log(8))
    np.testing.assert_allclose(complexity([[-1.0, 3.0]]), -0.25 * np.log(0.25) - 0.75 * np.log(0.75))
    np.testing.assert_allclose(complexity([[[0.0, -5.0]], [[0.0, 0.0]]]), 0)


@pytest.mark.parametrize("build, message", [
    (lambda: relevance_rank_accuracy(np.zeros((2, 3)), np.zeros((2, 4))), "got"),
    (lambda: average_precision(np.zeros((2, 3)), np.ones((2, 3))), "true and false"),
    (lambda: sign_agreement(np.zeros((2, 3)), np.zeros((2, 3))), "no scored cell"),
])
def test_bad_maps(build, message):
    with pytest.raises(ValueError, match=message):
        build()
