"""Usable information: known truths, a naive derivation, scores that know nothing, and what cannot be judged."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from sklearn.model_selection import StratifiedKFold

from eegexplain.inspection import usable_information

GRID = np.linspace(-12, 14, 20001)


def two_gaussians(rng, n, distance=1.5, share=0.5):
    """Classes, the ideal observer's logits, and the exact information in bits."""
    y = (rng.random(n) < share).astype(int)
    x = rng.standard_normal(n) + distance * y
    z = distance * x - distance**2 / 2 + np.log(share / (1 - share))
    densities = np.array([(1 - share) * stats.norm.pdf(GRID), share * stats.norm.pdf(GRID, distance)])
    return y, z, exact_bits(densities)


def exact_bits(densities):
    """I(y; x) by quadrature from the joint density of classes and a number."""
    step, classes = GRID[1] - GRID[0], densities.sum(axis=1, keepdims=True) * (GRID[1] - GRID[0])
    ratio = np.maximum(densities, 1e-300) / np.maximum(classes * densities.sum(axis=0), 1e-300)
    return float((densities * np.log2(ratio)).sum() * step)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_information_of_an_ideal_observer_is_recovered_with_its_error(share):
    rng, beyond, errors = np.random.default_rng(1), [], []
    for _ in range(40):
        y, z, exact = two_gaussians(rng, 400, share=share)
        found = usable_information(y, z)
        errors.append(found.value - exact)
        beyond.append(abs(found.value - exact) > 1.96 * found.standard_error)
        assert found.above_zero and found.calibrated_over == "trials"
    assert abs(np.mean(errors)) < 0.015, np.mean(errors)
    assert np.mean(beyond) <= 0.125


def test_three_classes():
    rng, centers = np.random.default_rng(2), np.array([0.0, 1.5, 4.0])
    y = rng.integers(0, 3, 3000)
    x = rng.standard_normal(3000) + centers[y]
    exact = exact_bits(np.array([stats.norm.pdf(GRID, center) / 3 for center in centers]))
    logits = -((x[:, None] - centers) ** 2) / 2
    found = usable_information(np.array(["a", "b", "c"])[y], logits)
    assert abs(found.value - exact) < 2 * found.standard_error < 0.05
    assert abs(found.baseline - np.log2(3)) < 0.001


