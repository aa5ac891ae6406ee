"""Effects and their errors: against loops over pairs, and how often intervals hold the truth."""

import numpy as np
import pytest
from scipy import stats

from eegexplain.intervention._donors import draw_donors
from eegexplain.intervention._effects import Pairs, pair_error


def naive_error(scores, donors, clusters, takers):
    """Influence of each cluster by loops: its trials' own differences, and what they give to other clusters."""
    n_takers, _, n_draws = donors.shape
    value = np.mean(scores[:, 0]) - np.mean(scores[:, 1])
    cells = [(i, kind, draw) for i in range(n_takers) for kind in range(2) for draw in range(n_draws)]
    plain = {cell: scores[cell] - scores[cell[0]].mean() for cell in cells}
    level = [np.mean([plain[cell] for cell in cells if cell[1] == kind]) for kind in range(2)]
    total, taken, twice = np.zeros(clusters.max() + 1), np.zeros(clusters.max() + 1), 0.0
    for i in range(n_takers):
        taken[takers[i]] += (scores[i, 0].mean() - scores[i, 1].mean() - value) / n_takers
    for i, kind, draw in cells:
        giver = clusters[donors[i, kind, draw]]
        if giver == takers[i]:
            continue
        share = (1, -1)[kind] / (n_takers * n_draws) / (1 - 1 / (2 * n_draws))
        total[giver] += share * (plain[i, kind, draw] - level[kind])
        same = [cell for cell in cells if cell[1] == kind]
        uses = [scores[cell] - scores[cell[0], kind].mean() for cell in same if donors[cell] == donors[i, kind, draw]]
        free = len(same) - n_takers - len({donors[cell] for cell in same})
        own = scores[i, kind, draw] - scores[i, kind].mean() - np.mean(uses)
        twice += own**2 * len(same) / free / (n_takers * n_draws) ** 2
    variance = max(np.sum((total + taken) ** 2) - twice, np.sum(taken**2))
    fewest = min(len({clusters[donors[cell]] for cell in cells if cell[1] == kind}) for kind in range(2))
    return np.sqrt(variance * fewest / (fewest - 1))


@pytest.mark.parametrize("n_clusters", [16, 5])
def test_errors_against_loops(n_clusters):
    rng = np.random.default_rng(0)
    donors = rng.integers(0, 16, (8, 2, 6))
    clusters = np.arange(16) if n_clusters == 16 else rng.integers(0, 5, 16)
    scores = rng.standard_normal((8, 2, 6, 2)) + 2 * rng.standard_normal((16, 2))[donors]
    expected = [naive_error(scores[..., k], donors, clusters, clusters[:8]) for k in range(2)]
    np.testing.assert_allclose(pair_error(scores, donors, clusters, clusters[:8]), expected, rtol=1e-12)


def test_one_cluster_has_no_error():
    donors = np.zeros((3, 2, 4), int)
    assert np.isnan(pair_error(np.ones((3, 2, 4, 2)), donors, np.zeros(3, int), np.zeros(3, int))).all()


def simulated(rng, n_groups=None, nested=False):
    """Scores of pairs whose mean differs by 1 between kinds; takers, givers, their groups and pairs all vary."""
    n_trials = 40
    codes = rng.permutation(np.arange(n_trials) % 2)
    taker, giver = rng.standard_normal((2, n_trials))
    groups = None if n_groups is None else np.arange(n_trials) % n_groups
    if groups is not None:
        codes = groups % 2 if nested else codes
        giver += 1.5 * rng.standard_normal(n_groups)[groups]
    found = draw_donors(rng.standard_normal((n_trials, 1, 4)), codes, groups, 8, np.random.RandomState(0))
    donors = np.stack([found.same, found.other], axis=1)
    scores = taker[:, None, None] + giver[donors] + 2 * rng.standard_normal(donors.shape)
    scores += np.array([1.0, 0.0])[:, None]
    return Pairs(donors, codes, np.arange(n_trials) if groups is None else groups), scores


@pytest.mark.parametrize(("groups", "degrees"), [((), 19), ((8,), 7), ((12, True), 5)])
def test_intervals_hold_the_truth(groups, degrees):
    """Trials; groups that hold both classes, of which donors come; groups of one class."""
    rng = np.random.default_rng(0)
    found = [pairs.effects(scores, 2) for pairs, scores in (simulated(rng, *groups) for _ in range(200))]
    value, error = (np.array(part) for part in zip(*found, strict=True))
    assert abs(value.mean() - 1) < 0.1
    ratio = np.sqrt(np.mean(error**2, axis=0)) / value.std(axis=0)
    assert (0.8 < ratio).all() and (ratio < 1.2).all(), ratio
    covered = (np.abs(value - 1) < stats.t.isf(0.025, degrees) * error).mean(axis=0)
    assert (0.9 < covered).all() and (covered < 0.995).all(), covered


def test_classes_without_trials_are_unknown():
    rng = np.random.default_rng(1)
    pairs, scores = simulated(rng)
    value, error = pairs.effects(scores, 3)
    assert np.isnan(value[2]) and np.isnan(error[2]) and np.isfinite(value[:2]).all()


def test_contrasts_are_differences_of_class_means():
    rng = np.random.default_rng(2)
    pairs, _ = simulated(rng)
    outputs = rng.standard_normal((40, 2, 1)) + pairs.codes[:, None, None]
    value, error = pairs.contrasts(outputs, None)
    for code in range(2):
        own, rest = outputs[pairs.codes == code, code, 0], outputs[pairs.codes != code, code, 0]
        assert value[code, 0] == pytest.approx(own.mean() - rest.mean())
        expected = np.sqrt(own.var() / len(own) + rest.var() / len(rest)) * np.sqrt(40 / 39)
        assert error[code, 0] == pytest.approx(expected)
