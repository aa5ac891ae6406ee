"""Labelled results: means and errors from running sums, against all maps at once, and the names of cells."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eegexplain._explanation import RunningMean, flat_names, format_coordinates, population_error

MAPS = np.random.default_rng(0).normal(size=(23, 2, 3)) * [1.0, 5.0, 0.1] + 1e4
GROUPS = np.random.default_rng(1).integers(0, 5, 23)


def running(size, groups=None):
    found = RunningMean()
    for start in range(0, 23, size):
        part = slice(start, start + size)
        found.add(MAPS[part], None if groups is None else groups[part])
        found.add(MAPS[:0], None)
    return found


@pytest.mark.parametrize("size", [1, 4, 23])
def test_mean_and_error_over_trials_far_from_zero(size):
    found = running(size)
    assert_allclose(found.mean(), MAPS.mean(0), rtol=1e-12)
    assert_allclose(found.standard_error(), MAPS.std(0, ddof=1) / np.sqrt(23), rtol=1e-7)


@pytest.mark.parametrize("size", [1, 4, 23])
def test_error_over_groups_is_that_of_a_ratio(size):
    """Sums of deviations from the grand mean, group by group: groups of more trials weigh more."""
    found = running(size, GROUPS)
    sums = np.stack([(MAPS[GROUPS == g] - MAPS.mean(0)).sum(0) for g in range(5)])
    assert_allclose(found.mean(), MAPS.mean(0), rtol=1e-12)
    assert_allclose(found.standard_error(), np.sqrt((sums**2).sum(0) * 5 / 4) / 23, rtol=1e-7)
    assert_allclose(running(size, np.arange(23)).standard_error(), running(size).standard_error(), rtol=1e-7)


def test_one_unit_has_no_error():
    found = RunningMean()
    found.add(MAPS[:1])
    assert np.isnan(found.standard_error()).all()
    assert_allclose(found.mean(), MAPS[0])
    found = RunningMean()
    found.add(MAPS, np.zeros(23, int))
    assert np.isnan(found.standard_error()).all()


def test_equal_maps_have_no_error_not_nan():
    found = RunningMean()
    found.add(np.full((3, 2), 1 / 3)), found.add(np.full((4, 2), 1 / 3))
    assert_allclose(found.standard_error(), 0)


@pytest.mark.parametrize("n_groups", [None, 5])
def test_population_error_is_that_of_a_mean(n_groups):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2, 3))
    groups = None if n_groups is None else np.arange(60) % n_groups
    error = population_error(x - x.mean(0), groups)
    if n_groups is None:
        expected = x.std(0, ddof=1) / np.sqrt(60)
    else:
        expected = np.stack([x[groups == g].mean(0) for g in range(5)]).std(0, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(error, expected)
    assert np.isnan(population_error(x, np.zeros(60))).all()


def test_names_are_short_and_unique():
    assert format_coordinates("frequency", [0.0, 0.5, 1.0]) == ["0.0Hz", "0.5Hz", "1.0Hz"]
    assert format_coordinates("frequency", [8.0, 10.0]) == ["8Hz", "10Hz"]
    assert format_coordinates("time", [0.25]) == ["0.25s"]
    assert format_coordinates("filter", [0, 1]) == ["filter0", "filter1"]
    names = flat_names({"output": ["l", "r"], "channel": ["C3"], "frequency": [8.0, 10.0]})
    assert list(names) == ["C3@8Hz@l", "C3@10Hz@l", "C3@8Hz@r", "C3@10Hz@r"]
    assert list(flat_names({"output": ["l"], "channel": ["C3", "C4"]})) == ["C3", "C4"]