def test_a_number_and_its_prediction():
    """Of correlated Gaussians: -log(1 - r^2) / 2 nats."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal(4000)
    y = 0.8 * x + 0.6 * rng.standard_normal(4000)
    found = usable_information(y, 0.8 * x, kind="predictions", unit="nat")
    assert abs(found.value + np.log(1 - 0.64) / 2) < 2 * found.standard_error < 0.05
    assert usable_information(y, 8 * x, kind="predictions", unit="nat").value == pytest.approx(found.value, abs=0.005)


def test_against_a_naive_derivation():
    """Two networks of different confidence: every part calibrated on the rest of its own network, by brute force."""
    rng = np.random.default_rng(4)
    y, z, _ = two_gaussians(rng, 120)
    folds = np.arange(120) % 2
    z = z * np.where(folds == 0, 4.0, 0.5)
    values = np.zeros(120)
    for number in (0, 1):
        places = np.flatnonzero(folds == number)
        for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(places, y[places]):
            train, test = places[train], places[test]

            def loss(found, among):
                return np.logaddexp(0, (1 - 2 * y[among]) * (found[0] * z[among] + found[1]))

            best = minimize(lambda v, among: loss(v, among).sum(), [0.5, 0], (train,), bounds=[(0, 1), (None, None)],
                            options={"ftol": 1e-14, "gtol": 1e-9})  # fmt: skip
            share = y[train].mean()
            values[test] = -np.log(np.where(y[test], share, 1 - share)) - loss(best.x, test)
    found = usable_information(y, z, folds=folds, unit="nat")
    np.testing.assert_allclose(found.trial_values, values, atol=1e-4)
    means = [values[folds == number].mean() for number in (0, 1)]
    np.testing.assert_allclose(found.fold_values, means, atol=1e-4)
    np.testing.assert_allclose(found.fold_error, np.std(means, ddof=1) * np.sqrt(1 / 2 + 1), atol=1e-4)
    np.testing.assert_allclose(found.standard_error, values.std(ddof=1) / np.sqrt(120), atol=1e-4)
    np.testing.assert_allclose(usable_information(y, z, folds=folds).value, values.mean() / np.log(2), atol=1e-4)


def test_confidence_is_forgiven_but_not_given():
    y, z, exact = two_gaussians(np.random.default_rng(5), 2000)
    right = usable_information(y, z)
    over, under = usable_information(y, 10 * z), usable_information(y, 0.3 * z)
    assert abs(over.value - right.value) < 0.005 and 0.09 < over.slope < 0.11 and not over.at_limit
    assert under.value < 0.7 * right.value and under.at_limit and under.slope == 1
    assert under.free_value == pytest.approx(over.value, abs=1e-6)


def test_scores_without_knowledge_have_none():
    """At most 0 in the mean, below it where calibration errs; 0 for what does not vary or misleads."""
    rng = np.random.default_rng(6)
    y = np.arange(100) % 2
    for size in (0.01, 1.0, 30.0):
        values = [usable_information(y, size * rng.standard_normal(100)).value for _ in range(40)]
        assert np.mean(values) <= 2 * np.std(values) / np.sqrt(40) * (size < 1), size
        assert np.max(values) < 0.1
    constant = usable_information(y, np.full(100, 3.0))
    assert constant.value == constant.standard_error == constant.slope == 0 and constant.p_value == 1
    backwards = usable_information(y, 4.0 - 8 * y)
    assert backwards.value == 0 and backwards.p_value == 1


@pytest.mark.parametrize("grouped", [False, True])
def test_permuted_labels_pass_in_at_most_5_percent(grouped):
    """Trials, or groups whose label is theirs and whose scores are much alike, held out by several networks."""
    rng, passed = np.random.default_rng(7), {"networks": [], "folds": []}
    for _ in range(120):
        groups = np.arange(96) // 6 if grouped else np.arange(96)
        y = rng.permutation(np.arange(groups.max() + 1) % 2)[groups]
        z = 2 * rng.standard_normal(groups.max() + 1)[groups] + rng.standard_normal(96)
        found = usable_information(y, z, groups=groups if grouped else None)
        passed["networks"].append(found.p_value <= 0.05)
        folds = groups // 4 if grouped else groups % 2
        found = usable_information(y, z, folds=folds, groups=groups if grouped else None)
        passed["folds"].append(found.p_value <= 0.05)
    assert all(np.mean(p) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 120) for p in passed.values()), passed


def test_groups_are_calibrated_on_others():
    """A score that names the group is no information about a label that is the group's."""
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(12), 10)
    y = groups % 2
    z = rng.standard_normal(12)[groups]
    by_trial, by_group = usable_information(y, z), usable_information(y, z, groups=groups)
    assert by_group.calibrated_over == "groups" and by_group.degrees_of_freedom == 11
    assert by_group.standard_error > 2 * by_trial.standard_error


def test_networks_with_one_group_are_calibrated_on_the_others():
    y, z, exact = two_gaussians(np.random.default_rng(9), 600)
    groups = np.repeat(np.arange(10), 60)
    found = usable_information(y, z, folds=groups, groups=groups)
    five = usable_information(y, z, folds=groups // 5, groups=groups)
    assert five.calibrated_over == "groups"
    assert usable_information(y, z, folds=groups // 2, groups=groups).calibrated_over == "folds"
    assert found.calibrated_over == "folds" and abs(found.value - exact) < 3 * found.standard_error
    with pytest.raises(ValueError, match="at least 2 trials of each class, and 2 groups"):
        usable_information(np.arange(10) % 2, np.arange(10.0), groups=np.zeros(10))


def test_certain_probabilities_are_counted():
    y, z, _ = two_gaussians(np.random.default_rng(10), 200)
    p = 1 / (1 + np.exp(-z))
    same = usable_information(y, p, kind="probabilities")
    np.testing.assert_allclose(same.trial_values, usable_information(y, z).trial_values, atol=1e-6)
    both = usable_information(y, np.stack([1 - p, p], axis=1), kind="probabilities")
    np.testing.assert_allclose(both.trial_values, same.trial_values)
    p[:3] = y[:3]
    with pytest.warns(UserWarning, match="3 of 200 trials have a probability below 1e-06"):
        assert np.isfinite(usable_information(y, p, kind="probabilities").value)


def test_what_cannot_be_judged_is_named():
    with pytest.raises(ValueError, match=r"a column for each of at least 2 classes .* scores of shape \(6, 3\)"):
        usable_information(np.arange(6) % 2, np.zeros((6, 3)))
    with pytest.raises(ValueError, match="6 trials of 1 classes"):
        usable_information(np.zeros(6), np.zeros(6))
    with pytest.raises(ValueError, match="decision_function are kind"):
        usable_information(np.arange(6) % 2, np.full(6, 1.5), kind="probabilities")
    with pytest.raises(ValueError, match="one per trial"):
        usable_information(np.arange(6.0), np.zeros(5), kind="predictions")
    with pytest.raises(ValueError, match="Did you mean 'bit'"):
        usable_information(np.arange(6) % 2, np.zeros(6), unit="bits")
