import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from sklearn.base import BaseEstimator

from eegexplain import PerturbationCorrelator, ReverseCorrelator, TemplateDisplay
from eegexplain.plotting import SpectralMapDisplay, TopomapDisplay, channel_positions, one_column
from eegexplain.plotting._look import axes_size
from eegexplain.plotting.scalp.positions import HEAD_RADIUS
from tests.estimators import fast_classifier

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


# ------------------------------------------------------------------------------------------------ names of any length
LONG = ["auditory/left, as loud as could be", "imagined movement of the right hand", "x" * 80]


@pytest.mark.parametrize("outputs", [["a", "b", "c"], LONG])
def test_names_of_any_length_leave_the_maps_their_size(outputs):
    values = np.repeat(GRID[:1], 3, axis=0)
    display = TopomapDisplay.from_values(values, NAMES, outputs=outputs, bands=list("abcde")).plot_grid()
    display.figure_.canvas.draw()
    assert min(axes_size(ax) for ax in display.axes_.flat) > 1.2  # of 1.5 inches
    page = display.figure_.bbox
    texts = [ax.texts[0] for ax in display.axes_[:, 0]]
    boxes = [text.get_window_extent() for text in texts]
    assert all(page.x0 <= box.x0 and box.y0 >= page.y0 and box.y1 <= page.y1 for box in boxes)
    assert not any(above.overlaps(below) for above, below in zip(boxes, boxes[1:], strict=False))
    assert all(box.x1 <= ax.get_window_extent().x0 + 8 for box, ax in zip(boxes, display.axes_[:, 0], strict=True))
    if outputs is LONG:
        assert texts[0].get_text().replace("\n", " ") == LONG[0] and "\N{HORIZONTAL ELLIPSIS}" in texts[2].get_text()


def test_long_bands_and_titles_are_broken_too():
    bands = ["the whole of the alpha range and more"] * 5
    display = TopomapDisplay.from_values(GRID, NAMES, bands=bands, outputs=LONG[:2]).plot_grid()
    display.figure_.canvas.draw()
    titles = [ax.title for ax in display.axes_[0]]
    boxes = [title.get_window_extent() for title in titles]
    assert not any(one.overlaps(other) for one, other in zip(boxes, boxes[1:], strict=False))
    single = display.plot(output=1, frame=0)
    single.figure_.canvas.draw()
    assert single.ax_.title.get_window_extent().x0 >= 0


@pytest.mark.parametrize(("shape", "drawn"), [((6, 1), (1, 6)), ((9, 1), (2, 5)), ((4, 1), (4, 1)), ((1, 14), (2, 7))])
def test_many_maps_of_one_kind_wrap(shape, drawn):
    values = RNG.standard_normal((*shape, 20))
    names = [f"out {k}" for k in range(shape[0])]
    display = TopomapDisplay.from_values(values, NAMES, outputs=names, bands=[f"b{k}" for k in range(shape[1])])
    display.plot_grid(mask=np.abs(values) > 1)
    assert display.axes_.shape == drawn
    shown = [image for image in display.images_.flat if image is not None]
    assert len(shown) == shape[0] * shape[1]
    last = np.ma.filled(shown[-1].get_array(), np.nan)
    np.testing.assert_array_equal(last, display.maps(shape[0] - 1, shape[1] - 1))
    if drawn[0] == 1:
        assert [ax.get_title() for ax in display.axes_[0]] == [f"{name}, b0" for name in names]


# ---------------------------------------------------------------------------------------------------- styles and sizes
def lightness(color):
    return np.dot(to_rgba(color)[:3], (0.299, 0.587, 0.114))


@pytest.mark.parametrize("paint", ["style", "figure"])
def test_heads_and_names_are_seen_on_black(paint):
    with plt.style.context("dark_background" if paint == "style" else "default"):
        _, ax = plt.subplots(facecolor="black")
        display = TopomapDisplay.from_values(GRID, NAMES, outputs=["a", "b"]).plot(ax=ax, interpolate=False, names=True)
        assert lightness(display.ax_.lines[0].get_color()) > 0.9
        assert all(lightness(text.get_color()) > 0.9 for text in display.names_)
        rims = [lightness(color) for color in display.im_.get_edgecolors()]
        assert min(rims) > 0.4
        on_map = TopomapDisplay.from_values(GRID, NAMES).plot(names=True)
        assert all(lightness(text.get_color()) < 0.1 for text in on_map.names_)  # the map is as light as ever
        _, page = plt.subplots(facecolor="white")  # whatever the style: black on white
        head = TopomapDisplay.from_values(GRID, NAMES).plot(ax=page).ax_.lines[0]
        assert lightness(head.get_color()) < 0.1


