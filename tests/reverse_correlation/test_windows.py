"""Most activating windows and template matches against loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eegexplain.reverse_correlation import cut_windows, template_match
from eegexplain.reverse_correlation._windows import TopUnits


def greedy(activations, n_windows, max_per_trial):
    """Take units from the most active down, skipping trials that have given enough."""
    chosen = []
    for trial, unit in sorted(np.ndindex(activations.shape), key=lambda at: -activations[at]):
        if len(chosen) < n_windows and sum(t == trial for t, _ in chosen) < max_per_trial:
            chosen.append((trial, unit))
    return chosen


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 99))
def test_equals_greedy_choice(n_windows, max_per_trial, seed):
    activations = np.random.default_rng(seed).normal(size=(6, 2, 7))
    top = TopUnits(max_per_trial)
    top.add(activations[:4]), top.add(activations[4:])
    index, values = top.select(n_windows)
    for k in range(2):
        expected = greedy(activations[:, k], n_windows, max_per_trial)
        assert [tuple(pair) for pair in index[k]] == expected
        np.testing.assert_array_equal(values[k], [activations[t, k, u] for t, u in expected])


def test_windows_outside_the_trial_are_zero():
    X = np.arange(1.0, 13.0).reshape(2, 1, 6)
    windows = cut_windows(X, np.array([[[0, -2], [1, 4]], [[1, 0], [0, 9]]]), 4)
    expected = [[[0, 0, 1, 2], [11, 12, 0, 0]], [[7, 8, 9, 10], [0, 0, 0, 0]]]
    np.testing.assert_array_equal(windows[:, :, 0], expected)


def naive_match(x, template):
    x = x - x.mean(-1, keepdims=True)
    width = template.shape[-1]
    if width > x.shape[-1]:
        x = np.pad(x, ((0, 0), (width - 1, width - 1)))
    cosines = []
    for start in range(x.shape[-1] - width + 1):
        window = x[:, start : start + width]
        norm = np.sqrt((window**2).sum() * (template**2).sum())
        cosines.append((window * template).sum() / norm if norm > 1e-9 else -np.inf)
    return max(cosines)


@given(st.integers(1, 20), st.integers(0, 99))
def test_match_equals_a_loop(width, seed):
    rng = np.random.default_rng(seed)
    X, templates = rng.normal(2, 1, (4, 3, 12)), rng.normal(size=(2, 3, width))
    expected = [[naive_match(x, template) for template in templates] for x in X]
    np.testing.assert_allclose(template_match(X, templates), expected, atol=1e-9)


def test_a_trial_that_holds_the_template_matches_fully():
    rng = np.random.default_rng(0)
    X, template = rng.normal(size=(2, 3, 40)), rng.normal(size=(1, 3, 8))
    template -= template.mean(-1, keepdims=True)
    X[0] = 1e-3 * X[0] - 1e-3 * X[0].mean(-1, keepdims=True)
    X[0, :, 20:28] += 7e3 * template[0]
    match = template_match(X + 100, template)
    assert match[0, 0] > 0.999 and match[1, 0] < 0.9
    assert not template_match(np.ones((2, 3, 40)), template).any()
    assert not template_match(X, 0 * template).any()
