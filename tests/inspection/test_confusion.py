"""Confusion: counts and recalls by hand, chance of each class, designs with groups, cross-validated predictions."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from eegexplain.inspection import assess_decoding, confusion_table, cross_validate_explanations
from eegexplain.perturbation import PerturbationCorrelator
from tests.estimators import closed_classifier, closed_regressor, trials


def guesses(n_trials=90, seed=0):
    """Three classes, of which the first is mostly right and the last never."""
    rng = np.random.default_rng(seed)
    y = np.array(["left", "right", "tongue"])[np.arange(n_trials) % 3]
    predicted = rng.choice(["left", "right"], size=n_trials)
    known = (y == "left") & (rng.random(n_trials) < 0.8)
    predicted[known] = "left"
    return y, predicted


def test_counts_recalls_and_precisions():
    y, predicted = guesses()
    found = confusion_table(y, predicted, random_state=0)
    assert found.classes == ["left", "right", "tongue"] and found.exchanged == "trials"
    np.testing.assert_array_equal(found.counts, confusion_matrix(y, predicted))
    np.testing.assert_allclose(found.recall, recall_score(y, predicted, average=None), atol=1e-12)
    np.testing.assert_allclose(found.precision[:2], precision_score(y, predicted, average=None, zero_division=0)[:2])
    assert np.isnan(found.precision[2])
    for k in range(3):
        hits, n = found.counts[k, k], found.counts[k].sum()
        z = stats.norm.ppf(0.975)
        middle, half = hits + z**2 / 2, z * np.sqrt(hits * (n - hits) / n + z**2 / 4)
        expected = [(middle - half) / (n + z**2), (middle + half) / (n + z**2)]
        np.testing.assert_allclose([found.low[k], found.high[k]], expected, atol=1e-12)
    assert found.table().loc["left", "n_trials"] == 30


def test_chance_is_how_often_a_class_is_said():
    """Permuted labels: the mean recall of each class is its share of the predictions; only what beats it counts."""
    y, predicted = guesses()
    found = confusion_table(y, predicted, n_permutations=1999, random_state=0)
    shares = [np.mean(predicted == name) for name in found.classes]
    np.testing.assert_allclose(found.chance, shares, atol=0.01)
    assert found.p_values[0] < 0.01 and found.recall[0] > found.chance_upper[0]
    assert found.p_values[2] == 1 and found.chance_upper[2] == 0
    said = confusion_table(y, np.full(len(y), "left"), n_permutations=99, random_state=0)
    assert said.recall.tolist() == said.chance.tolist() == [1, 0, 0] and said.p_values.min() == 1
    reached = stats.hypergeom(90, np.sum(predicted == "left"), 30)  # of 30 trials drawn, those that are said to be left
    limit = round(30 * found.chance_upper[0])
    assert reached.sf(limit) <= 0.05 <= reached.sf(limit - 2)


def test_one_in_twenty_tables_of_guesses_exceeds_its_limit():
    rng = np.random.default_rng(0)
    above = [confusion_table(rng.permutation(60) % 2, rng.integers(0, 2, 60), n_permutations=99, random_state=k)
             for k in range(100)]  # fmt: skip
    rate = np.mean([one.recall[0] > one.chance_upper[0] for one in above])
    assert rate < 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 100)
    assert all((one.recall[0] > one.chance_upper[0]) == (one.p_values[0] <= 0.05) for one in above)


def test_two_classes_mean_what_the_verdict_is_about():
    y, predicted = guesses()
    verdict = assess_decoding(y, predicted, n_permutations=99, random_state=0)
    found = confusion_table(y, predicted, n_permutations=99, random_state=0)
    assert found.recall.mean() == pytest.approx(verdict.balanced_accuracy)
    assert found.chance.mean() == pytest.approx(1 / 3, abs=0.02)


def test_groups_widen_intervals_and_keep_labels_together():
    """Each subject has one label and one prediction: 8 subjects, not 80 trials."""
    subject = np.repeat(np.arange(8), 10)
    y, predicted = subject % 2, np.isin(subject, [1, 3, 5, 2]).astype(int)
    alone = confusion_table(y, predicted, n_permutations=99, random_state=0)
    found = confusion_table(y, predicted, groups=subject, n_permutations=199, random_state=0)
    assert found.exchanged == "groups" and found.n_groups == 8
    assert np.all(found.high - found.low > 1.5 * (alone.high - alone.low))
    assert alone.p_values.max() < 0.05 < found.p_values.min()
    subject = np.repeat(np.arange(16), 10)
    predicted = np.isin(subject, [2, *range(1, 14, 2)]).astype(int)
    found = confusion_table(subject % 2, predicted, groups=subject, n_permutations=19)
    t = stats.t.ppf(0.975, 7) * np.std([0] + 7 * [1]) / np.sqrt(7)
    np.testing.assert_allclose(found.low, 7 / 8 - t, atol=1e-12)


def test_of_cross_validated_predictions(tmp_path):
    X, y = trials(n_trials=24)
    explainer = PerturbationCorrelator(closed_classifier())
    found = cross_validate_explanations(explainer, X, y, cv=2, random_state=0)
    table = found.confusion(n_permutations=19)
    np.testing.assert_array_equal(table.counts, confusion_matrix(y, found.dataset["prediction"].values))
    assert table.recall.mean() == pytest.approx(found.decoding_.balanced_accuracy)
    found.save(tmp_path / "map.nc")
    again = type(found).load(tmp_path / "map.nc").confusion(n_permutations=19)
    np.testing.assert_array_equal(again.chance_upper, table.chance_upper)
    numbers = cross_validate_explanations(PerturbationCorrelator(closed_regressor()), *trials(True, n_trials=24), cv=2)
    with pytest.raises(ValueError, match="Numbers are not confused"):
        numbers.confusion()


def test_picture():
    y, predicted = guesses()
    found = confusion_table(y, predicted, n_permutations=99, random_state=0)
    display = found.plot()
    np.testing.assert_allclose(display.image_.get_array().sum(1), 1)
    assert display.texts_[0].get_text().startswith(f"{found.counts[0, 0]}\n")
    np.testing.assert_allclose([bar.get_width() for bar in display.chance_], found.chance_upper)
    np.testing.assert_allclose(display.points_[0].get_xdata(), found.recall)
    assert [text.get_text() for text in display.axes_[0].get_yticklabels()] == found.classes
    with pytest.raises(ValueError, match="two panels"):
        found.plot(axes=plt.gca())
    plt.close("all")


@pytest.mark.parametrize(("y", "predicted"), [([0, 0], [0, 1]), ([0, 1, 0], [0, 1]), ([[0, 1]], [[0, 1]])])
def test_bad_input(y, predicted):
    with pytest.raises(ValueError, match="class"):
        confusion_table(y, predicted)
