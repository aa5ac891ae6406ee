"""Displays of attributions: what is drawn, and bad input."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from eegexplain.attribution import FLEXAttributor
from eegexplain.plotting import SpectralMapDisplay, TimeFrequencyDisplay, TrialMapDisplay
from tests.estimators import SFREQ, fast_classifier, trials

X, Y = trials(n_trials=12)


@pytest.fixture(scope="module")
def flex():
    return FLEXAttributor(fast_classifier(), n_steps=3, sfreq=SFREQ, bands={"low": (4.0, 8.0), "mu": (8.0, 13.0)},
                          ch_names=["C3", "Cz", "C4"]).fit(X, Y)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.mark.parametrize("basis", ["stft", "wavelet", "time_bands"])
def test_time_frequency_maps_show_every_cell(flex, basis):
    found = flex.explain(X, basis=basis)
    display = TimeFrequencyDisplay.from_explanation(found, channel="Cz", output="left", trial=3).plot(fmax=99)
    drawn = np.concatenate([np.ravel(image.get_array()) for image in display.images_])
    expected = found["value"].sel(output="left", channel="Cz").values[3]
    np.testing.assert_allclose(np.sort(drawn), np.sort(expected))
    assert display.ax_.get_title() == "Cz, left" and "attribution" in display.colorbar_.ax.get_ylabel()
    limits = display.images_[0].get_clim()
    assert limits == (-np.abs(expected).max(), np.abs(expected).max())
    if basis == "time_bands":
        assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["low", "mu", "residual"]


def test_a_cell_lies_at_its_time_and_frequency():
    times, frequencies = np.meshgrid(np.arange(4) / 2, np.arange(3) * 10.0)
    values = np.zeros(12)
    values[(times.ravel() == 1.0) & (frequencies.ravel() == 10.0)] = 1
    image = TimeFrequencyDisplay(values, times.ravel(), frequencies.ravel()).plot().images_[0]
    row, column = np.argwhere(image.get_array() == 1)[0]
    corners = image.get_coordinates()[row:row + 2, column:column + 2]
    assert corners[..., 0].min() == 0.75 and corners[..., 0].max() == 1.25
    assert corners[..., 1].min() == 5 and corners[..., 1].max() == 15


def test_means_over_trials_and_sums_over_channels(flex):
    found = flex.explain(X, basis="stft")
    display = TimeFrequencyDisplay.from_explanation(found, output=1)
    np.testing.assert_allclose(display.values, found["value"].values[:, 1].mean(0).sum(0))
    population = FLEXAttributor(fast_classifier(), n_steps=2, basis="stft").fit(X, Y).explanation_
    assert TimeFrequencyDisplay.from_explanation(population, output="left", channel=0).plot().ax_.get_title()


def test_trials_are_sorted_by_class(flex):
    found = flex.explain(X, target=0)
    display = TrialMapDisplay.from_explanation(found, Y, channel="C3").plot(fmax=20, vlim=1)
    assert list(Y[display.order_]) == sorted(Y)
    shown = found["frequency"].values <= 20
    expected = found["value"].sel(channel="C3").values[display.order_][:, shown]
    np.testing.assert_allclose(display.image_.get_array(), expected)
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["left", "right"]
    bands = TrialMapDisplay.from_explanation(flex.explain(X, basis="bands"), output="right").plot()
    assert [tick.get_text() for tick in bands.ax_.get_xticklabels()] == ["low", "mu", "residual"]
    assert bands.image_.get_array().shape == (12, 3)


def test_population_maps_go_to_the_shared_display(flex):
    display = SpectralMapDisplay.from_explanation(flex.explanation_, output="left", fmax=None).plot()
    np.testing.assert_allclose(display.images_[0].get_array(), flex.attributions_[0])


@pytest.mark.parametrize("build, message", [
    (lambda flex: TimeFrequencyDisplay.from_explanation(flex.explanation_), "basis='stft'"),
    (lambda flex: TimeFrequencyDisplay.from_explanation(flex.explain(X, basis="stft")), "choose output"),
    (lambda flex: TimeFrequencyDisplay.from_explanation(flex.explain(X, target=0, basis="stft"), channel="C33"), "C3"),
    (lambda flex: TimeFrequencyDisplay(np.zeros(3), np.zeros(2), np.zeros(3)), "one per cell"),
    (lambda flex: TimeFrequencyDisplay(np.zeros(1), np.zeros(1), np.full(1, 80.0)).plot(), "no cell between"),
    (lambda flex: TrialMapDisplay.from_explanation(flex.explanation_), "no trials"),
    (lambda flex: TrialMapDisplay(np.zeros((2, 3)), np.zeros(2)), "n_cells"),
    (lambda flex: TrialMapDisplay(np.zeros((2, 3)), np.zeros(3), ["a"]), "one per trial"),
    (lambda flex: TrialMapDisplay(np.zeros((2, 3)), np.full(3, 80.0)).plot(), "no frequency between"),
])
def test_bad_input(flex, build, message):
    with pytest.raises(ValueError, match=message):
        build(flex)
