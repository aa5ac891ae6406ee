"""The mean map beside its strongest cells: what is drawn, and that it is what the numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from eegexplain.plotting import CrossValidatedDisplay


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def explained(columns="band", labels=("alpha", "beta"), outputs=("left", "right")):
    rng = np.random.default_rng(0)
    coords = {"output": list(outputs), "channel": ["C3", "C4", "Oz"], columns: list(labels)}
    folds = rng.normal(size=(4, 2, len(outputs), 3, len(labels)))
    value = folds.mean(axis=(0, 1))
    error = rng.uniform(0.1, 0.5, value.shape)
    variables = {
        "value": (tuple(coords), value),
        "standard_error": (tuple(coords), error),
        "error_given_networks": (tuple(coords), error / 3),
        "fold_value": (("fold", "seed", *coords), folds),
    }
    return xr.Dataset(variables, coords, {"degrees_of_freedom": 3, "label": "correlation"})


def test_strongest_cells_with_intervals_and_folds():
    data = explained()
    display = CrossValidatedDisplay.from_explanation(data, output="left").plot(n_cells=4, confidence=0.9)
    one = data.sel(output="left")
    cells = [(c, b) for c in one["channel"].values for b in one["band"].values]
    expected = sorted(cells, key=lambda cell: -abs(one["value"].sel(channel=cell[0], band=cell[1]).item()))[:4]
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == [" ".join(cell) for cell in expected]
    whole, given = display.lines_
    for place, (channel, band) in enumerate(expected):
        cell = one.sel(channel=channel, band=band)
        half = stats.t.ppf(0.95, 3) * cell["standard_error"].item()
        bar = whole[2][0].get_segments()[place][:, 0]
        np.testing.assert_allclose(bar, [cell["value"].item() - half, cell["value"].item() + half])
        np.testing.assert_allclose(np.ptp(given.get_segments()[place][:, 0]), 2 * half / 3)
    drawn = np.asarray(display.points_.get_offsets()).reshape(4, 4, 2)[..., 0]
    folds = [one["fold_value"].mean("seed").sel(channel=channel, band=band).values for channel, band in expected]
    np.testing.assert_allclose(drawn.T, folds)


def test_cells_beyond_zero_are_bold_and_not_pale():
    data = explained()
    mask = np.zeros((2, 3, 2), bool)
    mask[1, 2, 0] = True
    display = CrossValidatedDisplay.from_explanation(data, mask=mask).plot()
    bold = [text.get_text() for text in display.ax_.get_yticklabels() if text.get_fontweight() == "bold"]
    assert bold == ["Oz alpha"]
    opacity = display.spectral_map.images_[0].get_alpha()
    assert opacity[2, 0] == 1 and (opacity < 1).sum() == 5  # of six cells


def test_without_mask_intervals_decide():
    data = explained()
    display = CrossValidatedDisplay.from_explanation(data)
    one = data.sel(output="right")
    beyond = abs(one["value"]) > stats.t.ppf(0.975, 3) * one["standard_error"]
    np.testing.assert_array_equal(display.mask, beyond.values.ravel())


def test_frequencies_are_numbers_with_units_and_cut():
    data = explained("frequency", (5.0, 10.0, 80.0))
    display = CrossValidatedDisplay.from_explanation(data).plot()
    assert {text.get_text().split(" ", 1)[1] for text in display.ax_.get_yticklabels()} == {"5 Hz", "10 Hz"}


def test_maps_without_channels_have_cells_alone():
    data = explained().isel(channel=0, drop=True)
    display = CrossValidatedDisplay.from_explanation(data).plot()
    assert display.spectral_map is None and len(display.figure_.axes) == 1


def test_what_cannot_be_drawn():
    data = explained()
    with pytest.raises(ValueError, match="not cross-validated"):
        CrossValidatedDisplay.from_explanation(data.drop_vars("fold_value"))
    with pytest.raises(ValueError, match="left"):
        CrossValidatedDisplay.from_explanation(data, output="lft")
    with pytest.raises(ValueError, match="shape of the values"):
        CrossValidatedDisplay.from_explanation(data, mask=np.ones((3, 2), bool))
    with pytest.raises(ValueError, match="confidence"):
        CrossValidatedDisplay.from_explanation(data).plot(confidence=95)
