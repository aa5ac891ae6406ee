"""Shared results belong to trials, settings and functions."""

import numpy as np

from eegexplain.models._shared import Shared


def test_results_are_shared_by_the_same_trials_and_settings_only():
    calls = []

    def total(trials, factor, offset=0.0):
        calls.append(factor)
        return factor * trials.sum() + offset

    shared, X = Shared(), np.arange(6.0).reshape(3, 2)
    assert shared(total, X, 2.0) == shared(total, X[:], 2.0) == 30 and len(calls) == 1
    assert shared(total, X, 3.0) == 45 and shared(total, X, 2.0) == 30 and len(calls) == 2
    for other in (X.copy() + 1, X[:2], X[::2], X.T):
        assert shared(total, other, 2.0) == 2 * other.sum()
    assert len(calls) == 6 and shared(np.sum, X) == 15
