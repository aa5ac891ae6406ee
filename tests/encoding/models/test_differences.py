"""Central differences against derivatives known by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eegexplain.encoding.models._differences import central_differences


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
