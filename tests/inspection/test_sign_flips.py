"""Means over groups against flips of their signs: loops over all of them, SciPy, MNE, planted cells, refusals."""

from itertools import product

import mne
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from eegexplain.inspection import group_significance
from eegexplain.inspection._clusters import cell_adjacency

CHANNELS = ["Fz", "C3", "Cz", "C4", "Pz", "O1", "O2"]


def maps(seed, n_groups=8, shape=(5,), shift=0.0, cell=2):
    values = np.random.default_rng(seed).standard_normal((n_groups, *shape))
    values.reshape(n_groups, -1)[:, cell] += shift
    return values


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("statistic", ["max_t", "max_mean"])
def test_p_values_are_those_of_a_loop_over_all_flips(statistic, alternative):
    values = maps(0, 7, shift=0.8)
    values[:, 4] *= 5
    of = {"two-sided": np.abs, "greater": np.array, "less": np.negative}[alternative]

    def largest(flipped):
        mean = [np.mean([one[cell] for one in flipped]) for cell in range(5)]
        error = [np.std([one[cell] for one in flipped], ddof=1) / np.sqrt(7) for cell in range(5)]
        return of(np.divide(mean, error if statistic == "max_t" else 1.0))

    null = [largest([sign * one for sign, one in zip(signs, values, strict=True)]).max()
            for signs in product([1, -1], repeat=7)]  # fmt: skip
    observed = largest(values)
    expected = [np.mean(np.array(null) >= one - 1e-12) for one in observed]
    found = group_significance(values, statistic=statistic, alternative=alternative)
    np.testing.assert_allclose(found.statistic, observed)
    np.testing.assert_allclose(found.p_values, expected)
    assert found.n_permutations == (63 if alternative == "two-sided" else 127) and found.exact


@pytest.mark.parametrize(("alternative", "tail"), [("two-sided", 0), ("greater", 1), ("less", -1)])
def test_largest_t_and_clusters_are_those_of_mne(alternative, tail):
    values = maps(1, 8, (7, 3), shift=1.2, cell=4)
    values[:, 1:4, 1] += 0.7
    flat = values.reshape(8, -1)
    if tail == 0:  # of one side it takes the largest absolute values
        t, p, _ = mne.stats.permutation_t_test(flat, n_permutations="all", verbose=False)
        found = group_significance(values)
        np.testing.assert_allclose(found.statistic.values.ravel(), np.abs(t))
        np.testing.assert_allclose(found.p_values.values.ravel(), p, atol=0.008)  # it leaves one arrangement out

    named = xr.DataArray(values, dims=("group", "channel", "band"), coords={"channel": CHANNELS})
    found = group_significance(named, statistic="clusters", alternative=alternative)
    _, clusters, p, _ = mne.stats.permutation_cluster_1samp_test(
        flat, n_permutations=1000, tail=tail, adjacency=cell_adjacency(CHANNELS, (7, 3), 0), out_type="mask",
        verbose=False,
    )  # fmt: skip
    expected = np.ones(21)
    for cells, value in zip(clusters, p, strict=True):
        expected[cells] = value
    assert (expected < 0.05).any() == (tail >= 0) and len(np.unique(expected)) > 1
    np.testing.assert_allclose(found.p_values.values.ravel(), expected, atol=0.004)  # one flip in 256


