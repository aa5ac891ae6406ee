"""Rotated phases and their coordinates: naive re-derivations trial by trial, closed forms, and what must stay."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from eegexplain.information._asked import Asked
from eegexplain.information._coordinates import covariances, filter_coordinates, principal_coordinates, same_units
from eegexplain.information._question import Question
from eegexplain.information._rotations import (
    Turned,
    draw_rotations,
    in_quadrature,
    mixed,
    mixtures,
    n_rotations_for,
    relation_terms,
    relations,
    unit_parts,
)

N_TRIALS, N_CHANNELS, N_TIMES = 6, 4, 32
BINS = np.isin(np.arange(17), [4, 5, 6])


def related(asked, bins, own, turns):
    return relations([Turned(asked, bins, own)], turns)[0]


@pytest.fixture
def X():
    return np.random.default_rng(0).standard_normal((N_TRIALS, N_CHANNELS, N_TIMES))


def covariance(X, bins=BINS):
    return covariances(X, np.arange(len(X)), bins, np.full((1, len(X)), 1 / len(X)))[0]


def curved(X):
    """Outputs that are no quadratic form."""
    spectra = np.fft.rfft(X)[..., 4:7]
    one = np.log1p(np.abs(spectra.sum(axis=(1, 2))))
    return np.stack([one, np.tanh((spectra[:, 0] * spectra[:, 2].conj()).real.sum(axis=1) / 9)], axis=1)


def question(X, ask, batch_size=7):
    return Question(Asked(np.asarray, ask), X, np.arange(len(X)), batch_size)


def rotated(X, bins, coordinates, angles):
    return mixed(mixtures(angles), unit_parts(X, bins, coordinates))


def naively_rotated(trial, filters, patterns, angles):
    """Bin by bin: the spectrum of what each filter sees times a phase factor."""
    out = trial.copy()
    for w, a, angle in zip(filters.T, patterns.T, angles, strict=True):
        spectrum = np.fft.rfft(w @ trial)
        turned = np.where(BINS, spectrum * np.exp(1j * angle), spectrum)
        out += np.outer(a, np.fft.irfft(turned, N_TIMES) - w @ trial)
    return out


def oblique(X):
    """Coordinates from filters that are not orthogonal; the last turns what is left."""
    blocks = np.split(np.random.default_rng(1).standard_normal((N_CHANNELS, 2)), 2, axis=1)
    return filter_coordinates(["one", "other"], blocks, covariance(X))


def channel_coordinates(X):
    """Each channel by itself."""
    return filter_coordinates(list("abcd"), list(np.eye(4)[:, :, None]), covariance(X))


def groups(X):
    """Two channels together, and one; the last turns what is left."""
    return filter_coordinates(["two", "one"], [np.eye(4)[:, :2], np.eye(4)[:, [3]]], covariance(X))


@pytest.mark.parametrize("make", [oblique, channel_coordinates, groups])
def test_a_rotation_multiplies_the_spectrum_of_each_unit(X, make):
    own = make(X)
    angles = np.random.default_rng(2).uniform(0, 6, (5, len(own.names)))
    found = rotated(X, BINS, own, angles)
    for trial, of_trial in zip(X, found, strict=True):
        for angle, one in zip(angles, of_trial, strict=True):
            expected = naively_rotated(trial, own.filters, own.patterns, angle[own.unit])
            np.testing.assert_allclose(one, expected, atol=1e-12)


def test_least_squares_of_each_trial_by_itself(X):
    own = oblique(X)
    turns = draw_rotations(len(own.names), 40, np.random.RandomState(0))
    found = related(question(X, curved), BINS, own, turns)
    for n, trial in enumerate(X):
        hybrids = np.stack([naively_rotated(trial, own.filters, own.patterns, a[own.unit]) for a in turns.angles])
        design = np.array([
            [1, *(np.cos(a[i] - a[j]) for i, j in turns.pairs), *(np.sin(a[i] - a[j]) for i, j in turns.pairs)]
            for a in turns.angles
        ])  # fmt: skip
        fitted = np.linalg.lstsq(design, curved(hybrids), rcond=None)[0]
        np.testing.assert_allclose(found.constant[n], fitted[0], atol=1e-10)
        np.testing.assert_allclose(found.values[n], fitted[1 : 1 + len(turns.pairs)], atol=1e-10)


def test_interaction_is_the_share_that_pairs_leave_over(X):
    def of_three(X):
        """The bispectrum-like product of three channels' phases, and nothing of two."""
        c = np.fft.rfft(X)[..., 5]
        return (c[:, 0] * c[:, 1] * c[:, 2].conj() ** 2).real[:, None]

    own = channel_coordinates(X)
    turns = draw_rotations(4, 400, np.random.RandomState(0))
    assert related(question(X, of_three), BINS, own, turns).interaction == pytest.approx(1.0, abs=0.05)
    assert related(question(X, quadratic), BINS, own, turns).interaction < 1e-20


