import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from sklearn.base import BaseEstimator

from eegexplain.plotting import TopomapDisplay, channel_positions
from eegexplain.plotting.scalp.positions import HEAD_RADIUS

NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 Oz O2".split()
RNG = np.random.default_rng(0)
VALUES = RNG.standard_normal(20)
GRID = RNG.standard_normal((2, 5, 20))
TIMES = np.linspace(-0.1, 0.3, 5)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def explanation(columns="band", labels=("alpha", "beta", "gamma"), rows="output"):
    shape = (2, 20, len(labels))
    value = np.random.default_rng(1).standard_normal(shape)
    coords = {rows: ["left", "right"], "channel": NAMES, columns: list(labels)}
    return xr.Dataset(
        {"value": ((rows, "channel", columns), value), "standard_error": ((rows, "channel", columns), 0.1 + 0 * value)},
        coords=coords,
    )


class Fitted(BaseEstimator):
    def __init__(self, dataset):
        self.explanation_ = dataset

    def fit(self, X, y):
        return self


def test_the_picture_is_the_interpolated_map():
    display = TopomapDisplay.from_values(VALUES, NAMES).plot()
    image = np.ma.filled(display.im_.get_array(), np.nan)
    assert np.array_equal(image, display.topography(VALUES), equal_nan=True)
    # The pixel of an electrode shows the electrode's own value, to the distance of half a pixel.
    axis = display.topography.centres
    x, y = channel_positions(["C3"])[0]
    shown = image[np.abs(axis - y).argmin(), np.abs(axis - x).argmin()]
    assert abs(shown - VALUES[NAMES.index("C3")]) < 0.1


def test_zero_is_neutral_and_limits_are_shared():
    display = TopomapDisplay.from_values(GRID, NAMES, bands=list("abcde")).plot_grid()
    peak = np.abs(GRID).max()
    assert {image.get_clim() for image in display.images_.flat} == {(-peak, peak)}
    red, green, blue, _ = display.images_[0, 0].cmap(0.5)
    assert min(red, green, blue) > 0.9
    assert len(display.figure_.axes) == 10 + 1  # one colour bar


def test_contour_levels_are_shared_and_leave_zero_out():
    display = TopomapDisplay.from_values(GRID, NAMES)
    look = display.look()
    assert len(look.levels) == 6 and np.allclose(look.levels, -look.levels[::-1]) and (look.levels != 0).all()
    for frame in (0, 3):
        drawn = display.plot(frame=frame).contours_.levels
        assert set(np.round(drawn, 9)) <= set(np.round(look.levels, 9))
    assert display.plot(contours=0).contours_ is None
    assert list(display.plot(contours=[0.5]).contours_.levels) == [0.5]


@pytest.mark.parametrize(
    ("vlim", "expected"),
    [(2, (-2, 2)), ((None, 3), (-3, 3)), ((-4, None), (-4, 4)), ((-1, 2), (-1, 2)), (None, (-1.5, 1.5))],
)
def test_one_sided_limits_are_mirrored(vlim, expected):
    values = np.full(20, 0.5)
    values[3] = -1.5
    assert TopomapDisplay.from_values(values, NAMES).plot(vlim=vlim).im_.get_clim() == expected


def test_positive_values_keep_the_diverging_map_unless_asked():
    display = TopomapDisplay.from_values(np.abs(VALUES), NAMES)
    peak = np.abs(VALUES).max()
    assert display.plot().im_.get_clim() == (-peak, peak)
    display.plot(sequential=True)
    assert display.im_.get_clim() == (0, peak) and display.im_.cmap.name == "Reds"
    with pytest.raises(ValueError, match="smallest is"):
        TopomapDisplay.from_values(VALUES, NAMES).plot(sequential=True)


