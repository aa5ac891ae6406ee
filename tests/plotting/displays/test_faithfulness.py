"""Curves of faithfulness: what is drawn."""

import matplotlib.pyplot as plt
import numpy as np

from eegexplain.inspection import deletion_curve
from eegexplain.plotting import FaithfulnessDisplay
from tests.estimators import trials

X, _ = trials(n_trials=12)


def test_curves():
    curve = deletion_curve(lambda x: np.abs(np.fft.rfft(x)[:, 0, 5]), X, np.eye(3, 17, 5), random_state=0)
    display = FaithfulnessDisplay(curve).plot()
    np.testing.assert_allclose(display.lines_[0].get_ydata(), curve.scores.mean(1))
    np.testing.assert_allclose(display.lines_[1].get_ydata(), curve.random_scores.mean(1))
    assert f"{curve.gain.mean():.2f}" in display.ax_.get_title() and len(display.bands_) == 2
    _, ax = plt.subplots()
    assert FaithfulnessDisplay(curve).plot(ax=ax, confidence=False).bands_ == []
    plt.close("all")
