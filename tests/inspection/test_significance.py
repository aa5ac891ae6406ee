"""The contrast of held-out evidence: p values by loops, planted cells, noise, and claims that it must not make."""

import numpy as np
import pytest
import xarray as xr

from eegexplain.inspection import evidence_contrast

Y = np.arange(60) % 2


def planted(seed=0, n_trials=60, cell=2, shift=1.5):
    """Evidence for class 1 in one of five cells, that for class 0 is its opposite."""
    y, rng = np.arange(n_trials) % 2, np.random.default_rng(seed)
    for_one = rng.standard_normal((n_trials, 5))
    for_one[:, cell] += shift * y
    return np.stack([-for_one, for_one], axis=1), y


def learned(seed, *, n_trials=40, n_cells=40, n_folds=10):
    """Evidence of closed-form networks (differences of class means) for noise that they were not trained on."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n_trials, n_cells)), np.arange(n_trials) % 2
    folds = np.arange(n_trials) // 2 % n_folds
    evidence, sensitivity = np.empty((2, n_trials, n_cells))
    for fold in range(n_folds):
        inside, out = folds != fold, folds == fold
        weights = X[inside & (y == 1)].mean(0) - X[inside & (y == 0)].mean(0)
        evidence[out], sensitivity[out] = X[out] * weights, X[out] ** 2 * weights
    return np.stack([-evidence, evidence], axis=1), sensitivity, y, folds


def test_p_values_are_those_of_loops():
    evidence, y = planted(shift=0.6)
    evidence = np.concatenate([evidence, np.random.default_rng(1).standard_normal((60, 1, 5))], axis=1)  # third class
    y = np.where(np.arange(60) % 3 == 2, 2, y)
    folds, groups = np.arange(60) // 30, np.arange(60) // 15
    found = evidence_contrast(evidence, y, folds=folds, groups=groups, n_permutations=199, random_state=0)

    centered = evidence.copy()
    for group in range(4):
        centered[groups == group] -= evidence[groups == group].mean(0)

    def contrast(labels):
        result = np.zeros((3, 5))
        for output in range(3):
            for cell in range(5):
                values = centered[:, output, cell] / centered[:, output, cell].std()
                result[output, cell] = values[labels == output].mean() - values[labels != output].mean()
        return result

    np.testing.assert_allclose(found.statistic, contrast(y))
    rng = np.random.default_rng(0)
    maxima = []
    for _ in range(400):
        labels = y.copy()
        for group in range(4):
            labels[groups == group] = rng.permutation(labels[groups == group])
        maxima.append(contrast(labels).max())
    again = (1 + (np.array(maxima)[:, None, None] >= contrast(y)).sum(0)) / 401
    np.testing.assert_allclose(found.p_values, again, atol=0.1)
    np.testing.assert_allclose(np.quantile(found.null_maxima, [0.5, 0.95]), np.quantile(maxima, [0.5, 0.95]), rtol=0.1)
    counted = (1 + (found.null_maxima[:, None, None] >= found.statistic.values).sum(0)) / 200
    np.testing.assert_array_equal(found.p_values, counted)
    assert found.exchanged == "trials" and not found.exact and found.n_permutations == 199


def test_planted_cells_are_found_and_noise_is_not():
    """Exact for one held-out set: 5 % of noise, within two errors of 100 data sets."""
    alarms = 0
    for seed in range(100):
        evidence, y = planted(seed, shift=0)
        found = evidence_contrast(evidence, y, n_permutations=39, random_state=seed)
        alarms += found.p_value <= 0.05
        assert found.exact
    assert alarms <= 9
    hits = np.array([evidence_contrast(*planted(seed), n_permutations=99).significant.values for seed in range(10)])
    assert hits[:, :, 2].mean() > 0.9 and hits[:, :, [0, 1, 3, 4]].mean() < 0.05
    away = evidence_contrast(-planted()[0], Y, random_state=0)
    assert away.p_values[1, 2] == 1.0, "what speaks against the own class is nothing found"


def test_whole_groups_are_exchanged_where_the_label_is_theirs():
    """Evidence that differs between subjects alone is no evidence about the class: trials would always reject."""
    rng, groups = np.random.default_rng(1), np.arange(80) // 8
    y = groups % 2
    of_groups, of_trials = 0, 0
    for seed in range(40):
        for_one = rng.standard_normal((10, 5))[groups] + 0.3 * rng.standard_normal((80, 5))
        evidence = np.stack([-for_one, for_one], axis=1)
        found = evidence_contrast(evidence, y, groups=groups, n_permutations=39, random_state=seed)
        of_groups += found.p_value <= 0.05
        of_trials += evidence_contrast(evidence, y, n_permutations=39, random_state=seed).p_value <= 0.05
        assert found.exchanged == "groups"
    assert of_groups <= 5 and of_trials > 20


def test_pooled_over_folds_only_the_side_of_the_truth_can_be_claimed():
    """Each fold's network was trained on labels held out elsewhere: noise lands far on the other side."""
    one_sided, two_sided = [], []
    for seed in range(60):
        evidence, _, y, folds = learned(seed)
        settings = {"folds": folds, "n_permutations": 39, "random_state": seed}
        one_sided.append(evidence_contrast(evidence, y, **settings).p_value)
        both = np.concatenate([evidence, -evidence], axis=2)
        two_sided.append(evidence_contrast(both, y, **settings).p_value)
    assert np.mean(np.array(one_sided) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)
    assert np.mean(np.array(two_sided) <= 0.05) > 0.4


