"""Evidence and its test: contrasts trial by trial, permutations one by one, level and power."""

import numpy as np
import pytest

from eegexplain._bits import make_judge
from eegexplain._exchange import exchangeable, permuted_labels
from eegexplain.information._testing import evidence_test


def judge_of(y, groups=None):
    kind, scores = ("logits", np.zeros((len(y), 2))) if y.dtype.kind in "iu" else ("predictions", np.zeros(len(y)))
    return make_judge(y, scores, groups=groups, kind=kind)[0]


def columns_of(y, rng, gain=0.0, n_cells=3):
    """Noise, and in cell 0 what speaks for the class."""
    single = rng.standard_normal((n_cells, len(y)))
    single[0] += gain * (y - 0.5)
    return np.stack([-single, single], axis=2)


@pytest.mark.parametrize("n_groups", [None, 8])
def test_evidence_and_its_p_values_are_those_of_a_naive_loop(n_groups):
    rng, y = np.random.default_rng(0), np.arange(40) % 2
    groups = None if n_groups is None else np.arange(40) // 2 % n_groups
    columns = columns_of(y, rng, 1.0)
    columns[1, 3] = np.nan  # a trial that was nobody's partner
    found = evidence_test(columns, judge_of(y, groups), groups, 99, np.random.RandomState(1))
    filled = columns - np.nanmean(columns, axis=1, keepdims=True)
    filled[np.isnan(filled)] = 0
    own = np.array([[cell[y == k, k].mean() - cell[y != k, k].mean() for k in (0, 1)] for cell in filled])
    np.testing.assert_allclose(found.evidence, own, atol=1e-12)

    def statistics(labels):
        return [
            sum(cell[labels == k, k].mean() - cell[labels != k, k].mean() for k in (0, 1))
            / np.sqrt(np.square(cell).mean(axis=0).sum())
            for cell in filled
        ]

    design = exchangeable(y, np.zeros(40, int), groups)
    drawn = permuted_labels(y, design, 99, np.random.RandomState(1))
    largest = np.array([max(statistics(labels)) for labels in drawn])
    expected = [(1 + np.sum(largest >= one - 1e-9)) / 100 for one in statistics(y)]
    np.testing.assert_allclose(found.p_values, expected)


def test_numbers_have_slopes():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(60)
    columns = rng.standard_normal((2, 60, 1)) + np.array([2.0, 0.0])[:, None, None] * y[:, None]
    found = evidence_test(columns, judge_of(y), None, 99, np.random.RandomState(0))
    np.testing.assert_allclose(found.evidence[:, 0], [np.polyfit(y, one[:, 0], 1)[0] for one in columns])
    assert found.p_values[0] == 0.01 < found.p_values[1]


def test_cells_that_say_nothing_have_p_1():
    y = np.arange(30) % 2
    columns = columns_of(y, np.random.default_rng(0), 1.0)
    columns[2] = 0
    assert evidence_test(columns, judge_of(y), None, 19, np.random.RandomState(0)).p_values[2] == 1


def test_noise_is_called_at_its_level_and_what_is_planted_is_found():
    noise, planted = 0, 0
    for seed in range(200):
        rng, y = np.random.default_rng(seed), np.arange(40) % 2
        judge = judge_of(y)
        nothing, something = (
            evidence_test(columns_of(y, rng, gain), judge, None, 39, np.random.RandomState(seed)).p_values <= 0.05
            for gain in (0.0, 1.5)
        )
        noise += nothing.any()
        planted += something[0]
    assert 2 <= noise <= 20 and planted > 180


def test_errors_are_those_of_fresh_trials():
    values, errors = [], []
    for seed in range(300):
        rng, y = np.random.default_rng(seed), np.arange(60) % 2
        found = evidence_test(columns_of(y, rng, 1.0), judge_of(y), None, 19, np.random.RandomState(0))
        values.append(found.evidence[0, 1])
        errors.append(found.errors[0, 1])
    assert np.mean(values) == pytest.approx(1.0, abs=0.06)
    assert np.mean(errors) / np.std(values) == pytest.approx(1.0, abs=0.12)
