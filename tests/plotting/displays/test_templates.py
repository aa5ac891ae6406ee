"""Pictures of templates: what is drawn where, in which channels, with which sinusoid."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from eegexplain import ReverseCorrelator, SinusoidFitter, TemplateDisplay
from eegexplain.plotting._waves import oversampled
from tests.estimators import fast_classifier, trials

SFREQ, WIDTH = 100.0, 50
NAMES = ["C3", "C4", "Oz", "Fz"]


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture
def truth():
    """Two filters: 10 Hz strongest at Oz, 20 Hz strongest at C4."""
    time = np.arange(WIDTH) / SFREQ
    params = np.zeros((2, 4, 4))
    params[..., 0] = np.array([[10.0], [20.0]])
    params[..., 1] = [[0.2, 0.1, 0.9, 0.05], [0.3, 0.8, 0.1, 0.05]]
    params[0, 2, 2] = np.pi / 2
    waves = np.cos(2 * np.pi * params[..., :1] * time + params[..., 2:3])
    return params[..., 1:2] * waves, params


def test_strongest_channels_with_their_sinusoids(truth):
    templates, params = truth
    display = TemplateDisplay(templates, NAMES, SFREQ, params_sin=params, r2_sin=np.full((2, 4), 0.987))
    display.plot(n_channels=2)
    assert display.axes_.shape == (2, 3)
    titles = [[ax.get_title() for ax in row[1:]] for row in display.axes_]
    assert titles[0] == ["Oz  10.0 Hz, R² 0.99", "C3  10.0 Hz, R² 0.99"]
    assert titles[1] == ["C4  20.0 Hz, R² 0.99", "C3  20.0 Hz, R² 0.99"]
    np.testing.assert_allclose(display.lines_[0].get_ydata()[::8], templates[0, 2], atol=1e-12)
    np.testing.assert_allclose(display.lines_[0].get_xdata()[::8], 10.0 * np.arange(WIDTH))
    times, wave = display.fits_[0].get_data()
    between = display.lines_[0].get_ydata()  # also where there is no sample
    np.testing.assert_allclose(np.interp(display.lines_[0].get_xdata(), times, wave), between, atol=0.04)
    limits = [ax.get_ylim() for ax in display.axes_[0, 1:]]
    assert limits[0] == limits[1] and limits[0][1] >= 0.9


def test_waves_between_samples_are_those_of_the_sinusoid():
    """Three samples of a cycle: lines between them miss the wave by more than half of it."""
    time, fine = np.arange(60) / 60, np.arange(0, 59 + 1e-9, 1 / 8) / 60
    envelope = lambda t: np.exp(-(((t - 0.5) / 0.15) ** 2))  # noqa: E731
    signals = np.stack([envelope(time) * np.cos(2 * np.pi * 20 * time + phase) for phase in (0, 1, 2)])
    found = oversampled(signals + 3 * time)
    truth = np.stack([envelope(fine) * np.cos(2 * np.pi * 20 * fine + phase) for phase in (0, 1, 2)]) + 3 * fine
    np.testing.assert_allclose(found[:, ::8], signals + 3 * time, atol=1e-12)
    np.testing.assert_allclose(found, truth, atol=1e-3)
    assert np.abs(np.interp(fine, time, signals[0]) + 3 * fine - truth[0]).max() > 0.4
    np.testing.assert_array_equal(oversampled(np.ones((2, 2))), np.ones((2, 2)))


def test_scalp_maps_show_amplitude_and_relative_phase(truth):
    templates, params = truth
    display = TemplateDisplay(templates, NAMES, SFREQ, params_sin=params).plot()
    np.testing.assert_allclose(display.scalps_[0].values[0, 0], params[0, :, 1])
    arrows = [artist for artist in display.axes_[0, 0].collections if type(artist).__name__ == "Quiver"]
    assert len(arrows) == 1 and len(arrows[0].U) == 1  # the others are below a quarter of the largest
    assert arrows[0].U[0] > 0 and abs(arrows[0].V[0]) < 1e-12
    lone = TemplateDisplay(templates, ["a", "b", "c", "d"], SFREQ).plot()
    assert lone.scalps_ == [None, None] and not lone.axes_[0, 0].axison and not lone.fits_


def test_patterns_are_drawn_at_the_phase_where_they_are_largest(truth):
    templates, _ = truth
    real = np.array([[0.2, -1.0, 0.5, 0.1], [0.1, 0.3, 1.0, -2.0]])
    patterns = np.exp(1j * np.array([[0.7], [-1.2]])) * real * 5
    patterns[1] += 1j * np.exp(-1.2j) * np.array([0.0, 4.0, 0.0, 0.6])
    display = TemplateDisplay(templates, NAMES, SFREQ, patterns=patterns).plot(n_channels=2)
    assert display.axes_.shape == (2, 4)
    shown = [scalp.values[0, 0] for scalp in display.pattern_scalps_]
    np.testing.assert_allclose(shown[0], real[0], atol=1e-12)
    assert display.axes_[0, 1].get_title() == "pattern"
    turns = [(patterns[1] * np.exp(-1j * angle)).real for angle in np.linspace(-np.pi / 2, np.pi / 2, 2001)]
    largest = max(turns, key=lambda one: one @ one)
    np.testing.assert_allclose(shown[1], largest / np.abs(largest).max(), atol=2e-3)
    share = largest @ largest / np.square(np.abs(patterns[1])).sum()
    assert display.axes_[1, 1].get_title() == f"pattern, {100 * share:.0f} %\nat this phase" and share < 0.95
    silent = TemplateDisplay(templates, NAMES, SFREQ, patterns=np.zeros((2, 4))).plot()
    assert not silent.pattern_scalps_[0].values.any()
    placeless = TemplateDisplay(templates, ["a", "b", "c", "d"], SFREQ, patterns=patterns).plot()
    assert placeless.pattern_scalps_ == [None, None]
    net = fast_classifier(ch_names=NAMES[:3]).fit(*trials())
    np.testing.assert_array_equal(TemplateDisplay.from_estimator(net).patterns, net.patterns_)


def test_from_fitted_estimators_and_explanations_alike():
    X, y = trials()
    names = NAMES[:3]
    correlator = ReverseCorrelator(fast_classifier(), ch_names=names)
    fitter = SinusoidFitter(correlator, ch_names=names).fit(X, y)
    display = TemplateDisplay.from_estimator(fitter)
    inner = fitter.estimator_
    other = TemplateDisplay.from_explanation(inner.explanation_, sinusoids=fitter.explanation_)
    for name in ("templates", "params_sin", "r2_sin", "windows", "window_index"):
        np.testing.assert_array_equal(getattr(display, name), getattr(other, name))
    assert display.sfreq == other.sfreq == 64.0 and display.label == "reverse correlation"
    alone = TemplateDisplay.from_estimator(inner.estimator_)
    np.testing.assert_array_equal(alone.templates, inner.estimator_.templates_)
    assert alone.axes_.shape == (2, 5) and alone.label == "filter"


def test_window_gallery():
    X, y = trials()
    correlator = ReverseCorrelator(fast_classifier(), ch_names=NAMES[:3]).fit(X, y)
    display = TemplateDisplay.from_explanation(correlator.explanation_).plot_windows(1, n_windows=5, n_columns=3)
    assert display.axes_.shape == (2, 3) and not display.axes_[1, 2].axison
    channel = np.argmax(correlator.templates_[1].std(-1))
    window = correlator.windows_[1, 0, channel]
    np.testing.assert_allclose(display.axes_[0, 0].lines[0].get_ydata()[::8], window - window.mean(), atol=1e-12)
    trial, sample = correlator.window_index_[1, 0]
    assert display.axes_[0, 0].get_title() == f"trial {trial}, {1000 * sample / 64:.0f} ms"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"templates": np.zeros((2, 50))}, "n_filters, n_channels, width"),
        ({"ch_names": ["C3"]}, "1 channel names for 4"),
        ({"sfreq": 0}, "Hz above 0"),
        ({"params_sin": np.zeros((2, 4, 3))}, "params_sin must have shape"),
        ({"windows": np.zeros((1, 5, 4, 50))}, "windows must have shape"),
        ({"patterns": np.zeros((2, 3))}, "patterns must have shape"),
        ({"patterns": np.full((2, 4), np.nan)}, "patterns must be finite numbers"),
    ],
)
def test_wrong_shapes_are_refused(truth, change, message):
    given = {"templates": truth[0], "ch_names": NAMES, "sfreq": SFREQ, **change}
    with pytest.raises(ValueError, match=message):
        TemplateDisplay(**given)


def test_what_is_not_there_is_refused(truth):
    display = TemplateDisplay(truth[0], NAMES, SFREQ)
    with pytest.raises(ValueError, match="no windows"):
        display.plot_windows(0)
    with pytest.raises(ValueError, match="Unknown filters"):
        display.plot(filters=[0, 7])
    fitter = SinusoidFitter("passthrough", sfreq=SFREQ).fit(truth[0])
    with pytest.raises(ValueError, match="no templates_"):
        TemplateDisplay.from_estimator(fitter)
    with pytest.raises(ValueError, match="filters, channels and lags"):
        TemplateDisplay.from_explanation(fitter.explanation_)
    silent = TemplateDisplay(np.zeros((1, 4, 5)), NAMES, SFREQ, params_sin=np.zeros((1, 4, 4))).plot()
    assert silent.axes_[0, 1].get_title().endswith("no sinusoid")
