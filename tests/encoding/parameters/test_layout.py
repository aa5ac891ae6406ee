"""Given values and candidates where a fit starts."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose, assert_array_equal

from eegexplain.encoding import GaussianTuningModel
from eegexplain.encoding.parameters._layout import make_layout, read_grid, read_start

MODEL = GaussianTuningModel()  # mu, sd, amplitude, baseline
X = np.array([[0.0], [2.0], [4.0]])
NAN = np.nan


def test_given_values_stand_where_their_label_says_and_shared_ones_are_means():
    layout = make_layout(MODEL, X, shared_pars=["sd"], bounds={"sd": (0.5, 6.0)})
    given = pd.DataFrame({"sd": [1.0, 2.0, 6.0], "mu": [0.5, NAN, 1.0]})
    assert_array_equal(read_start(given, layout, 3),
                       [[0.5, 3, NAN, NAN], [NAN, 3, NAN, NAN], [1, 3, NAN, NAN]])  # fmt: skip
    given["sd"] = [NAN, 2.0, 5.0]
    assert_array_equal(read_start(given, layout, 3)[:, 1], [3.5, 3.5, 3.5])
    assert np.isnan(read_start(None, layout, 2)).all()
    assert_array_equal(read_start([1.0, 2, 3, 4], layout, 2), [[1, 2, 3, 4]] * 2)  # one row for all targets


def test_candidates_are_those_of_shapes_without_a_value():
    layout = make_layout(MODEL, X, bounds={"sd": (0.1, np.inf)})
    start = np.array([[1.0, NAN, NAN, NAN], [2.0, 0.5, NAN, NAN]])
    grid = read_grid(None, MODEL, layout, X, start)
    assert list(grid) == ["sd"]
    assert_allclose(grid["sd"], MODEL.candidate_grid(X)["sd"])
    grid = read_grid({"mu": 1.0, "sd": [1, 2]}, MODEL, layout, X, np.full((2, 4), NAN))
    assert_array_equal(grid["mu"], [1])
    assert_array_equal(grid["sd"], [1, 2])
    grid = read_grid({"sd": [3.0]}, MODEL, layout, X, np.full((2, 4), NAN))
    assert list(grid) == ["mu", "sd"] and len(grid["mu"]) == 41 and grid["sd"] == 3
    assert read_grid(None, MODEL, layout, X, np.ones((2, 4))) == {}


def test_candidates_fill_the_bounds_that_are_asked_for():
    bounds = {"mu": (-10.0, 10.0), "sd": (1.0, 2.0)}
    grid = read_grid(None, MODEL, make_layout(MODEL, X, bounds=bounds), X, np.full((2, 4), NAN))
    assert_allclose(grid["mu"], np.linspace(-10, 10, 41))
    assert_allclose(grid["sd"], np.geomspace(1, 2, 16))
    layout = make_layout(MODEL, X, bounds={"mu": (1.0, np.inf)})
    assert read_grid(None, MODEL, layout, X, np.full((2, 4), NAN))["mu"].min() == 1.0


def test_centers_stay_within_the_stimulus_unless_they_are_fixed():
    space = {par.label: par for par in make_layout(MODEL, X).space}
    assert (space["mu"].lower, space["mu"].upper) == (0.0, 4.0)
    assert space["sd"].upper == 4.0 and space["amplitude"].lower == 0.0
    assert make_layout(MODEL, X, fixed_pars="mu").space[0].upper == np.inf
