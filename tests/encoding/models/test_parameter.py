"""Declared parameters, and central differences against derivatives known by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from eegexplain.encoding import Parameter
from eegexplain.encoding.models.parameter import central_differences, spread


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
@pytest.mark.parametrize("sign", [1, -1])
def test_derivatives_are_exact_to_rounding_at_any_size_and_sign(scale, sign):
    """The step follows the size of the parameter: rounding and curvature both stay small."""
    times = np.linspace(0.1, 1, 7)[:, None]
    a, b = sign * scale * np.array([1.0, 1.7]), sign * scale * np.array([0.5, 2.0])

    def function(a, b):
        return np.sin(times * a / scale) * np.exp(b / scale)

    value, (by_a, by_b) = central_differences(function, [a, b])
    assert_allclose(value, function(a, b))
    assert_allclose(by_a, times / scale * np.cos(times * a / scale) * np.exp(b / scale), rtol=2e-8)
    assert_allclose(by_b, function(a, b) / scale, rtol=2e-8)


def test_at_zero_the_step_is_not_zero():
    value, (slope,) = central_differences(lambda p: np.sin(p)[None] + 0 * np.ones((3, 1)), [np.zeros(2)])
    assert_allclose(value, 0)
    assert_allclose(slope, 1, rtol=1e-8)


@pytest.mark.parametrize(("kind", "lower", "upper"), [("identity", -np.inf, np.inf), ("identity", -30.0, 30.0),
                                                      ("log", 0.0, np.inf), ("log", 1e-3, 1e3)])  # fmt: skip
def test_scales_of_steps_invert_and_know_their_slope(kind, lower, upper):
    par, u = Parameter("p", transform=kind, lower=lower, upper=upper), np.linspace(-3, 3, 13)
    value = par.constrain(u)
    assert par.holds(value).all()
    assert_allclose(par.unconstrain(value), u, atol=1e-10)
    assert_allclose(par.slope(value), (par.constrain(u + 1e-6) - par.constrain(u - 1e-6)) / 2e-6, rtol=1e-6)


def test_bounds_belong_to_the_interval_and_nothing_leaves_it():
    par = Parameter("p", lower=-1.0, upper=2.0)
    assert_array_equal(par.constrain(np.array([-9.0, -1.0, 0.5, 9.0])), [-1, -1, 0.5, 2])
    assert_array_equal(par.holds(np.array([-1.0, 2.0, -1.1, 2.1, np.nan])), [True, True, False, False, False])
    assert_array_equal(Parameter("p", upper=0.0).constrain(np.array([-5.0, 5.0])), [-5, 0])
    assert_array_equal(Parameter("sd", lower=0.0).holds(np.array([0.0, 1e-9])), [False, True])
    assert Parameter("gain", "amplitude", lower=0.0).holds(np.zeros(1)).all()
    assert Parameter("gain", "amplitude", lower=0.0).kind == "identity"


def test_candidates_are_even_on_the_scale_of_steps():
    grid = spread([Parameter("a", lower=-1.0, upper=1.0), Parameter("b", lower=0.1, upper=10.0, transform="log")])
    assert_allclose(grid["a"], np.linspace(-1, 1, 16))
    assert_allclose(grid["b"], np.geomspace(0.1, 10, 16))
    with pytest.raises(ValueError, match="'sd' has no two finite bounds.*grid or init_pars"):
        spread([Parameter("sd", lower=0.0)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lower": 1.0, "upper": 0.0}, "lower < upper"),
        ({"role": "offset"}, "role"),
        ({"transform": "log"}, "at least 0"),
        ({"transform": "cube"}, "not one of"),
    ],
)
def test_bad_declarations(settings, message):
    with pytest.raises(ValueError, match=message):
        Parameter("a", **settings)
