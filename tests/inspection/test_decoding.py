"""Balanced accuracy, what permuted labels reach, what is exchanged, and what may be recognition."""

import itertools

import numpy as np
import pytest

from eegexplain._levels import is_shared, is_trait
from eegexplain.inspection import assess_decoding, balanced_accuracy


def test_unequal_classes_are_judged_by_balanced_accuracy():
    """320 trials against 80: always naming the larger class would be more accurate."""
    y = np.repeat([0, 1], [320, 80])
    predicted = y.copy()
    predicted[:93], predicted[320:342] = 1, 0
    found = assess_decoding(y, predicted, folds=np.arange(400) % 5, random_state=0)
    assert found.accuracy == 0.7125 < 0.8 and abs(found.balanced_accuracy - 0.717) < 5e-4
    assert found.p_value == 0.001 and found.verdict == "decodes"
    assert found.low < found.balanced_accuracy < found.high
    constant = assess_decoding(y, np.zeros(400), random_state=0)
    assert (constant.accuracy, constant.balanced_accuracy, constant.p_value) == (0.8, 0.5, 1.0)
    assert constant.verdict == "not shown to decode"


def test_p_value_is_that_of_all_permutations():
    """Six trials have 20 arrangements of their labels: the drawn share of those that do as well comes near it."""
    y, predicted = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1, 1])
    every = [np.isin(np.arange(6), chosen).astype(int) for chosen in itertools.combinations(range(6), 3)]
    exact = np.mean([balanced_accuracy(labels, predicted) >= balanced_accuracy(y, predicted) for labels in every])
    found = assess_decoding(y, predicted, n_permutations=4000, random_state=0)
    assert abs(found.p_value - exact) < 0.02


@pytest.mark.parametrize("n_permutations", [19, 99, 999])
def test_one_rule_for_the_limit_and_the_verdict(n_permutations):
    rng = np.random.default_rng(0)
    y, seen = np.arange(30) % 2, set()
    for seed in range(60):
        predicted = np.where(rng.random(30) < 0.65, y, 1 - y)
        found = assess_decoding(y, predicted, n_permutations=n_permutations, random_state=seed)
        assert found.above_chance == (found.balanced_accuracy > found.chance_upper) == (found.p_value <= 0.05)
        seen.add(found.above_chance)
    assert seen == {True, False}


def biased_groups(rng, n_groups, labels):
    """Predictions that know nothing of the labels but differ much between groups of 10 trials."""
    groups = np.repeat(np.arange(n_groups), 10)
    tendency = np.clip(rng.normal(0.5, 0.3, n_groups), 0, 1)
    return groups, labels(groups), (rng.random(len(groups)) < tendency[groups]).astype(int)


@pytest.mark.parametrize("kind", ["trait", "one group per fold", "within"])
def test_predictions_without_knowledge_pass_in_at_most_5_percent(kind):
    rng = np.random.default_rng(0)
    alarms = []
    for seed in range(150):
        order = rng.permutation(12)
        labels = (lambda g, order=order: order[g] % 2) if kind != "within" else lambda g: rng.integers(0, 2, len(g))
        groups, y, predicted = biased_groups(rng, 12, labels)
        folds = groups if kind == "one group per fold" else order[groups] // 4
        found = assess_decoding(y, predicted, folds=folds, groups=groups, n_permutations=199, random_state=seed)
        assert found.exchanged == ("trials" if kind == "within" else "groups")
        alarms.append(found.above_chance)
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_twenty_subjects_with_a_trait_are_twenty_answers():
    """13 of 20 subjects right with all their trials: over 600 trials that would be certain, over subjects it is not."""
    groups = np.repeat(np.arange(20), 30)
    y = groups % 2
    predicted = np.where(groups < 13, y, 1 - y)
    folds = groups // 4
    assert assess_decoding(y, predicted, folds=folds, random_state=0).verdict == "decodes"
    clustered = assess_decoding(y, predicted, folds=folds, groups=groups, random_state=0)
    assert clustered.verdict == "not shown to decode" and clustered.n_groups == 20
    assert clustered.high - clustered.low > 0.3


