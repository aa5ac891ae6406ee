"""Scores of maps against a reference: braindecode's numbers, each window by hand, what scores must say."""

import pathlib

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from eegexplain.inspection import map_scores, structural_similarity

ORACLE = pathlib.Path(__file__).resolve().parents[1] / "oracles" / "braindecode_1_8_1_metrics.npz"


@pytest.mark.parametrize(("name", "settings"), [
    ("default", {}), ("signed", {"absolute_reference": False}), ("absolute", {"absolute_maps": True, "top": 0.1}),
])  # fmt: skip
def test_braindecode_has_the_same_numbers(name, settings):
    """Its columns, in its order."""
    with np.load(ORACLE) as oracle:
        found = map_scores(oracle["maps"], oracle["reference"], **settings)
        assert found.shape == (5, 17)
        np.testing.assert_allclose(found.iloc[:, :16], oracle[name], atol=1e-12)


def naive_similarity(first, second, window, span):
    """Wang et al. (2004), equation 13, as scikit-image has it: unbiased moments of each window."""
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    found = []
    for row in range(first.shape[0] - window + 1):
        for cell in range(first.shape[1] - window + 1):
            one, other = (map_[row : row + window, cell : cell + window].ravel() for map_ in (first, second))
            cov = np.cov(one, other)
            m, n = one.mean(), other.mean()
            alike = (2 * m * n + c1) * (2 * cov[0, 1] + c2)
            found.append(alike / ((m**2 + n**2 + c1) * (cov[0, 0] + cov[1, 1] + c2)))
    return np.mean(found)


@pytest.mark.parametrize("window", [3, 7])
def test_structural_similarity_window_by_window(window):
    rng = np.random.default_rng(0)
    first = rng.standard_normal((2, 8, 11))
    second = 0.5 * first + rng.standard_normal(first.shape)
    spans = [np.ptp(np.stack(pair)) for pair in zip(first, second, strict=True)]
    expected = [naive_similarity(*pair, window, span) for *pair, span in zip(first, second, spans, strict=True)]
    np.testing.assert_allclose(structural_similarity(first, second, window=window), expected, atol=1e-12)
    fixed = structural_similarity(first[0], second[0], window=window, data_range=3.0)
    assert fixed == pytest.approx(naive_similarity(first[0], second[0], window, 3.0))
    np.testing.assert_allclose(structural_similarity(second, first, window=window), expected, atol=1e-12)


def test_scores_of_plain_maps_are_what_they_are_called():
    rng = np.random.default_rng(1)
    truth = np.zeros((6, 20))
    truth[2, 3:7] = [1, 2, 3, 4]
    map_ = truth + rng.uniform(0, 0.5, truth.shape)
    found = map_scores(map_, truth).loc[0]
    assert found["pearson"] == pytest.approx(pearsonr(map_.ravel(), truth.ravel())[0])
    assert found["spearman"] == pytest.approx(spearmanr(map_.ravel(), truth.ravel())[0])
    unit = truth / 4
    assert found["cosine"] == pytest.approx(np.sum(map_ * unit) / np.linalg.norm(map_) / np.linalg.norm(unit))
    assert found["rank"] == 1 and found["mass_top"] < 1
    np.testing.assert_allclose(map_scores(unit, unit).loc[0], 1)


def test_what_says_nothing_is_nan():
    """A constant map, one without positive values, a reference of zeros: braindecode's 0 would be a score."""
    rng = np.random.default_rng(2)
    maps, truth = rng.random((4, 5, 9)), np.ones((4, 5, 9)) * np.eye(5, 9)
    maps[1], maps[2], truth[3] = 1.0, -maps[2], 0.0
    told = map_scores(maps, truth).notna()
    assert told.all(axis=1).tolist() == [True, False, False, False]
    assert not told.iloc[1:].any(axis=None)
    flat = map_scores(maps[0, :2], truth[0, :2]).loc[0]  # two rows hold no window
    assert flat.isna().to_numpy().nonzero()[0].tolist() == [12, 13, 14, 15]
    assert np.isnan(structural_similarity(np.ones((5, 5)), np.ones((5, 5)), window=3))


@pytest.mark.parametrize(("call", "words"), [
    (lambda: map_scores(np.ones((3, 4)), np.ones((4, 3))), "one shape"),
    (lambda: map_scores(np.eye(4), np.eye(4), top=0), "top"),
    (lambda: map_scores(np.eye(4), np.eye(4), window=4), "odd"),
    (lambda: structural_similarity(np.eye(9), np.eye(9), window=1), "odd"),
    (lambda: structural_similarity(np.eye(4), np.eye(4)), "4 rows"),
    (lambda: structural_similarity(np.arange(9.0), np.arange(9.0)), "maps of one shape"),
    (lambda: structural_similarity(np.eye(9), np.eye(9), data_range=-1), "data_range"),
])  # fmt: skip
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
