"""Spectral maps: what is drawn is what was given, with shared limits, pale cells and band marks."""

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


def test_exactly_the_cells_near_zero_are_pale_and_the_others_outlined():
    display = SpectralMapDisplay.from_explanation(explanation()).plot(order=[2, 0, 3, 1])
    unsure = (np.abs(display.values[0]) < 2 * display.standard_error[0])[[2, 0, 3, 1]]
    np.testing.assert_array_equal(display.images_[0].get_alpha() < 1, unsure)
    drawn = {tuple(map(tuple, np.sort(line, axis=0))) for line in display.outlines_[0].get_segments()}
    edges, expected = np.append(display.frequencies - 1, display.frequencies[-1] + 1), set()
    for (row, column), pale in np.ndenumerate(unsure):
        below = row + 1 == 4 or unsure[row + 1, column]
        right = column + 1 == unsure.shape[1] or unsure[row, column + 1]
        left, stop = edges[column], edges[column + 1]
        sides = [((left, row + 1), (stop, row + 1), pale != below), ((stop, row), (stop, row + 1), pale != right),
                 ((left, row), (stop, row), not row and not pale), ((left, row), (left, row + 1), not (column or pale))]
        expected |= {(start, end) for start, end, wanted in sides if wanted}
    assert drawn == expected
    assert SpectralMapDisplay.from_explanation(explanation()).plot(fade=False).outlines_ == [None, None]
    assert SpectralMapDisplay.from_explanation(explanation().drop_vars("standard_error")).plot().outlines_[0] is None
    with pytest.raises(ValueError, match="fade must have the shape"):
        SpectralMapDisplay.from_explanation(explanation()).plot(fade=np.ones((2, 2), dtype=bool))


def test_two_spikes_do_not_take_the_scale_but_a_lone_rhythm_keeps_it():
    values = np.random.default_rng(0).uniform(-1, 1, (1, 19, 45))
    values[0, [3, 7], 43] = 2.4, -2.2
    names, frequencies = [f"ch{k}" for k in range(19)], np.arange(1.0, 46)
    display = SpectralMapDisplay(values, names, frequencies=frequencies).plot()
    rest = np.sort(np.abs(values), axis=None)[-3]
    assert display.images_[0].get_clim() == (-rest, rest) and display.colorbar_.extend == "both"
    whole = display.plot(vlim=None)
    assert whole.images_[0].get_clim() == (-2.4, 2.4) and whole.colorbar_.extend == "neither"
    assert display.plot(vlim=(-3, 2)).colorbar_.extend == "max"
    lone = SpectralMapDisplay(0.05 * values.clip(-1, 1), names, frequencies=frequencies)
    lone.values[0, 2, 9] = 1.0
    assert lone.plot().images_[0].get_clim() == (-1, 1)


@pytest.mark.parametrize(("n_channels", "every"), [(8, 1), (64, 1), (128, 2), (256, 4)])
def test_names_of_many_channels_are_thinned(n_channels, every):
    names = [f"E{k}" for k in range(1, n_channels + 1)]
    display = SpectralMapDisplay(np.ones((1, n_channels, 3)), names, frequencies=[1.0, 2.0, 3.0]).plot()
    display.figure_.draw_without_rendering()
    labels = display.ax_.get_yticklabels()
    assert [label.get_text() for label in labels] == names[::every]
    boxes = [label.get_window_extent() for label in labels]
    assert all(below.y1 <= above.y0 + 1 for above, below in zip(boxes, boxes[1:], strict=False))
    assert min(label.get_fontsize() for label in labels) >= 6


@pytest.mark.parametrize(("n_outputs", "lines"), [(2, [2]), (4, [2, 2]), (5, [3, 2]), (6, [3, 3])])
def test_many_outputs_wrap(n_outputs, lines):
    values = np.random.default_rng(0).normal(size=(n_outputs, 4, 3))
    outputs = [f"{k} class with quite a name, longer than its panel: auditory, left ear" for k in range(n_outputs)]
    display = SpectralMapDisplay(values, NAMES, frequencies=[1.0, 2.0, 3.0], outputs=outputs).plot()
    assert len(display.axes_) == n_outputs == len(display.images_)
    rows = [ax.get_subplotspec().rowspan.start for ax in display.axes_]
    assert [rows.count(k) for k in range(len(lines))] == lines
    display.figure_.draw_without_rendering()
    renderer = display.figure_.canvas.get_renderer()
    for ax in display.axes_:
        assert ax.title.get_text().replace("\n", " ").startswith(ax.title.get_text()[0])
        assert ax.get_position().width * display.figure_.get_figwidth() > 2
        assert ax.title.get_window_extent(renderer).width < 1.3 * ax.get_window_extent().width


def test_channels_with_places_of_their_own_are_ordered_by_these():
    places = np.array([[0.0, -0.08], [0.0, 0.08], [0.03, 0.0], [-0.03, 0.0]])
    names = ["E1", "E2", "E3", "E4"]
    display = SpectralMapDisplay(np.ones((1, 4, 2)), names, frequencies=[1.0, 2.0], positions=places)
    assert [t.get_text() for t in display.plot(order="front").ax_.get_yticklabels()] == ["E2", "E4", "E3", "E1"]
    with pytest.raises(ValueError, match="No position"):
        SpectralMapDisplay(np.ones((1, 4, 2)), names, frequencies=[1.0, 2.0]).plot(order="front")


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


@pytest.mark.parametrize("bands", [["delta", "theta", "alpha", "residual"], ["the whole alpha range"] * 6])
def test_names_of_bands_do_not_touch(bands):
    display = SpectralMapDisplay(np.ones((1, 4, len(bands))), NAMES, bands=bands).plot(panel_size=(1.9, 2.2))
    display.figure_.canvas.draw()
    labels = display.ax_.get_xticklabels()
    assert min(label.get_fontsize() for label in labels) >= 7
    if not labels[0].get_rotation():
        boxes = [label.get_window_extent() for label in labels]
        assert all(one.x1 <= other.x0 for one, other in zip(boxes, boxes[1:], strict=False))
    assert labels[0].get_rotation() == (35 if len(bands) == 6 else 0)


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
