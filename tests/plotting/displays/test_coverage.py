"""Coverage by level."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

from eegexplain.encoding import DecodingCalibration
from eegexplain.plotting import CoverageDisplay


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_lines_are_shares_of_regions_that_hold_the_truth():
    mass = np.random.default_rng(0).random(80) ** 0.5
    calibration = DecodingCalibration(mass, np.zeros(80))
    display = CoverageDisplay.from_calibrations({"narrow": calibration, "same": calibration}).plot()
    levels = np.linspace(0, 1, 101)
    for line in display.lines_:
        assert_allclose(line.get_xdata(), 100 * levels)
        assert_allclose(line.get_ydata(), 100 * calibration.coverage(levels))
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["narrow", "same"]


def test_band_is_where_right_decoders_are():
    display = CoverageDisplay([np.linspace(0, 1, 50)], [""]).plot()
    edges = display.band_.get_paths()[0].vertices
    at = edges[np.isclose(edges[:, 0], 50), 1]
    # 50 tosses: 18 to 32 heads hold 95 %
    assert_allclose([at.min(), at.max()], [36, 64])


def test_refusals():
    with pytest.raises(ValueError, match="from 0 to 1"):
        CoverageDisplay([[0.5, 1.2]], ["a"])
    with pytest.raises(ValueError, match="one entry per decoder"):
        CoverageDisplay([[0.5]], ["a", "b"])
