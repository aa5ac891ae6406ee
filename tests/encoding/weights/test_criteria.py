"""Forms of all penalties at once, and warnings of grids that end too early."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eegexplain.encoding.weights._criteria import penalized_forms, warn_of_edges

ALPHAS = np.array([0.1, 3.0, 100.0])


@pytest.mark.parametrize(
    "eigenvalues", [np.geomspace(1e-6, 10, 8), np.r_[1e-9, 1, 1 + 1e-12, 1.0005, 1.5, 7, 7, 9], np.full(8, 3.0)]
)
def test_forms_of_all_penalties_are_those_of_each(eigenvalues):
    """Eigenvalues apart, some close, and all equal (which goes penalty by penalty)."""
    rng = np.random.default_rng(0)
    root, goal, vectors = rng.normal(size=(8, 8)), rng.normal(size=(8, 5)), rng.normal(size=(8, 5))
    for linear in (goal, None):
        found = penalized_forms(eigenvalues, ALPHAS, root @ root.T, linear, vectors)
        for form, alpha in zip(found, ALPHAS, strict=True):
            w = vectors / (eigenvalues + alpha)[:, None]
            expected = ((root.T @ w) ** 2).sum(0) + (0 if linear is None else (linear * w).sum(0))
            assert_allclose(form, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("alphas", "scores", "said"),
    [
        ([1.0, 10.0, 100.0], [[0.1, 0.2, 0.3], [0.1, 0.3, 0.2]], "1 of 2 target.* the largest, 100: add larger"),
        ([100.0, 10.0, 1.0], [[0.1, 0.2, 0.3]], "1 of 1 target.* the smallest, 1: add smaller"),
        ([1.0, 10.0], [[0.1, 0.2], [0.2, 0.1]], "the smallest, 1: add smaller.*the largest, 10: add larger"),
        ([0.0, 10.0, 100.0], [[0.3, 0.2, 0.1]], None),  # there is nothing below zero
        ([1.0, 10.0, 100.0], [[0.1, 0.3, 0.2]], None),
        ([1.0, 10.0, 100.0], [[0.1, 0.3, 0.3005]], None),  # the last step hardly gained
        ([1.0, 10.0, 100.0], [[-0.9, -0.5, -0.1]], None),  # nothing predicts this target
    ],
)
def test_edges_of_the_grid_are_told(alphas, scores, said):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warn_of_edges(np.array(alphas), np.array(scores).T)
    assert len(found) == (said is not None)
    if said is not None:
        with pytest.warns(UserWarning, match=said):
            warn_of_edges(np.array(alphas), np.array(scores).T)
