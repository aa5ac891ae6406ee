import inspect
import pathlib

import matplotlib.pyplot as plt
import numpy as np
import pytest

from eegexplain.plotting import CHANNEL_10_20_APPROX, ax_scalp

ORACLE = np.load(pathlib.Path(__file__).parents[2] / "oracles" / "braindecode_0_4_85.npz")
CHANNELS = [str(name) for name in ORACLE["scalp/channels"]]
VALUES = ORACLE["scalp/v"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def shown(ax):
    return np.ma.filled(ax.images[-1].get_array(), np.nan)


def test_the_table_of_positions_is_the_old_one():
    kind, *pairs = CHANNEL_10_20_APPROX
    assert kind == "angle"
    assert [name for name, _ in pairs] == list(ORACLE["pos/names"])
    assert np.array_equal([place for _, place in pairs], ORACLE["pos/angle"])


def test_channels_lie_where_they_did():
    names = [str(name) for name in ORACLE["pos/names"]]
    ax = ax_scalp(np.zeros(len(names)), names, annotate=True)
    places = np.array([text.xy for text in ax.texts])
    assert np.allclose(places - [0, 0.05], ORACLE["pos/xy"], atol=1e-12)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_the_map_is_the_old_one(interpolation):
    ax = ax_scalp(VALUES, CHANNELS, interpolation=interpolation)
    old = ORACLE[f"scalp/{interpolation}/grid_every10"]
    assert np.isnan(old).any() == (interpolation == "bilinear")
    assert np.allclose(shown(ax)[::10, ::10], old, atol=1e-12, equal_nan=True)
    assert np.allclose(ax.images[-1].get_extent(), ORACLE[f"scalp/{interpolation}/extent"])
    assert np.allclose(ax.images[-1].get_clim(), ORACLE[f"scalp/{interpolation}/clim"])


def test_the_signature_is_the_old_one():
    names = "v channels ax annotate vmin vmax cmap scalp_line_width scalp_line_style chan_pos_list interpolation"
    assert list(inspect.signature(ax_scalp).parameters) == [*names.split(), "fontsize"]


def test_it_draws_on_the_current_axes_and_returns_them():
    _, (first, second) = plt.subplots(1, 2)
    plt.sca(first)
    assert ax_scalp(VALUES, CHANNELS) is first
    assert ax_scalp(VALUES, CHANNELS, ax=second) is second


@pytest.mark.parametrize(
    ("limits", "expected"), [({"vmax": 4}, (-4, 4)), ({"vmin": -3}, (-3, 3)), ({"vmin": -1, "vmax": 2}, (-1, 2))]
)
def test_one_limit_alone_is_mirrored(limits, expected):
    assert ax_scalp(VALUES, CHANNELS, **limits).images[-1].get_clim() == expected


def test_a_nan_leaves_out_its_own_channel_only():
    values = VALUES.copy()
    values[2] = np.nan
    with pytest.warns(UserWarning, match="left out of the map: Cz"):
        ax = ax_scalp(values, CHANNELS)
    rest = [name for name in CHANNELS if name != "Cz"]
    assert np.array_equal(shown(ax), shown(ax_scalp(np.delete(VALUES, 2), rest)), equal_nan=True)


def test_cartesian_places_lines_and_names():
    places = ("cartesian", ("a", (-0.5, 0)), ("b", (0.5, 0)), ("c", (0, 0.5)))
    ax = ax_scalp(
        [1, 2, 3], ["A", "B", "C"], chan_pos_list=places, annotate=True, fontsize=5, scalp_line_width=3,
        scalp_line_style="dashed",
    )  # fmt: skip
    assert [(text.get_text(), text.get_fontsize(), *text.xy) for text in ax.texts] == [
        ("A", 5, -0.5, 0.05), ("B", 5, 0.5, 0.05), ("C", 5, 0.0, 0.55),
    ]  # fmt: skip
    assert ax.lines[0].get_linewidth() == 3 and ax.lines[0].get_linestyle() == "--"
    assert {patch.get_linewidth() for patch in ax.patches} == {3}
    assert not ax_scalp([1, 2, 3], "abc", ax=plt.figure().gca(), chan_pos_list=places, scalp_line_width=0).lines


def test_all_unknown_names_come_in_one_error():
    with pytest.raises(ValueError, match=r"2 of 4 channels: 'Q1'.*'Czz'.*cz"):
        ax_scalp([1, 2, 3, 4], ["C3", "Q1", "C4", "Czz"])


@pytest.mark.parametrize(
    ("values", "channels", "options", "message"),
    [
        ([1, 2], ["C3", "C4"], {}, "three channels"),
        ([1, 2, 3], ["C3", "Cz", "C4"], {}, "not on a line"),
        ([1, 2, 3], ["C3", "Cz"], {}, "one value for each"),
        ([1, 2, 3], ["C3", "Fz", "C4"], {"interpolation": "cubic"}, "interpolation='cubic'"),
        ([1, 2, 3], ["C3", "Fz", "C4"], {"chan_pos_list": ("polar",)}, "chan_pos_list"),
    ],
)
def test_bad_input_is_named(values, channels, options, message):
    with pytest.raises(ValueError, match=message):
        ax_scalp(values, channels, **options)