def test_contours_below_zero_are_dashed():
    display = TopomapDisplay.from_values(VALUES, NAMES).plot()
    assert (display.contours_.levels < 0).any() and (display.contours_.levels > 0).any()
    styles = {offset_and_dashes[1] is not None for offset_and_dashes in display.contours_.get_linestyles()}
    assert styles == {True, False}
    up = TopomapDisplay.from_values(np.abs(VALUES), NAMES).plot(sequential=True)
    assert all(dashes is None for _, dashes in up.contours_.get_linestyles())


def test_the_colour_bar_points_to_what_lies_beyond_it():
    values = RNG.uniform(-1, 1, (1, 5, 20))
    values[0, 2, 3] = 2.5
    display = TopomapDisplay.from_values(values, NAMES)
    rest = np.sort(np.abs(values), axis=None)[-3]
    for vlim, limits, extend in (
        (None, (-2.5, 2.5), "neither"), ("robust", (-rest, rest), "max"), ((-3, 1.5), (-3, 1.5), "max"),
    ):  # fmt: skip
        display.plot(vlim=vlim)
        assert display.im_.get_clim() == limits and display.colorbar_.extend == extend
    with pytest.raises(ValueError, match="Did you mean 'robust'"):
        display.plot(vlim="robst")


@pytest.mark.parametrize("inches", [2, 3])
def test_small_axes_keep_text_that_can_be_read(inches):
    _, ax = plt.subplots(figsize=(inches, inches), layout="constrained")
    display = TopomapDisplay.from_values(VALUES, NAMES, label="correlation").plot(ax=ax, title="beta")
    display.figure_.canvas.draw()
    bar = display.colorbar_.ax
    assert min(label.get_fontsize() for label in [*bar.get_yticklabels(), bar.yaxis.label]) >= 7
    page = display.figure_.bbox
    assert all(page.contains(*corner) for corner in bar.get_tightbbox().corners())
    assert axes_size(ax) > 0.55 * inches


def test_one_column_of_a_journal(tmp_path):
    display = TopomapDisplay.from_values(GRID, NAMES, outputs=["a", "b"], bands=list("abcde"), label="r")
    before = plt.rcParams.copy()
    with one_column():
        for drawn in (display.plot_grid(), display.plot_joint(), display.plot()):
            assert np.isclose(drawn.figure_.get_figwidth(), 85 / 25.4)
            drawn.figure_.canvas.draw()
            assert min(axes_size(ax) for ax in drawn.figure_.axes if ax.get_aspect() == 1) > 0.4
        display.figure_.savefig(tmp_path / "figure")
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF") and plt.rcParams == before
    assert display.plot_grid().figure_.get_figwidth() > 7
    with pytest.raises(ValueError, match="width must be"):
        one_column(30).__enter__()