def test_labels_that_subjects_carry_into_both_parts_may_be_recognition():
    subjects = np.repeat(np.arange(20), 30)
    y, folds = subjects % 2, np.arange(600) % 5
    identities = {"subject": subjects, "trial": np.arange(600), "session": np.arange(600) % 3}
    found = assess_decoding(y, y, folds=folds, identities=identities, random_state=0)
    assert found.recognizable == ("subject",) and found.verdict == "may recognize subjects"
    apart = assess_decoding(y, y, folds=subjects // 4, groups=subjects, identities=identities, random_state=0)
    assert apart.recognizable == () and apart.verdict == "decodes"
    both = np.arange(600) % 2
    assert assess_decoding(both, both, folds=folds, identities=identities, random_state=0).verdict == "decodes"
    at_chance = np.random.default_rng(0).integers(0, 2, 600)
    found = assess_decoding(y, at_chance, folds=folds, identities=identities, random_state=0)
    assert found.verdict == "not shown to decode"


def test_what_only_tells_subjects_apart_is_no_decoding():
    """A subject has nine trials of ten of one class; predictions that only know the subject are right in .9."""
    subjects, y = np.repeat(np.arange(10), 20), np.repeat(np.arange(10) % 2, 20)
    predicted = y.copy()
    y[::10] = 1 - y[::10]
    folds = np.arange(200) % 5
    assert assess_decoding(y, predicted, folds=folds, random_state=0).p_value == 0.001
    assert assess_decoding(y, predicted, folds=folds, identities={"subject": subjects}, random_state=0).p_value == 1.0


def test_traits_and_what_folds_share():
    assert is_trait([0, 0, 1, 1], ["a", "a", "b", "b"]) and not is_trait([0, 1, 1, 1], ["a", "a", "b", "b"])
    assert not is_trait([0, 1, 0, 1], [1, 2, 3, 4]), "one trial each tells nothing"
    assert is_shared([0, 1, 0, 1], ["a", "a", "b", "b"]) and not is_shared([0, 0, 1, 1], ["a", "a", "b", "b"])


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(1)
    inside = {"trials": [], "groups": []}
    for _ in range(300):
        groups, y = np.repeat(np.arange(16), 10), np.arange(160) % 2
        chance_of_right = rng.beta(6, 4, 16)[groups]
        for kind, right in {"trials": np.full(160, 0.6), "groups": chance_of_right}.items():
            predicted = np.where(rng.random(160) < right, y, 1 - y)
            known = {"groups": groups} if kind == "groups" else {}
            found = assess_decoding(y, predicted, **known, n_permutations=1, random_state=0)
            inside[kind].append(found.low <= 0.6 <= found.high)
    assert all(0.9 <= np.mean(values) <= 0.985 for values in inside.values()), {
        k: np.mean(v) for k, v in inside.items()
    }


def test_what_cannot_be_judged_is_named():
    with pytest.raises(ValueError, match="at least 2 classes"):
        assess_decoding(np.zeros(5), np.zeros(5))
    with pytest.raises(ValueError, match=r"predictions of shape \(4,\)"):
        assess_decoding([0, 1, 0, 1, 1], [0, 1, 0, 1])
    with pytest.raises(ValueError, match="groups has length 3"):
        assess_decoding([0, 1], [0, 1], groups=[0, 1, 2])
    with pytest.raises(ValueError, match="n_permutations"):
        assess_decoding([0, 1], [0, 1], n_permutations=0)


def test_references_are_paired_trial_by_trial():
    """Unequal classes: difference and error by hand, over trials, groups and folds."""
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], [140, 60])
    groups, folds = np.arange(200) % 20, np.arange(200) % 20 // 4
    scores, other = (2 * y - 1 + 1.5 * rng.standard_normal(200) for _ in range(2))
    found = assess_decoding(y, (scores > 0).astype(int), folds=folds, groups=groups, scores=scores,
                            references={"other": other}, n_permutations=19, random_state=0)  # fmt: skip
    (pair,) = found.references
    hits, reference = (scores > 0) == y, (other > 0) == y
    assert pair.name == "other" and pair.balanced_accuracy == balanced_accuracy(y, other > 0)
    np.testing.assert_allclose(pair.difference, found.balanced_accuracy - pair.balanced_accuracy)
    gain = hits.astype(float) - reference
    weight = np.where(y == 0, 200 / (2 * 140), 200 / (2 * 60))
    centered = (gain - np.where(y == 0, gain[:140].mean(), gain[140:].mean())) * weight
    sums = [centered[groups == group].sum() for group in range(20)]
    over_groups = np.sqrt(20 / 19 * np.sum(np.square(sums))) / 200
    means = [(gain * weight)[folds == fold].mean() for fold in range(5)]
    over_folds = np.std(means, ddof=1) * np.sqrt(1 / 5 + 40 / 160)
    np.testing.assert_allclose(pair.standard_error, max(over_groups, over_folds))
    assert (pair.error_over, pair.degrees_of_freedom) == (("folds", 4) if over_folds > over_groups else ("groups", 19))
    assert found.information.value > 0 < pair.information.value and found.information.fold_values.shape == (5,)
    low, high = pair.interval
    assert low < pair.difference < high and assess_decoding(y, y, random_state=0).references == ()
    single = assess_decoding(y, (scores > 0).astype(int), references={"other": other}, random_state=0).references[0]
    np.testing.assert_allclose(single.standard_error, np.sqrt(200 / 199 * np.sum(centered**2)) / 200)
    assert (single.error_over, single.degrees_of_freedom) == ("trials", 199)


def test_equal_decoders_differ_by_nothing_in_at_most_5_percent():
    rng, beyond = np.random.default_rng(4), []
    y, folds = np.arange(200) % 2, np.arange(200) // 2 % 5
    for _ in range(150):
        scores, other = (2 * y - 1 + 2 * rng.standard_normal(200) for _ in range(2))
        found = assess_decoding(y, (scores > 0).astype(int), folds=folds, references={"a": other}, n_permutations=1)
        low, high = found.references[0].interval
        beyond.append(not low <= 0 <= high)
    assert np.mean(beyond) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_a_reference_of_another_shape_is_named():
    with pytest.raises(ValueError, match=r"reference 'other' must have one score per trial and class, 4 x 2"):
        assess_decoding([0, 1, 0, 1], [0, 1, 0, 1], references={"other": np.zeros((4, 3))})
