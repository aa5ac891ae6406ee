"""Averages of maps over seeds and folds, and their total errors."""

import warnings

import numpy as np
import pytest
import xarray as xr
from sklearn.base import BaseEstimator

from eegexplain._explanation import population_error
from eegexplain.inspection.cross_validation import Fold
from eegexplain.inspection.fold_maps import average_folds, class_means, errors_over, explain_folds

FOLDS = [np.arange(0, 5), np.arange(5, 12)]


def explained(value, error):
    return xr.Dataset(
        {"value": ("output", [value]), "standard_error": ("output", [error])}, {"output": ["a"]}, {"m": 1}
    )


def folds_of(n_folds, n_seeds=1):
    """Folds of five trials each, in order."""
    trials = np.arange(5 * n_folds)
    parts = np.split(trials, n_folds)
    return [Fold((None,) * n_seeds, np.setdiff1d(trials, part), part) for part in parts]


def test_maps_are_averaged_over_seeds_first_and_errors_propagate():
    """Networks of one fold share their trials: their errors are averaged, those of folds add up."""
    parts = [[explained(0.0, 2.0), explained(2.0, 4.0)], [explained(3.0, 4.0), explained(3.0, 4.0)]]
    mean = average_folds(parts, folds_of(2, 2))
    assert float(mean["value"][0]) == 2.0 and float(mean["error_given_networks"][0]) == 2.5 and mean.attrs["m"] == 1
    np.testing.assert_allclose([mean["fold_sd"][0], mean["seed_sd"][0]], [np.sqrt(2), 1.0])
    assert mean["fold_value"].sizes == {"fold": 2, "seed": 2, "output": 1}
    assert mean["fold_value"].isel(output=0).values.tolist() == [[0, 2], [3, 3]]
    single = average_folds([parts[1][:1]], folds_of(2)[:1])
    assert np.isnan(single["fold_sd"][0]) and np.isnan(single["seed_sd"][0])
    assert float(single["standard_error"][0]) == 4.0  # over trials: a lower bound
    bare = [[one[0].drop_vars("standard_error")] for one in parts]
    assert np.isnan(average_folds(bare, folds_of(2))["error_given_networks"][0])


def test_an_average_keeps_the_attributes_of_its_parts_and_averages_their_scores():
    def part(**attrs):
        return xr.Dataset({"value": ("output", [1.0]), "standard_error": ("output", [1.0])}, attrs=attrs)

    folds = folds_of(2, 2)
    mean = average_folds([[part(method="m", sfreq=100.0, perturbed_score=s) for s in (0.5, 0.9)]] * 2, folds).attrs
    assert mean["method"] == "m" and mean["sfreq"] == 100.0 and mean["perturbed_score"] == 0.7
    assert mean["degrees_of_freedom"] == 1 and mean["data_share"] == 0
    assert "perturbed_score" not in average_folds([[part()], [part()]], folds).attrs


SEEN = []


class Network(BaseEstimator):
    """Fitted, and known by a number."""

    def __init__(self, number):
        self.number = number


class Explainer(BaseEstimator):
    """Its map is its network's number; what it was given is noted in ``SEEN``."""

    def __init__(self, estimator=None, random_state=None):
        self.estimator = estimator
        self.random_state = random_state

    def fit(self, X, y, groups):
        n_groups = 0 if groups is None else len(np.unique(groups))
        number = self.estimator.estimator.number
        value = {"value": ("output", [number, 1.0]), "standard_error": ("output", [0.0, 0.3])}
        self.explanation_ = xr.Dataset(value, {"output": ["a", "b"]})
        SEEN.append((X.tolist(), y.tolist(), n_groups, self.random_state))
        return self


@pytest.mark.parametrize(
    ("groups", "unit", "clusters"),
    [
        (np.arange(12) % 4, "groups", [4, 4]),
        (None, "trials", [0, 0]),
        ((np.arange(12) >= 5) * (1 + np.arange(12) % 2), "folds", [0, 2]),
    ],
)
def test_the_error_of_a_map_is_the_total_one(groups, unit, clusters):
    """Two maps that are exact on their own trials and differ by 2 have an error, where folds hold out groups or not."""
    X, y = np.arange(12.0), np.arange(12) % 2
    folds = [Fold((Network(1.0 + 2 * k),), FOLDS[1 - k], FOLDS[k]) for k in range(2)]
    SEEN.clear()
    found = average_folds(explain_folds(Explainer(random_state=0), folds, X, y, groups=groups, random_state=0), folds)
    assert [(seen[0], seen[1]) for seen in SEEN] == [(X[part].tolist(), y[part].tolist()) for part in FOLDS]
    assert errors_over(folds, groups) == unit and [seen[2] for seen in SEEN] == clusters
    assert SEEN[0][3] != SEEN[1][3], "each network's draws are its own"
    assert found.attrs["degrees_of_freedom"] == 1 and found["value"].values.tolist() == [2.0, 1.0]
    overlap = np.mean([5 / 7, 7 / 5])
    np.testing.assert_allclose(found["error_given_networks"], [0, 0.3 / np.sqrt(2)])
    np.testing.assert_allclose(found["standard_error"], [np.sqrt(2) * np.sqrt(1 / 2 + overlap), 0.3 / np.sqrt(2)])


class Warner(Explainer):
    """Warns of each network."""

    def fit(self, X, y, groups):
        warnings.warn(f"network {self.estimator.estimator.number}", UserWarning, stacklevel=1)
        return super().fit(X, y, groups)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_warnings_of_other_processes_reach_the_caller(n_jobs):
    folds = [Fold((Network(1.0 + k),), FOLDS[1 - k], FOLDS[k]) for k in range(2)]
    with pytest.warns(UserWarning) as caught:
        found = explain_folds(Warner(random_state=0), folds, np.arange(12.0), np.arange(12) % 2, n_jobs=n_jobs)
    assert [str(one.message) for one in caught] == ["network 1.0", "network 2.0"]
    assert [float(one["value"][0]) for (one,) in found] == [1.0, 2.0]


def test_means_over_the_trials_of_each_class_are_of_its_own_output():
    rng = np.random.default_rng(0)
    values, y, groups = rng.standard_normal((9, 3, 2)), np.array([0, 0, 1, 0, 1, 1, 0, 0, 1]), np.arange(9) // 2
    trials = xr.Dataset({"value": (("trial", "output", "channel"), values)}, {"output": ["0", "1", "2"]}, {"m": 1})
    found = class_means(trials, y, groups)
    for k in range(2):
        own = values[y == k, k]
        np.testing.assert_allclose(found["value"][k], own.mean(axis=0))
        error = population_error(own - own.mean(axis=0), groups[y == k])
        np.testing.assert_allclose(found["standard_error"][k], error)
    assert np.isnan(found["value"][2]).all() and found.attrs["m"] == 1 and found["value"].dims == ("output", "channel")
    plain = class_means(trials, y)["standard_error"][0]
    np.testing.assert_allclose(plain, values[y == 0, 0].std(axis=0, ddof=1) / np.sqrt(5))
