"""Information maps: bars of what was found, one scale from zero, grey where the gate is closed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import rgb_to_hsv, to_rgb
from scipy import stats

from eegexplain.plotting import InformationDisplay

BANDS = ["delta", "alpha", "beta"]
VALUES, ERRORS = np.array([-0.02, 0.2, 0.1]), np.array([0.03, 0.05, 0.06])


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def explanation(values=VALUES, dims=("band",), *, coords=None, total=0.3, error=0.05, folds=None, **beside):
    values = np.asarray(values, float)
    coords = coords or {"band": BANDS}
    variables = {"value": (dims, values), "standard_error": (dims, np.resize(ERRORS, values.shape))}
    variables |= {"total_value": total, "total_standard_error": error, "entropy_value": 1.0}
    variables |= {name: (dims, np.asarray(one, float)) for name, one in beside.items() if name != "decomposition"}
    if folds is not None:
        variables["fold_value"] = (("fold", "seed", *dims), np.asarray(folds, float))
        variables["total_fold_value"] = (("fold", "seed"), np.full((len(folds), 1), total))
    facts = {"unit": "bit", "degrees_of_freedom": 4, "decomposition": beside.get("decomposition", "unique")}
    return xr.Dataset(variables, coords, facts | {"method": "information", "label": "information (bits)"})


def heights(display):
    return [bar.get_height() for bar in display.ax_.patches]


def is_grey(color):
    return rgb_to_hsv(to_rgb(color[:3]))[1] < 1e-6


def test_bars_are_the_values_and_the_total():
    display = InformationDisplay.from_explanation(explanation(corrected_p=[0.5, 0.01, 0.2])).plot()
    np.testing.assert_allclose(heights(display), [*VALUES, 1.0, 0.3])  # cells, entropy, total
    low, high = display.ax_.get_ylim()
    half = stats.t.ppf(0.975, 4) * ERRORS
    assert low < (VALUES - half).min() and high > 1.0, "negative values and the entropy are inside"
    assert "holds 0.300 of 1.000 bits" in display.title_.get_text().replace("\n", " ")


def test_cells_without_evidence_are_light():
    p_values = np.array([0.5, 0.01, 0.06])
    display = InformationDisplay.from_explanation(explanation(corrected_p=p_values)).plot()
    light = np.array([min(bar.get_facecolor()[:3]) > 0.5 for bar in display.ax_.patches[:3]])
    np.testing.assert_array_equal(light, p_values > 0.05)
    without = InformationDisplay.from_explanation(explanation())  # no p values: intervals of t(4) above 0
    np.testing.assert_array_equal(without.amounts[0].told, VALUES > 2.776 * ERRORS)
    masked = InformationDisplay.from_explanation(explanation(), mask=[True, False, False])
    np.testing.assert_array_equal(masked.amounts[0].told, [True, False, False])


def test_a_closed_gate_is_grey_and_says_so():
    display = InformationDisplay.from_explanation(explanation(total=0.05, corrected_p=[0.5, 0.01, 0.01])).plot()
    told = display.title_.get_text().replace("\n", " ")
    assert "Information is not shown above 0" in told and "may decode" in told and "no information" not in told
    assert all(is_grey(bar.get_facecolor()) for bar in display.ax_.patches)
    opened = InformationDisplay.from_explanation(explanation(corrected_p=[0.5, 0.01, 0.01])).plot()
    assert not is_grey(opened.ax_.patches[1].get_facecolor())


def test_no_zoom_makes_a_thousandth_of_a_bit_tall():
    tiny = explanation(VALUES / 1e4, total=3e-5, error=1e-6)
    tiny["standard_error"] = tiny["standard_error"] / 1e4
    assert InformationDisplay.from_explanation(tiny).plot().ax_.get_ylim()[1] >= 0.05


def test_alone_stands_beside_unique():
    found = explanation([0.0, 0.3, 0.2], decomposition="alone", unique_value=VALUES, unique_standard_error=ERRORS)
    truth = {"unique": [0, 0.25, 0.15], "alone": [0, 0.28, 0.22], "total": 0.35}
    display = InformationDisplay.from_explanation(found, truth=truth).plot()
    np.testing.assert_allclose(heights(display)[:6], [*VALUES, 0.0, 0.3, 0.2])
    diamonds = [line.get_ydata() for line in display.ax_.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(np.concatenate(diamonds), [*truth["unique"], *truth["alone"], 0.35])
    names = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert names[:2] == ["lost without the cell", "known by the cell alone"] and "exact" in names


def test_shares_reach_the_total():
    shares = [0.25, -0.05, 0.06, 0.04]
    found = explanation(shares[:3]).reindex(band=[*BANDS, "outside"], fill_value=0.0)
    found["value"] = ("band", shares)
    found.attrs["decomposition"] = "shapley"
    display = InformationDisplay.from_explanation(found).plot()
    bars = display.ax_.patches[:4]
    ends = [bar.get_y() + bar.get_height() for bar in bars]
    np.testing.assert_allclose([bar.get_y() for bar in bars], [0, *ends[:-1]])
    assert ends[-1] == pytest.approx(0.3) == pytest.approx(display.ax_.patches[-1].get_height())


def test_numbers_are_an_axis():
    found = explanation(VALUES, ("frequency",), coords={"frequency": [2.0, 4.0, 6.0]})
    display = InformationDisplay.from_explanation(found).plot()
    assert display.ax_.get_xlim() == (1.0, 7.0) and display.ax_.get_xlabel() == "frequency (Hz)"
    np.testing.assert_allclose([bar.get_width() for bar in display.ax_.patches], 2.0)


def test_folds_are_dots():
    folds = VALUES + np.linspace(-0.1, 0.1, 5)[:, None, None]
    display = InformationDisplay.from_explanation(explanation(folds=folds)).plot()
    (dots,) = (one.get_offsets() for one in display.ax_.collections if len(one.get_offsets()) == folds.size)
    np.testing.assert_allclose(np.sort(dots[:, 1]), np.sort(folds.ravel()))


SCALP = {"channel": ["Fz", "C3", "C4", "Pz", "Oz"], "band": BANDS}
MAP = np.array([[0, 0.1, 0], [0, 0, 0.3], [0, 0, 0], [0, 0.1, 0], [-0.1, 0.4, 0]])


def test_scalps_share_one_scale_with_white_at_zero():
    display = InformationDisplay.from_explanation(explanation(MAP, ("channel", "band"), coords=SCALP)).plot()
    assert [ax.get_title() for ax in display.axes_] == BANDS
    (image,) = {(one.norm.vmin, one.norm.vmax) for one in display.scalps_.images_.flat}
    assert image[0] == pytest.approx(-0.1) and 0.3 < image[1] <= 0.4
    cmap, norm = display.scalps_.images_[0, 0].cmap, display.scalps_.images_[0, 0].norm
    assert min(cmap(norm(0.0))[:3]) > 0.94, "zero is white"
    assert cmap(norm(-0.1))[2] > cmap(norm(-0.1))[0], "what misleads is blue"
    np.testing.assert_allclose(display.scalps_.values[0], MAP.T)
    with pytest.raises(ValueError, match="ax"):
        display.plot(ax=plt.figure().gca())


def test_scalps_of_a_closed_gate_are_grey_and_unmarked():
    found = explanation(MAP, ("channel", "band"), coords=SCALP, total=0.01, corrected_p=np.zeros(MAP.shape))
    display = InformationDisplay.from_explanation(found).plot()
    cmap = display.scalps_.images_[0, 0].cmap
    assert all(is_grey(cmap(share)) for share in (0.0, 0.5, 1.0))
    assert display.figure_.get_supxlabel() == ""
    opened = InformationDisplay.from_explanation(found.assign(total_value=0.3)).plot()
    assert opened.figure_.get_supxlabel() == "white dots: told from 0"


def test_channels_of_no_montage_and_many_columns_are_a_table():
    unknown = explanation(MAP, ("channel", "band"), coords={**SCALP, "channel": list("abcde")})
    display = InformationDisplay.from_explanation(unknown).plot()
    np.testing.assert_allclose(display.ax_.collections[0].get_array().reshape(MAP.shape), MAP)
    bins = explanation(np.zeros((5, 3)), ("channel", "band"), coords=SCALP).isel(band=[0] * 22)
    bins = bins.drop_vars("band").rename(band="frequency").assign_coords(frequency=2.0 * np.arange(1, 23))
    assert InformationDisplay.from_explanation(bins).plot().ax_.get_xlabel().startswith("frequency (Hz)")
    regions = explanation(MAP.T, ("band", "channel"), coords={**SCALP, "channel": list("abcde")})
    turned = InformationDisplay.from_explanation(regions).plot()
    np.testing.assert_allclose(turned.ax_.collections[0].get_array().reshape(MAP.shape), MAP)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="no total information"):
        InformationDisplay.from_explanation(explanation().drop_vars("total_value"))
    with pytest.raises(ValueError, match="one or two axes"):
        InformationDisplay.from_explanation(explanation(np.zeros((1, 1, 3)), ("a", "b", "band")))
    with pytest.raises(ValueError, match=r"mask must have the shape of the values, \(3,\)"):
        InformationDisplay.from_explanation(explanation(), mask=[True])
    with pytest.raises(ValueError, match="truth is of"):
        InformationDisplay.from_explanation(explanation(), truth={"uniq": VALUES})
    with pytest.raises(ValueError, match="shape"):
        InformationDisplay.from_explanation(explanation(), truth={"unique": [1.0]})
    with pytest.raises(ValueError, match="No value is finite"):
        InformationDisplay.from_explanation(explanation([np.nan] * 3))


def test_no_letter_is_smaller_than_seven_points():
    for found in (explanation(decomposition="alone", unique_value=VALUES, unique_standard_error=ERRORS),
                  explanation(MAP, ("channel", "band"), coords=SCALP)):  # fmt: skip
        figure = InformationDisplay.from_explanation(found).plot().figure_
        figure.canvas.draw()
        shown = [text for text in figure.findobj(plt.Text) if text.get_text().strip() and text.get_visible()]
        assert min(text.get_fontsize() for text in shown) >= 7.0