def test_signs_of_trials_with_common_networks_reject_noise_every_time():
    """So does the ratio of a map and its error over trials: neither is offered."""
    rng, rejected = np.random.default_rng(0), {"signs": 0, "z": 0}
    for seed in range(20):
        _, values, _, _ = learned(seed)
        ratio = np.abs(values.mean(0) / (values.std(0, ddof=1) / np.sqrt(40))).max()
        rejected["z"] += ratio > 3.2  # Bonferroni at .05 for 40 cells
        signs = rng.choice([-1, 1], (99, 40))
        null = np.abs(signs @ values / 40 / (values.std(0, ddof=1) / np.sqrt(40))).max(axis=1)
        rejected["signs"] += (1 + (null >= ratio).sum()) / 100 <= 0.05
    assert rejected == {"signs": 20, "z": 20}


def test_names_are_kept_and_constant_cells_say_nothing():
    evidence, y = planted()
    evidence[:, :, 4] = 7.3
    named = xr.DataArray(
        evidence, dims=("trial", "output", "band"), coords={"output": ["left", "right"], "band": list("abcde")}
    )
    names = np.array(["left", "right"])[y]
    found = evidence_contrast(named.transpose("band", "trial", "output"), names, random_state=0)
    assert found.p_values.dims == ("output", "band") and found.significant.sel(output="right", band="c")
    assert (found.p_values.sel(band="e") == 1).all() and (found.statistic.sel(band="e") == 0).all()
    assert str(found).startswith("2 of 10 cells significant at 0.05, familywise (smallest p = 0.001): contrast, labels")
    swapped = evidence_contrast(named.isel(output=[1, 0]), names, random_state=0)
    np.testing.assert_array_equal(swapped.p_values, found.p_values)


REFUSED = [
    ("alpha=0.001 needs n_permutations of at least 999", {"n_permutations": 998, "alpha": 0.001}),
    ("alpha must lie between 0 and 1", {"alpha": 0.0}),
    ("Fold 1 holds out trials of class 0 alone", {"folds": np.where(Y == 0, np.arange(60) // 30, 0)}),
    ("labels of 4 groups have 6 arrangements", {"y": np.arange(60) // 15 % 2, "groups": np.arange(60) // 15}),
    (r"n_classes, \.\.\.\) with 3 classes, got \(60, 2, 5\)", {"y": np.arange(60) % 3}),
    ("at least 2 classes, but y has only", {"evidence": np.ones((60, 1)), "y": np.zeros(60, int)}),
    ("outputs .'margin'. must be those of y", {"evidence": xr.DataArray(np.ones((60, 1)), dims=("trial", "output"),
                                                                     coords={"output": ["margin"]})}),
    ("one per trial", {"evidence": np.ones((50, 2))}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "settings"), REFUSED)
def test_what_cannot_be_tested_is_refused(words, settings):
    with pytest.raises(ValueError, match=words):
        evidence_contrast(**{"evidence": planted()[0], "y": Y} | settings)
    evidence_contrast(planted()[0], Y, n_permutations=999, alpha=0.001)