def test_missing_channels_are_dropped_warned_and_marked():
    values = VALUES.copy()
    values[[2, 7]] = np.nan, np.inf
    with pytest.warns(UserWarning, match="F7, T7") as caught:
        display = TopomapDisplay.from_values(values, NAMES)
    assert caught[0].filename == __file__
    display.plot(mask=np.ones(20, dtype=bool))
    kept = np.isfinite(values)
    full = TopomapDisplay.from_values(values[kept], [n for n, k in zip(NAMES, kept, strict=True) if k])
    assert np.array_equal(display.maps(0, 0), full.maps(0, 0), equal_nan=True)
    crosses = [line for line in display.ax_.lines if line.get_marker() == "x"]
    assert np.allclose(crosses[0].get_xydata(), channel_positions(["F7", "T7"]))


def test_the_mask_marks_its_electrodes():
    mask = np.zeros(20, dtype=bool)
    mask[[4, 9]] = True
    display = TopomapDisplay.from_values(VALUES, NAMES).plot(mask=mask)
    discs = [line for line in display.ax_.lines if line.get_markerfacecolor() == "white"]
    assert np.allclose(discs[0].get_xydata(), channel_positions(["Fz", "Cz"]))
    plain = [line for line in display.ax_.lines if line.get_marker() == "o" and line not in discs]
    assert len(plain[0].get_xydata()) == 18


@pytest.mark.parametrize("inches", [2, 8])
def test_names_never_overlap(inches):
    montage = "biosemi64"
    import mne

    names = mne.channels.make_standard_montage(montage).ch_names
    _, ax = plt.subplots(figsize=(inches, inches))
    display = TopomapDisplay.from_values(np.arange(64.0), names).plot(ax=ax, names=True, colorbar=False)
    display.figure_.draw_without_rendering()
    boxes = [text.get_window_extent().shrunk(0.8, 0.7) for text in display.names_]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert len(boxes) == 64 if inches == 8 else len(boxes) >= 30
    assert {"Cz", "Pz", "C3", "C4", "Oz"} <= {text.get_text() for text in display.names_}


def test_dots_show_the_values_themselves():
    display = TopomapDisplay.from_values(VALUES, NAMES).plot(interpolate=False)
    assert np.array_equal(display.im_.get_array(), VALUES)
    assert np.allclose(display.im_.get_offsets(), channel_positions(NAMES))
    display.plot(interpolate=False, mask=VALUES > 1)
    assert np.array_equal(np.array(display.im_.get_linewidths()) > 1, VALUES > 1)
    assert len(display.ax_.lines) == 1  # the outline: discs do not hide under white marks
    display.plot_grid(interpolate=False, mask=VALUES > 1)
    assert np.array_equal(np.array(display.images_[0, 0].get_linewidths()) > 1, VALUES > 1)


def test_all_equal_values_give_a_plain_map():
    display = TopomapDisplay.from_values(np.zeros(20), NAMES).plot()
    assert display.im_.get_clim() == (-1, 1) and display.contours_ is None
    assert TopomapDisplay.from_values(np.full(20, 2.0), NAMES).plot().contours_ is None


def test_the_frame_is_found_by_time_band_index_or_peak():
    values = np.zeros((5, 20))
    values[3, 2] = -1
    display = TopomapDisplay.from_values(values, NAMES, TIMES)
    assert display.locate(time=0.08) == (0, 2) and display.locate(frame=-1) == (0, 4) and display.locate() == (0, 3)
    display.plot()
    assert display.ax_.get_title() == "200 ms"
    with pytest.raises(ValueError, match="outside the time axis"):
        display.plot(time=3.0)
    with pytest.raises(ValueError, match="not time and frame"):
        display.plot(time=0.1, frame=1)


def test_grid_over_time_takes_evenly_spaced_or_given_times():
    display = TopomapDisplay.from_values(RNG.standard_normal((50, 20)), NAMES, np.arange(50) / 100)
    display.plot_grid(times=4)
    assert [ax.get_title() for ax in display.axes_[0]] == ["0 ms", "160 ms", "330 ms", "490 ms"]
    display.plot_grid(times=[0.1, 0.2])
    assert np.array_equal(
        np.ma.filled(display.images_[0, 1].get_array(), np.nan), display.maps(0, 20), equal_nan=True
    )