def quadratic(X):
    """A weighted sum of cross-spectra of channels, whose relations are known."""
    spectra = np.fft.rfft(X)[..., BINS]
    cross = np.einsum("ncf,ndf->ncd", spectra, spectra.conj())
    return (cross * WEIGHTS).real.sum(axis=(1, 2))[:, None]


WEIGHTS = np.array([[2, 1j, 0, 0], [-1j, 1, 0.5, 0], [0, 0.5, 0, 0], [0, 0, 0, -1]])


def test_relations_of_a_quadratic_form_are_its_terms(X):
    own = channel_coordinates(X)
    turns = draw_rotations(4, n_rotations_for(4), np.random.RandomState(0))
    found = related(question(X, quadratic), BINS, own, turns)
    spectra = np.fft.rfft(X)[..., BINS]
    for pair, (i, j) in enumerate(turns.pairs):
        own_terms = 2 * (WEIGHTS[i, j] * (spectra[:, i] * spectra[:, j].conj()).sum(axis=1)).real
        np.testing.assert_allclose(found.values[:, pair, 0], own_terms, atol=1e-9)
    powers = (np.abs(spectra) ** 2).sum(axis=2) @ np.diag(WEIGHTS).real
    np.testing.assert_allclose(found.constant[:, 0], powers, atol=1e-9)


def test_batches_and_order_do_not_matter(X):
    own, turns = oblique(X), draw_rotations(3, 30, np.random.RandomState(0))
    whole = related(question(X, curved, 1000), BINS, own, turns)
    for batch_size in (1, 7, 30, 64):
        np.testing.assert_allclose(related(question(X, curved, batch_size), BINS, own, turns).values, whole.values)
    alone = related(Question(Asked(np.asarray, curved), X, np.array([4, 1]), 64), BINS, own, turns)
    np.testing.assert_allclose(alone.values, whole.values[[4, 1]], atol=1e-12)


def test_blocks_of_trials_are_joined(monkeypatch):
    X = np.random.default_rng(0).standard_normal((150, N_CHANNELS, N_TIMES))
    own, turns = channel_coordinates(X), draw_rotations(N_CHANNELS, 60, np.random.RandomState(0))
    one, other = question(X, curved), question(2 * X[:100], curved)
    found = relations([Turned(one, BINS, own), Turned(other, BINS, own)], turns)
    monkeypatch.setattr("eegexplain.information._rotations.BLOCK_SIZE", 1000)
    for blocks, whole in zip(found, (related(one, BINS, own, turns), related(other, BINS, own, turns)), strict=True):
        np.testing.assert_array_equal(blocks.constant, whole.constant)
        np.testing.assert_array_equal(blocks.values, whole.values)
        assert blocks.interaction == pytest.approx(whole.interaction, rel=1e-12) and 0.01 < whole.interaction < 0.99


def test_no_more_rotated_trials_in_memory_than_a_batch(X):
    sizes = []

    def ask(X):
        sizes.append(len(X))
        return curved(X)

    related(question(X, ask, 50), BINS, oblique(X), draw_rotations(3, 30, np.random.RandomState(0)))
    related(question(X, ask, 20), BINS, oblique(X), draw_rotations(3, 30, np.random.RandomState(0)))
    assert max(sizes) == 30 and max(sizes[N_TRIALS:]) == 20


