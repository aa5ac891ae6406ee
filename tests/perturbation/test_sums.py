"""Sums that merge: correlation and both errors against loops, bootstrap and repetition."""

from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eegexplain.perturbation._blocks import cluster_blocks
from eegexplain.perturbation._changes import Reference
from eegexplain.perturbation._gradient import gradient_estimate
from eegexplain.perturbation._sampling import Center, DrawSums
from eegexplain.perturbation._sums import ClusterTotals

EPS = np.finfo(float).eps


def gradient_map(covariances, variances, groups=None, size=7):
    """Moments over blocks, as the population does it."""
    sums = None
    for block in cluster_blocks(np.arange(len(covariances)), groups, size):
        totals = ClusterTotals(block.n_clusters)
        for t, c in block.parts(size):
            part = gradient_estimate(covariances[t], variances[t], np.ones_like(variances[t]))
            totals.add(c, part.totals)
            sums = part.sums if sums is None else sums + part.sums
        sums = replace(sums, clusters=sums.clusters + totals.influence_sums())
    return replace(sums, n_rounds=1)


def skewed_terms(rng, n_trials, n_groups=None):
    """Heavy-tailed terms with a real covariance, alike within groups."""
    groups = np.arange(n_trials) if n_groups is None else rng.integers(0, n_groups, n_trials)
    base = rng.lognormal(sigma=0.7, size=(groups.max() + 1, 2, 5))[groups]
    covariances = 0.3 * base + rng.normal(size=(n_trials, 2, 5))
    return covariances, np.square(covariances).sum(axis=2) * rng.uniform(1, 2, (n_trials, 1)), groups


def pooled(covariances, variances):
    return covariances.mean(axis=0) / np.sqrt(variances.mean(axis=0))[:, None]


@pytest.mark.parametrize("clustered", [False, True])
def test_trial_error_is_that_of_the_bootstrap(clustered):
    rng = np.random.default_rng(0)
    covariances, variances, groups = skewed_terms(rng, 400, 80 if clustered else None)
    sums = gradient_map(covariances, variances, groups if clustered else None)
    np.testing.assert_allclose(sums.correlation(EPS), pooled(covariances, variances), rtol=1e-12)
    members = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    maps = []
    for _ in range(1500):
        drawn = np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])
        maps.append(pooled(covariances[drawn], variances[drawn]))
    ratio = sums.trial_error(EPS) / np.std(maps, axis=0)
    assert np.all(np.abs(ratio - 1) < 0.12)


def test_trial_error_is_the_formula_of_the_influence_function():
    rng = np.random.default_rng(1)
    covariances, variances, _ = skewed_terms(rng, 30)
    sums = gradient_map(covariances, variances)
    r, mean = pooled(covariances, variances), variances.mean(axis=0)
    influence = covariances / np.sqrt(mean)[:, None] - r / 2 * (variances / mean)[:, :, None]
    influence += -r / 2  # unit noise never varies
    expected = influence.std(axis=0, ddof=1) / np.sqrt(30)
    np.testing.assert_allclose(sums.trial_error(EPS), expected, rtol=1e-10)


def test_two_clusters_have_an_error_and_one_has_none():
    covariances, variances, _ = skewed_terms(np.random.default_rng(5), 12)
    groups = np.repeat([0, 1], 6)
    found = gradient_map(covariances, variances, groups).trial_error(EPS)
    r, mean = pooled(covariances, variances), variances.mean(axis=0)
    influence = covariances / np.sqrt(mean)[:, None] - r / 2 * (1 + (variances / mean)[:, :, None])
    sums = np.stack([influence[groups == g].sum(0) for g in (0, 1)])
    np.testing.assert_allclose(found, np.sqrt((sums**2).sum(0) * 2) / 12, rtol=1e-9)
    assert np.isnan(gradient_map(covariances, variances, 0 * groups).trial_error(EPS)).all()


def draws(rng, n_trials, n_draws, *, strength=0.5):
    """Noise and changes that depend on it with trial-specific strength, and are skewed."""
    values = rng.normal(size=(n_draws, n_trials, 4))
    slope = strength * rng.lognormal(sigma=0.5, size=(1, n_trials, 1))
    changes = slope * values[..., :2] + 0.3 * values[..., 2:] ** 2 + 0.2
    return values, changes