def test_one_cell_is_that_of_scipy():
    values = np.random.default_rng(3).standard_normal(9) + 0.4
    for alternative in ("two-sided", "greater", "less"):
        expected = stats.permutation_test(
            (values,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative=alternative
        )
        found = group_significance(values, statistic="max_mean", alternative=alternative)
        assert float(found.p_values) == pytest.approx(expected.pvalue)


def test_random_flips_agree_with_all_and_outputs_have_clusters_of_their_own():
    values = maps(4, 10, shift=1.0)
    every, some = group_significance(values), group_significance(values, n_permutations=400, random_state=0)
    assert (every.n_permutations, some.n_permutations) == (511, 400)
    np.testing.assert_allclose(some.p_values, every.p_values, atol=0.08)
    assert group_significance(maps(5, 13)).n_permutations == 4095
    np.testing.assert_array_equal(group_significance(values, n_permutations=511).p_values, every.p_values)
    both = xr.DataArray(maps(6, 8, (2, 4), 3.0), dims=("group", "output", "band"))
    both[:, 1, 2] = both[:, 0, 2]
    found = group_significance(both.transpose("band", "group", "output"), statistic="clusters")
    one = group_significance(both.isel(output=[0]), statistic="clusters")
    np.testing.assert_allclose(found.statistic[0], one.statistic[0])
    assert found.statistic.dims == ("output", "band")


def test_planted_cells_are_found_and_noise_is_not():
    hits = np.array([group_significance(maps(seed, 10, shift=2.0)).significant.values for seed in range(10)])
    assert hits[:, 2].mean() >= 0.9 and np.delete(hits, 2, axis=1).mean() < 0.05
    for statistic in ("max_t", "max_mean"):
        heavy = [maps(seed, 6, (20,)) ** 3 for seed in range(200)]  # symmetric is enough
        alarms = [group_significance(one, statistic=statistic).p_value <= 0.05 for one in heavy]
        assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_outputs_that_mirror_each_other_are_two_sided():
    one = maps(7, 6, (4,))
    both = xr.DataArray(np.stack([-one, one], axis=1), dims=("group", "output", "band"))
    greater = group_significance(both, alternative="greater")
    two_sided = group_significance(one)
    np.testing.assert_allclose(greater.p_values.min("output"), two_sided.p_values)
    assert greater.n_permutations == 31
    with pytest.raises(ValueError, match="5 groups have 16 different flips: .* alpha=0.05, which needs 6 groups"):
        group_significance(both.isel(group=slice(5)), alternative="greater")
    assert group_significance(one[:5], alternative="greater").n_permutations == 31


def test_silent_cells_say_nothing_and_agreement_to_rounding_is_no_infinity():
    values = maps(8, 6, (4,))
    values[:, 0], values[:, 1] = 0.0, 0.3
    found = group_significance(values)
    assert found.statistic[0] == 0 and found.p_values[0] == 1
    assert np.isfinite(found.statistic).all() and found.p_values[1] == 1 / 32


REFUSED = [
    ("5 groups have 16 different flips: no p value .* alpha=0.05, which needs 6 groups", {"maps": maps(0, 5)}),
    ("4 groups have 16 different .* which needs 5 groups", {"maps": maps(0, 4), "alternative": "greater"}),
    ("alpha=0.001 needs n_permutations of at least 999", {"n_permutations": 400, "alpha": 0.001, "maps": maps(0, 12)}),
    ("No two of these values have different signs", {"maps": np.abs(maps(0))}),
    ("No two of these values have different signs", {"maps": -np.abs(maps(0))}),
    ("alpha must lie between", {"alpha": 1.5}),
    ("one group", {"maps": maps(0, 1)}),
    ("contains NaN", {"maps": np.where(maps(0) > 2, maps(0), np.nan)}),
    ("statistic", {"statistic": "maximum"}),
    ("alternative", {"alternative": "both"}),
    ("neighbors, which cells without names do not have", {"statistic": "clusters"}),
    ("must have a dim 'group', got subject, cell", {"maps": xr.DataArray(maps(0), dims=("subject", "cell"))}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "settings"), REFUSED)
def test_what_cannot_be_tested_is_refused(words, settings):
    with pytest.raises(ValueError, match=words):
        group_significance(**{"maps": maps(0)} | settings)


def test_values_of_one_sign_are_tested_when_known_to_be_signed():
    assert group_significance(np.abs(maps(0)), signed=True).p_value == 1 / 128
