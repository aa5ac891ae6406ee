"""Spectral maps: what is drawn is what was given, with shared limits, hatching and band marks."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from sklearn.base import BaseEstimator

from eegexplain.plotting import SpectralMapDisplay

NAMES = ["O1", "Fp1", "C3", "Fp2"]
FREQUENCIES = np.arange(0.0, 60.0, 2.0)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def explanation(**changes):
    rng = np.random.default_rng(0)
    value = rng.normal(0, 1, (2, 4, 30))
    coords = {"output": ["left", "right"], "channel": NAMES, "frequency": FREQUENCIES} | changes
    dims = tuple(coords)
    dataset = xr.Dataset({"value": (dims, value), "standard_error": (dims, np.full(value.shape, 0.4))}, coords)
    return dataset.assign_attrs(method="gradient", label="correlation")


def test_panels_show_the_values_with_shared_limits():
    display = SpectralMapDisplay.from_explanation(explanation()).plot()
    value = explanation()["value"].values[:, :, FREQUENCIES <= 45]
    assert [ax.get_title() for ax in display.axes_] == ["left", "right"]
    for row, image in enumerate(display.images_):
        np.testing.assert_allclose(image.get_array().reshape(4, -1), value[row])
        np.testing.assert_allclose(image.get_clim(), (-np.abs(value).max(), np.abs(value).max()))
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == NAMES
    assert display.ax_.yaxis_inverted() and display.colorbar_.ax.get_ylabel() == "correlation"


def test_axes_may_come_in_any_order():
    turned = explanation().transpose("frequency", "channel", "output")
    first, second = (SpectralMapDisplay.from_explanation(data) for data in (explanation(), turned))
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.standard_error, second.standard_error)


def test_front_is_on_top():
    display = SpectralMapDisplay.from_explanation(explanation(), output="right").plot(order="front", vlim=2.0)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[0][:2] == labels[1][:2] == "Fp" and labels[2:] == ["C3", "O1"]
    drawn = display.images_[0].get_array().reshape(4, -1)
    expected = explanation()["value"].sel(output="right", channel=labels).values[:, FREQUENCIES <= 45]
    np.testing.assert_allclose(drawn, expected)
    assert display.images_[0].get_clim() == (-2.0, 2.0)


def test_hatching_covers_exactly_the_cells_near_zero():
    display = SpectralMapDisplay.from_explanation(explanation()).plot()
    unsure = np.abs(display.values[0]) < 2 * display.standard_error[0]
    covered = np.zeros_like(unsure)
    for path in display.hatches_[0].get_paths():
        (left, top), (right, bottom) = path.vertices.min(axis=0), path.vertices.max(axis=0)
        columns = (display.frequencies > left) & (display.frequencies < right)
        assert bottom == top + 1
        covered[int(top), columns] = True
    np.testing.assert_array_equal(covered, unsure)
    assert SpectralMapDisplay.from_explanation(explanation()).plot(hatch=False).hatches_ == [None, None]
    assert SpectralMapDisplay.from_explanation(explanation().drop_vars("standard_error")).plot().hatches_[0] is None


def test_bands_are_marked_inside_the_panel():
    display = SpectralMapDisplay.from_explanation(explanation(), output="left", fmax=20).plot()
    assert [text.get_text() for text in display.ax_.texts] == ["delta", "theta", "alpha", "beta"]
    plain = SpectralMapDisplay.from_explanation(explanation(), output="left").plot(bands=None)
    assert not plain.ax_.texts
    own = SpectralMapDisplay.from_explanation(explanation(), output="left").plot(bands={"mu": (8, 12)})
    assert [text.get_text() for text in own.ax_.texts] == ["mu"]


def test_band_maps_have_names_as_columns():
    rng = np.random.default_rng(0)
    bands = xr.Dataset(
        {"value": (("channel", "band"), rng.normal(size=(4, 2)))}, {"channel": NAMES, "band": ["alpha", "beta"]}
    )
    _, ax = plt.subplots()
    display = SpectralMapDisplay.from_explanation(bands).plot(ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["alpha", "beta"] and display.ax_ is ax


def test_from_estimator_draws():
    class Explainer(BaseEstimator):
        def fit(self, X, y):
            self.explanation_ = explanation()
            return self

    fitted = Explainer().fit(None, None)
    assert len(SpectralMapDisplay.from_estimator(fitted, output="left", fmin=4).images_) == 1


def test_nan_cells_are_left_blank():
    display = SpectralMapDisplay(np.array([[[np.nan, 1.0]]]), ["a"], frequencies=[1.0, 2.0]).plot()
    assert display.images_[0].get_array().mask.tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": np.ones((4, 30))}, "shape"),
        ({"ch_names": NAMES[:3]}, "ch_names has length 3"),
        ({"frequencies": FREQUENCIES[:4]}, "frequencies has length 4"),
        ({"frequencies": FREQUENCIES[::-1]}, "must rise"),
        ({"frequencies": None}, "either frequencies or bands"),
        ({"outputs": ["one"]}, "outputs has length 1"),
        ({"standard_error": np.ones((2, 4, 3))}, "standard_error has shape"),
        ({"values": np.full((2, 4, 30), np.nan)}, "No value is finite"),
    ],
)
def test_bad_input_is_named(arguments, message):
    given = {"values": np.ones((2, 4, 30)), "ch_names": NAMES, "frequencies": FREQUENCIES} | arguments
    with pytest.raises(ValueError, match=message):
        SpectralMapDisplay(**given)


def test_bad_choices_are_named():
    display = SpectralMapDisplay.from_explanation(explanation())
    with pytest.raises(ValueError, match="takes one output, but there are 2"):
        display.plot(ax=plt.gca())
    with pytest.raises(ValueError, match="Did you mean 'front'"):
        display.plot(order="frnt")
    with pytest.raises(ValueError, match="each of the 4 channel indices"):
        display.plot(order=[0, 0, 1, 2])
    with pytest.raises(ValueError, match="Did you mean 'left'"):
        SpectralMapDisplay.from_explanation(explanation(), output="lft")
    with pytest.raises(ValueError, match="No frequency"):
        SpectralMapDisplay.from_explanation(explanation(), fmin=200, fmax=300)
    with pytest.raises(ValueError, match="channels and frequencies"):
        SpectralMapDisplay.from_explanation(explanation().rename(frequency="time"))