def sampled_map(values, changes, batch=5, center=None):
    center = Center(*(center or ()))
    sums = None
    for block in cluster_blocks(np.arange(values.shape[1]), None, 6):
        totals = ClusterTotals(block.n_clusters)
        for trials, clusters in block.parts(6):
            batches = [
                DrawSums.of(values[i : i + batch, trials], changes[i : i + batch, trials], center)
                for i in range(0, len(values), batch)
            ]
            sizes = np.ones((len(trials), changes.shape[-1]))
            part = reduce(add, batches).estimate(Reference(sizes, {}, sizes))
            totals.add(clusters, part.totals)
        found = replace(part.sums, clusters=totals.influence_sums())
        sums = found if sums is None else sums + found
    return replace(sums, n_rounds=1)


def test_sampled_correlation_is_pearsons_over_trials_and_draws():
    values, changes = draws(np.random.default_rng(2), 20, 15)
    expected = np.corrcoef(changes.reshape(-1, 2).T, values.reshape(-1, 4).T)[:2, 2:]
    for center in (None, (np.full(4, 0.3), np.full(2, 0.5))):
        np.testing.assert_allclose(sampled_map(values, changes, center=center).correlation(EPS), expected, rtol=1e-10)


def test_draw_error_is_the_spread_over_repetitions_with_the_same_trials():
    rng = np.random.default_rng(3)
    slope = 0.5 * rng.lognormal(sigma=0.5, size=(1, 25, 1))
    maps, errors = [], []
    for _ in range(300):
        values = rng.normal(size=(20, 25, 4))
        changes = slope * values[..., :2] + 0.3 * (values[..., 2:] ** 2 - 1)
        sums = sampled_map(values, changes)
        maps.append(sums.correlation(EPS))
        errors.append(sums.draw_error(EPS))
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / np.std(maps, axis=0)
    assert np.all(np.abs(ratio - 1) < 0.15)


def test_trial_error_of_draws_is_the_spread_over_new_trials_in_one_round_or_many():
    rng = np.random.default_rng(4)
    maps, one, many = [], [], []
    for _ in range(300):
        values, changes = draws(rng, 30, 20)
        center = values.mean(axis=(0, 1)), changes.mean(axis=(0, 1))
        sums = sampled_map(values, changes, center=center)
        parts = [sampled_map(values[i : i + 10], changes[i : i + 10], center=center) for i in (0, 10)]
        maps.append(sums.correlation(EPS))
        one.append(sums.trial_error(EPS))
        many.append((parts[0] + parts[1]).trial_error(EPS))
    spread = np.std(maps, axis=0)
    for errors in (one, many):  # never below the error over draws, so a little too large where that is all
        ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / spread
        assert np.all((ratio > 0.88) & (ratio < 1.3))
        used = ratio[[0, 1], [0, 1]]
        assert np.all(np.abs(used - 1) < 0.12)


def test_constant_noise_or_change_has_correlation_zero():
    values, changes = draws(np.random.default_rng(5), 8, 6)
    values[..., 1] = 3.0
    changes[..., 0] = 1.0 + 1e-15 * changes[..., 0]
    sums = sampled_map(values, changes)
    r = sums.correlation(EPS)
    assert not r[0].any()
    assert not r[:, 1].any()
    assert r[1, [0, 2, 3]].all()
    assert np.isfinite(sums.trial_error(EPS)).all()
    assert np.isfinite(sums.draw_error(EPS)).all()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 9))
def test_blocks_hold_every_trial_once_and_whole_groups(groups, size):
    groups = np.array(groups)
    blocks = cluster_blocks(np.arange(len(groups)), groups, size)
    assert sorted(np.concatenate([block.trials for block in blocks])) == list(range(len(groups)))
    homes = [set(groups[block.trials]) for block in blocks]
    assert sum(len(home) for home in homes) == len(set(groups))
    for block, home in zip(blocks, homes, strict=True):
        assert block.n_clusters == len(home)
        rejoined = np.concatenate([trials for trials, _ in block.parts(size)])
        np.testing.assert_array_equal(rejoined, block.trials)


@given(st.integers(1, 40), st.integers(1, 11))
def test_errors_do_not_depend_on_where_blocks_end(n_trials, size):
    rng = np.random.default_rng(6)
    covariances, variances, _ = skewed_terms(rng, n_trials)
    reference, other = gradient_map(covariances, variances, size=1000), gradient_map(covariances, variances, size=size)
    np.testing.assert_allclose(other.correlation(EPS), reference.correlation(EPS), rtol=1e-10)
    np.testing.assert_allclose(other.trial_error(EPS), reference.trial_error(EPS), rtol=1e-8)
