"""The display of patched units: strongest first, intervals as long as the t distribution says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from eegexplain.plotting import PatchingDisplay

VALUE = np.array([[0.1, -2.0, 0.5], [0.2, -1.5, np.nan]])
ERROR = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, np.nan]])


@pytest.fixture
def display():
    yield PatchingDisplay(VALUE, ERROR, list("abc"), ["left", "right"], 9, contrast=[3.0, 90.0], label="logit lost")
    plt.close("all")


def test_strongest_first_with_intervals(display):
    display.plot(n_units=2)
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["b", "c"]
    assert display.ax_.get_xlabel() == "logit lost"
    for place, container in enumerate(display.lines_):
        points, _, (bars,) = container
        np.testing.assert_array_equal(points.get_xdata(), VALUE[place, [1, 2]])
        half = stats.t.isf(0.025, 9) * ERROR[place, 1]
        (low, _), (high, _) = bars.get_segments()[0]
        assert (low, high) == (pytest.approx(VALUE[place, 1] - half), pytest.approx(VALUE[place, 1] + half))
    dotted = [line.get_xdata()[0] for line in display.ax_.get_lines() if line.get_linestyle() == ":"]
    assert dotted == [3.0]  # 90 is far beyond the effects


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"units": ["a"]}, "value has shape .2, 3., but 2 outputs and 1 units"),
        ({"standard_error": ERROR[:1]}, "standard_error has shape"),
        ({"contrast": [1.0]}, "1 values for 2 outputs"),
        ({"value": VALUE * np.nan}, "No value is finite"),
    ],
)
def test_what_does_not_fit_is_named(change, words):
    given = {"value": VALUE, "standard_error": ERROR, "units": list("abc"), "outputs": ["x", "y"]}
    with pytest.raises(ValueError, match=words):
        PatchingDisplay(**{**given, "degrees_of_freedom": 9, **change})


def test_other_explanations_are_refused():
    from eegexplain import PerturbationCorrelator
    from tests.estimators import fast_classifier, trials

    with pytest.raises(ValueError, match="no explanation of an ActivationPatcher"):
        PatchingDisplay.from_explanation(PerturbationCorrelator(fast_classifier()).fit(*trials()).explanation_)


def test_both_measures_of_an_explanation():
    from eegexplain import ActivationPatcher
    from tests.estimators import fast_classifier, trials

    patcher = ActivationPatcher(fast_classifier(), n_draws=2, random_state=0).fit(*trials())
    shown = PatchingDisplay.from_explanation(patcher.explanation_)
    np.testing.assert_array_equal(shown.value, patcher.effects_)
    np.testing.assert_array_equal(shown.contrast, patcher.contrast_)
    assert (shown.units, shown.outputs) == (patcher.units_, ["left", "right"])
    grown = PatchingDisplay.from_explanation(patcher.explanation_, loss=True)
    np.testing.assert_array_equal(grown.standard_error, patcher.loss_standard_errors_)
    assert "nats" in grown.plot().ax_.get_xlabel()
    plt.close("all")