# ------------------------------------------------------------------------------------------------------ curve and maps
def test_the_course_has_maps_at_its_peaks():
    times = np.linspace(0, 0.5, 101)
    course = np.exp(-(((times - 0.1) / 0.02) ** 2)) - 2 * np.exp(-(((times - 0.3) / 0.03) ** 2))
    values = np.stack([0.1 * VALUES * np.ones((101, 1)), course[:, None] * VALUES])
    display = TopomapDisplay.from_values(values, NAMES, times, outputs=["flat", "peaks"], label="weight")
    display.plot_joint(output="peaks", mask=VALUES > 1)
    curve, *scalps = display.axes_
    assert [ax.get_title() for ax in scalps] == ["100 ms", "300 ms"]
    marks = [line.get_xdata()[0] for line in curve.lines if line.is_dashed()]
    ends = [artist.xy2[0] for artist in display.figure_.artists]
    np.testing.assert_allclose([marks, ends], [[100, 300]] * 2)
    for image, frame in zip(display.images_, (20, 60), strict=True):
        np.testing.assert_array_equal(np.ma.filled(image.get_array(), np.nan), display.maps(1, frame))
        assert image.get_clim() == (-np.abs(values).max(), np.abs(values).max())
    np.testing.assert_allclose(display.lines_[3].get_ydata(), values[1, :, 3])
    np.testing.assert_allclose(display.lines_[-1].get_ydata(), np.sqrt((values[1] ** 2).mean(axis=1)))
    np.testing.assert_allclose(display.lines_[-1].get_xdata(), 1000 * times)
    assert curve.get_ylabel() == "weight" and len(display.plot_joint(output=1, maps=1).axes_) == 2
    assert [ax.get_title() for ax in display.plot_joint(maps=[0.2, 0.4]).axes_[1:]] == ["200 ms", "400 ms"]
    with pytest.raises(ValueError, match="outside the time axis"):
        display.plot_joint(maps=[3.0])
    with pytest.raises(ValueError, match="whole number"):
        display.plot_joint(maps=0)
    with pytest.raises(ValueError, match="there is one map"):
        TopomapDisplay.from_values(VALUES, NAMES).plot_joint()


def test_spectra_keep_their_bins_when_asked():
    frequencies = np.arange(1.0, 46.0)
    data = explanation("frequency", frequencies)
    data["value"][:] *= np.exp(-((frequencies - 10) ** 2) / 4) + 0.01
    display = TopomapDisplay.from_explanation(data, bins=True)
    np.testing.assert_array_equal(display.frequencies, frequencies)
    np.testing.assert_array_equal(display.values, data["value"].transpose("output", "frequency", "channel"))
    assert display.standard_error.shape == display.values.shape and display.locate(band=10.2) == (0, 9)
    assert "10 Hz" in [ax.get_title() for ax in display.plot_joint(output="right").axes_[1:]]
    assert display.axes_[0].get_xlabel() == "frequency (Hz)" and display.plot(band=22).ax_.get_title() == "left, 22 Hz"
    assert list(TopomapDisplay.from_explanation(data, bins=True, band="alpha").frequencies) == [8, 9, 10, 11, 12]
    with pytest.raises(ValueError, match="outside the band axis, 1 to 45 Hz"):
        display.plot(band=99.0)
    with pytest.raises(ValueError, match="bins=True needs frequencies"):
        TopomapDisplay.from_explanation(explanation(), bins=True)
    with pytest.raises(ValueError, match="either times or frequencies"):
        TopomapDisplay.from_values(GRID, NAMES, TIMES, frequencies=TIMES)


# ------------------------------------------------------------------------------------------------- places of their own
def test_channels_of_own_montages_lie_where_their_recording_says():
    import mne

    names = ["E1", "E2", "E3", "E4", "E5", "E6"]
    places = dict(zip(names, 0.095 * np.array(
        [[0, 1, 0], [-1, 0, 0], [0, 0, 1], [1, 0, 0], [0, -1, 0], [0.6, 0.6, 0.5]]), strict=True))  # fmt: skip
    info = mne.create_info(names, 100.0, "eeg")
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    rng, onsets = np.random.default_rng(0), np.column_stack([np.arange(24) * 100, np.zeros(24), np.arange(24) % 2])
    signals = 1e-5 * rng.standard_normal((24, 6, 100))
    epochs = mne.EpochsArray(signals, info, onsets.astype(int), event_id={"a": 0, "b": 1}, verbose=False)
    fitted = PerturbationCorrelator(fast_classifier(), bands="eeg").fit(epochs)
    display = TopomapDisplay.from_estimator(fitted)
    np.testing.assert_allclose(display.positions, channel_positions(names, info))
    order = [text.get_text() for text in SpectralMapDisplay.from_estimator(fitted, order="front").ax_.get_yticklabels()]
    assert order[0] == "E1" and order[-1] == "E5"
    fitted = ReverseCorrelator(fast_classifier()).fit(epochs)
    assert TemplateDisplay.from_estimator(fitted).scalps_[0] is not None
    epochs.info.set_montage(None)
    with pytest.raises(ValueError, match="No position"):
        TopomapDisplay.from_estimator(PerturbationCorrelator(fast_classifier(), bands="eeg").fit(epochs))