def test_from_estimator_reads_the_explanation():
    fitted = Fitted(explanation())
    display = TopomapDisplay.from_estimator(fitted, output="right", band="beta")
    assert np.array_equal(display.values[0, 0], fitted.explanation_["value"].sel(output="right", band="beta"))
    assert display.ax_.figure is display.figure_
    grid = TopomapDisplay.from_estimator(fitted)
    assert grid.axes_.shape == (2, 3) and grid.axes_[0, 1].get_title() == "beta"
    assert np.array_equal(grid.values[1, 2], fitted.explanation_["value"][1, :, 2])
    with pytest.raises(ValueError, match="Did you mean 'beta'"):
        TopomapDisplay.from_estimator(fitted, band="betta")


def test_from_explanation_averages_bands_and_times():
    frequencies = np.arange(1.0, 30)
    data = explanation("frequency", frequencies)
    display = TopomapDisplay.from_explanation(data, band=(8, 12))
    expected = data["value"].values[:, :, (frequencies >= 8) & (frequencies < 12)].mean(axis=2)
    assert np.allclose(display.values[:, 0], expected)
    assert TopomapDisplay.from_explanation(data).bands == ["delta", "theta", "alpha", "beta"]
    over_time = explanation("time", TIMES, rows="filter")
    display = TopomapDisplay.from_explanation(over_time, output="left", time=(0.0, 0.21))
    assert np.allclose(display.values[0, 0], over_time["value"].values[0, :, 1:4].mean(axis=1))
    display = TopomapDisplay.from_explanation(over_time)
    assert np.array_equal(display.times, TIMES) and display.standard_error.shape == display.values.shape


def test_an_explanation_without_channels_is_refused():
    with pytest.raises(ValueError, match="no channel axis"):
        TopomapDisplay.from_explanation(explanation().rename(channel="place"))
    with pytest.raises(ValueError, match=r"also has subject.*isel\(subject=0\)"):
        TopomapDisplay.from_explanation(explanation().expand_dims(subject=3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((VALUES, NAMES[:19]), "19 channel names for 20 values"),
        ((np.zeros((0, 20)), NAMES), "values is empty"),
        ((GRID[0], NAMES, TIMES[:3]), "times has length 3"),
        ((np.full(20, np.nan), NAMES), "nothing to draw"),
        ((np.zeros((1, 1, 1, 20)), NAMES), "must have shape"),
    ],
)
def test_bad_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        TopomapDisplay.from_values(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": np.ones(3, dtype=bool)}, "mask must have shape"),
        ({"contours": -1}, "whole number"),
        ({"vlim": (2, 1)}, "vlim must rise"),
        ({"output": "left"}, "output='left'"),
        ({"band": "alpha"}, "there are none"),
        ({"time": 0.1}, "no times"),
    ],
)
def test_bad_plot_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        TopomapDisplay.from_values(VALUES, NAMES).plot(**options)


def test_the_head_frames_the_map():
    display = TopomapDisplay.from_values(VALUES, NAMES).plot(colorbar=False)
    outline = display.ax_.lines[0] if display.ax_.lines else None
    assert outline is not None and to_rgba(outline.get_color()) == (0, 0, 0, 1)
    x, y = outline.get_data()
    assert np.nanmax(y) > 1.1 * HEAD_RADIUS  # the nose, above
    assert np.isclose(np.nanmax(x), -np.nanmin(x))
    low, high = display.ax_.get_ylim()
    assert low < np.nanmin(y) and high > np.nanmax(y)


def test_electrodes_beyond_the_head_widen_the_map():
    display = TopomapDisplay.from_values(VALUES, NAMES, positions="colin27_1005").plot()
    assert display.topography.radius > HEAD_RADIUS
    assert display.ax_.get_xlim()[1] > display.topography.radius