def test_fewer_rotations_are_a_ridge_regression():
    turns = draw_rotations(4, 10, np.random.RandomState(0))
    outputs = np.random.default_rng(0).standard_normal(10)
    assert turns.ridge == 6.5  # half of 13 terms
    oracle = Ridge(alpha=turns.ridge).fit(turns.terms[:, 1:], outputs)
    np.testing.assert_allclose(turns.operator @ outputs, [oracle.intercept_, *oracle.coef_], atol=1e-10)
    assert draw_rotations(4, n_rotations_for(4), np.random.RandomState(0)).ridge == 0.0


def test_number_of_rotations():
    assert n_rotations_for(8) == 3 * (1 + 2 * 28)
    assert relation_terms(np.zeros((2, 3)), np.array([[0, 1], [0, 2], [1, 2]])).tolist() == [[1, 1, 1, 1, 0, 0, 0]] * 2


def test_a_quarter_of_a_cycle(X):
    own, later = in_quadrature(X, BINS)
    frequency = np.arange(17)
    expected = np.fft.irfft(np.where(BINS, np.fft.rfft(X) * np.exp(-0.5j * np.pi * (frequency > 0)), 0), N_TIMES)
    np.testing.assert_allclose(later, expected, atol=1e-12)
    np.testing.assert_allclose((own**2).sum(-1), (later**2).sum(-1))


def test_rotations_keep_the_power_of_each_channel_and_all_other_frequencies(X):
    own = channel_coordinates(X)
    found = rotated(X, BINS, own, np.random.default_rng(0).uniform(0, 6, (3, 4)))
    before, after = np.fft.rfft(X)[:, None], np.fft.rfft(found)
    np.testing.assert_allclose(np.abs(after), np.broadcast_to(np.abs(before), after.shape), atol=1e-10)
    np.testing.assert_allclose(after[..., ~BINS] - before[..., ~BINS], 0, atol=1e-10)


@pytest.mark.parametrize("space", ["channels", "principal", "filters", "groups"])
def test_average_referenced_trials_stay_so(X, space):
    X = X - X.mean(axis=1, keepdims=True)
    C = covariance(X)
    make = {"channels": channel_coordinates, "filters": oblique, "groups": groups}
    own = make[space](X) if space in make else principal_coordinates(2, C)
    found = rotated(X, BINS, own, np.random.default_rng(0).uniform(0, 6, (5, len(own.names))))
    np.testing.assert_allclose(found.mean(axis=2), 0, atol=1e-12)
    assert np.abs(found - X[:, None]).max() > 0.1


def test_missing_units_have_no_relations(X):
    alike = same_units([principal_coordinates(3, np.eye(4)), principal_coordinates(3, np.diag([2.0, 1, 0, 0]))])
    turns = draw_rotations(4, 60, np.random.RandomState(0))
    values = related(question(X, curved), BINS, alike[1], turns).values
    missing = ~np.isin(turns.pairs, [0, 1]).all(axis=1)
    assert missing.sum() == 5 and (values[:, missing] == 0).all() and (values[:, ~missing] != 0).any()


def test_what_sees_nothing_is_not_turned(X):
    X[:, 2] = 0
    own = channel_coordinates(X)
    np.testing.assert_array_equal(own.patterns[:, 2], 0)
    turned = rotated(X, BINS, own, np.random.default_rng(0).uniform(0, 6, (2, 4)))
    np.testing.assert_array_equal(turned[:, :, 2], 0)


def test_half_a_turn_of_all_units_turns_the_band(X):
    X = X - X.mean(axis=1, keepdims=True)
    C = covariance(X)
    for own in (principal_coordinates(2, C), principal_coordinates(8, C), groups(X), channel_coordinates(X)):
        whole = rotated(X, BINS, own, np.full((1, len(own.names)), np.pi))[:, 0]
        np.testing.assert_allclose(whole, X - 2 * in_quadrature(X, BINS)[0], atol=1e-10)
