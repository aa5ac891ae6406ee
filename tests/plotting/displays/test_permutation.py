"""Histograms of permutations beside the true labels."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from eegexplain.plotting import PermutationDisplay


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_every_permutation_is_counted_and_the_true_value_is_a_line():
    null = np.random.default_rng(0).normal(size=(2, 39))
    display = PermutationDisplay(null, [2.0, -1.0], ["spearman", "cosine"], [0.025, 0.9]).plot()
    for ax, line, value in zip(display.axes_, display.lines_, [2.0, -1.0], strict=True):
        assert sum(patch.get_height() for patch in ax.patches) == 39
        assert line.get_xdata()[0] == value
    assert [ax.get_title(loc="right") for ax in display.axes_] == ["p = 0.025", "p = 0.9"]


def test_cells_are_ticks():
    display = PermutationDisplay([[0.0, 1.0, 2.0]], [3.0], ["maximum"], [0.25], cells=[0.5, 3.0]).plot()
    np.testing.assert_array_equal(display.ax_.lines[-1].get_xdata(), [0.5, 3.0])


def test_refusals():
    with pytest.raises(ValueError, match="null is empty"):
        PermutationDisplay(np.zeros((1, 0)), [1.0], ["a"], [1.0])
    with pytest.raises(ValueError, match="single statistic"):
        PermutationDisplay(np.zeros((2, 3)), [1.0, 1.0], ["a", "b"], [1.0, 1.0], cells=[1.0])
    with pytest.raises(ValueError, match="names has length 1"):
        PermutationDisplay(np.zeros((2, 3)), [1.0, 1.0], ["a"], [1.0, 1.0])
    with pytest.raises(ValueError, match="one statistic"):
        PermutationDisplay(np.zeros((2, 3)), [1.0, 1.0], ["a", "b"], [1.0, 1.0]).plot(ax=plt.gca())
