"""Disjoint halves: what they may share, how agreement is measured, planted maps and noise."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import spearmanr

from eegexplain.inspection import CrossValidatedExplanation, cross_validate_explanations, stability
from eegexplain.inspection.halves import MEASURES
from tests.inspection.differences import Difference, Weights

EXPLAINER = Weights(Difference())
LOG = []


class Logged(Difference):
    """Writes down which trials it was trained on, and its seed."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        LOG.append((self.random_state, set(X[:, 0, 0])))
        return super().fit(X, y)


class LoggedWeights(Weights):
    """Writes down which trials it explains."""

    def fit(self, X, y, groups=None):
        LOG.append(("explained", set(X[:, 0, 0])))
        return super().fit(X, y, groups)


def trials(seed, shift=0.0, n_trials=48, n_channels=30):
    """Classes differ in every third channel."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n_trials, n_channels, 2)), np.arange(n_trials) % 2
    X[y == 1, ::3] += shift
    return X, y


@pytest.mark.parametrize("groups", [None, np.arange(48) // 4, np.arange(48) // 6 * 2 + np.arange(48) % 2])
def test_halves_share_no_trial_no_group_and_no_seed(groups):
    X, y = trials(0)
    X[:, 0, 0] = np.arange(48)
    found = cross_validate_explanations(LoggedWeights(Logged()), X, y, groups=groups, cv=2, n_seeds=2, random_state=0)
    LOG.clear()
    found.stability(n_folds=3, n_repeats=1, n_permutations=0, random_state=0)
    trained, explained = ([one for one in LOG if (one[0] == "explained") == which] for which in (False, True))
    assert len(trained) == len(explained) == 2 * 3 * 2
    for (seed, seen), (_, told) in zip(trained, explained, strict=True):
        assert not seen & told and seed is not None
    assert len({seed for seed, _ in trained}) == 12
    halves = [set().union(*(part for _, part in [*trained[six], *explained[six]])) for six in (slice(6), slice(6, 12))]
    assert not halves[0] & halves[1] and len(halves[0]) + len(halves[1]) == 48
    for half in halves:
        inside = np.array(sorted(half), int)
        assert abs(y[inside].mean() - 0.5) < 1e-9
        if groups is not None:
            assert not set(groups[inside]) & set(np.delete(groups, inside))


def test_measures_are_those_of_definitions():
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 25))
    other += one
    order, other_order = np.argsort(-np.abs(one)).tolist(), np.argsort(-np.abs(other)).tolist()
    shares = [len(set(order[:depth]) & set(other_order[:depth])) / depth for depth in range(1, 26)]
    overlap = 0.1 * sum(0.9 ** (depth - 1) * share for depth, share in enumerate(shares, 1)) + 0.9**25 * shares[-1]
    top = [set(order[:2]), set(other_order[:2])]
    expected = {
        "spearman": spearmanr(one, other).statistic,
        "cosine": np.sum(one * other) / np.sqrt(np.sum(one**2) * np.sum(other**2)),
        "sign_agreement": np.mean(one * other > 0),
        "jaccard": len(top[0] & top[1]) / len(top[0] | top[1]),
        "rank_biased_overlap": overlap,
    }
    for name, measure in MEASURES.items():
        assert measure(one, other) == pytest.approx(expected[name]), name
        assert measure(one, one) == pytest.approx(1.0), name
    assert MEASURES["spearman"](one, 0 * one) == MEASURES["cosine"](one, 0 * one) == 0.0


def test_planted_maps_agree_and_noise_does_not():
    settings = {"n_folds": 2, "n_repeats": 3, "n_permutations": 19, "random_state": 0}
    found = stability(EXPLAINER, *trials(0, 1.0), **settings)
    assert set(found.agreement) == set(MEASURES) and all(len(one) == 3 for one in found.agreement.values())
    assert found.p_values["spearman"] == found.p_values["cosine"] == 0.05 and max(found.p_values.values()) <= 0.1
    assert found.mean["cosine"] > 0.5
    assert str(found).startswith("Maps of disjoint halves of the trials: spearman 0.") and "(p = 0.05)" in str(found)
    display = found.plot()
    assert [line.get_xdata()[0] for line in display.lines_] == list(found.mean.values())
    plt.close("all")
    noise = [stability(EXPLAINER, *trials(seed), **{**settings, "n_repeats": 1}) for seed in range(12)]
    assert sum(one.p_values["cosine"] <= 0.05 for one in noise) <= 3
    assert abs(np.mean([one.mean["cosine"] for one in noise])) < 0.1
    assert all(one.p_values[name] == (1 + np.sum(one.null[name] >= one.mean[name] - 1e-9)) / 20
               for one in noise for name in MEASURES)  # fmt: skip


def test_what_cannot_be_divided_is_refused():
    X, y = trials(0)
    with pytest.raises(ValueError, match="Halves of these groups cannot be cross-validated: .* at least 2 groups"):
        stability(EXPLAINER, X, y, groups=np.arange(48) // 16, n_permutations=0, n_repeats=1)
    found = cross_validate_explanations(EXPLAINER, X, y, cv=2, random_state=0)
    with pytest.raises(ValueError, match="A map from a file has no trials to divide"):
        CrossValidatedExplanation(found.dataset).stability()
    with pytest.raises(ValueError, match="n_repeats"):
        found.stability(n_repeats=0)
    with pytest.raises(ValueError, match="No labels were permuted"):
        found.stability(n_folds=2, n_repeats=1, n_permutations=0).plot()
