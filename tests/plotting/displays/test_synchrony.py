"""Phase relations as pictures: arcs and dots for what is told from 0, grey where a gate is closed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import rgb_to_hsv, to_rgb
from scipy import stats

from eegexplain.plotting import SynchronyDisplay

NAMES = ["C3", "C4", "O1", "O2"]
SENTENCE = "no test on the scalp tells them apart."


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def table(numbers):
    """Symmetric, 0 on the diagonal, from the pairs."""
    found = np.zeros((4, 4))
    found[np.triu_indices(4, 1)] = numbers
    return found + found.T


def explanation(total=0.5, relations=(0.01, 0.4), dim="channel", p_values=True, error=0.05):
    dims = ("band", dim, f"other_{dim}")
    values = np.stack([table(np.zeros(6)), table([0.0, 0.1, -0.02, 0.03, 0.2, 0.0])])
    variables = {"value": (dims, values), "standard_error": (dims, np.full(values.shape, error))}
    if p_values:
        variables["corrected_p"] = (dims, np.stack([table(np.ones(6)), table([1, 0.01, 0.02, 0.5, 0.001, 1])]))
    for name, found in (("relations", relations), ("reversal", (0.0, 0.3)), ("diagonal", (0.0, 0.2))):
        variables |= {f"{name}_value": ("band", list(found)), f"{name}_standard_error": ("band", [0.05, 0.05])}
    variables |= {"total_value": total, "total_standard_error": 0.05, "entropy_value": 1.0}
    coords = {"band": ["theta", "alpha"], **dict.fromkeys(dims[1:], NAMES)}
    if dim != "channel":
        variables["pattern"] = (("band", "electrode", dim), np.random.default_rng(0).standard_normal((2, 5, 4)))
        coords["electrode"] = [*NAMES, "Fz"]
    facts = {"unit": "bit", "degrees_of_freedom": 99, "caution": SENTENCE}
    return xr.Dataset(variables, coords, facts)


def is_grey(color):
    return rgb_to_hsv(to_rgb(color[:3]))[1] < 1e-6


def dots(display):
    return [line for line in display.axes_["matrix"].lines if line.get_marker() == "o"]


def test_the_band_with_most_information_and_its_pairs():
    display = SynchronyDisplay.from_explanation(explanation()).plot()
    assert display.band == "alpha" and display.shown
    expected = np.where(np.tril(np.ones((4, 4)), -1) > 0, display.explanation["value"].values[1], np.nan)[1:, :-1]
    np.testing.assert_allclose(display.image_.get_array().filled(np.nan), expected)
    assert set(display.axes_) == {"head", "matrix", "bars"}
    assert SENTENCE in display.note_.get_text().replace("\n", " ")
    assert "holds 0.500 of 1.000 bits" in display.title_.get_text().replace("\n", " ")


def test_arcs_and_dots_are_the_pairs_told_from_zero():
    display = SynchronyDisplay(explanation()).plot()
    (line,) = dots(display)
    found = {tuple(sorted((int(x), int(y)))) for x, y in zip(*line.get_data(), strict=True)}
    assert found == {(0, 2), (0, 3), (1, 3)}
    (arcs,) = display.arcs_
    assert len(arcs.get_paths()) == 3
    widths = arcs.get_linewidths()
    assert widths[-1] == max(widths) and widths[0] == min(widths)  # the strongest on top
    ends = [path.vertices[[0, -1]] for path in arcs.get_paths()]
    plane = display._places(None)
    np.testing.assert_allclose(ends[-1], plane[[3, 1]])


def test_without_p_values_intervals_decide():
    display = SynchronyDisplay(explanation(p_values=False, error=0.06)).plot()
    half = stats.t.ppf(0.975, 99) * 0.06
    np.testing.assert_array_equal(display.told, display.values > half)
    assert len(display.arcs_[0].get_paths()) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"total": 0.01}, "not shown above 0 with 100 trials"), ({"relations": (0.0, 0.01)}, "relations is not shown")],
)
def test_closed_gates_are_grey_and_have_no_arcs(settings, words):
    display = SynchronyDisplay(explanation(**settings), band="alpha").plot()
    assert not display.shown and not display.arcs_ and not dots(display)
    colors = display.image_.cmap(display.image_.norm(display.values))
    assert all(is_grey(color) for row in colors for color in row)
    assert all(is_grey(bar.get_facecolor()) for bar in display.axes_["bars"].patches)
    assert words in display.title_.get_text().replace("\n", " ")


def test_bars_are_the_total_all_relations_and_both_controls():
    display = SynchronyDisplay(explanation(), band=1).plot()
    np.testing.assert_allclose([bar.get_width() for bar in display.axes_["bars"].patches], [0.5, 0.4, 0.3, 0.2])


def test_components_have_topographies_instead_of_a_head():
    display = SynchronyDisplay(explanation(dim="unit")).plot()
    assert len(display.axes_["head"].child_axes) == 4 and not display.arcs_


def test_names_of_no_montage_have_no_head():
    data = explanation().assign_coords(channel=list("abcd"), other_channel=list("abcd"))
    assert set(SynchronyDisplay(data).plot().axes_) == {"matrix", "bars"}
    given = SynchronyDisplay(data).plot(positions=np.array([[-1, 0.0], [1, 0], [0, 1], [0.3, -1]]))
    assert "head" in given.axes_


def test_one_axes_takes_the_matrix():
    _, ax = plt.subplots()
    assert SynchronyDisplay(explanation()).plot(ax=ax).ax_ is ax


def test_other_explanations_and_bands_are_refused():
    with pytest.raises(ValueError, match="no phase relations"):
        SynchronyDisplay(explanation().drop_vars("relations_value"))
    with pytest.raises(ValueError, match="band='beta' is not there"):
        SynchronyDisplay(explanation(), band="beta")
