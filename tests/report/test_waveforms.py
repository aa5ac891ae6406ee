"""Waveforms in the report: what is said of a planted evoked difference."""

from types import SimpleNamespace

import numpy as np
import pytest

from eegexplain.report._polarity import Polarity
from eegexplain.report._waveforms import waveforms

SFREQ, NAMES = 100.0, ["Fp1", "C3", "Cz", "O1"]


def job_with(channel, frequency, n_classes=2):
    """A job whose last class has a wave packet after .4 s at a channel."""
    rng, times = np.random.default_rng(0), np.arange(100) / SFREQ
    y = np.arange(90) % n_classes
    X = rng.standard_normal((90, 4, 100))
    packet = np.exp(-(((times - 0.4) / 0.15) ** 2)) * np.cos(2 * np.pi * frequency * (times - 0.4))
    X[y == n_classes - 1, NAMES.index(channel)] += 3 * packet
    data = SimpleNamespace(X=X, y=y, groups=None, sfreq=SFREQ, axes={"sfreq": SFREQ, "ch_names": NAMES})
    return SimpleNamespace(data=data, polarity=Polarity(0.9, 0.5, 1 / n_classes))


@pytest.mark.parametrize(
    ("channel", "frequency", "eyes"), [("Fp1", 1, True), ("Fp1", 20, False), ("Cz", 1, False), ("C3", 20, False)]
)
def test_the_largest_difference_is_named_and_slow_ones_near_the_eyes(channel, frequency, eyes):
    found = waveforms(job_with(channel, frequency))
    (told,) = found.lines
    place, after = told.removeprefix("The mean of class 1 differs most at ").split(" after ")
    assert place == channel and abs(int(after.split(" ms")[0]) - 400) <= 60
    assert ("eye movements look like this" in told) == eyes
    assert found.summary["polarity"] == {"balanced_accuracy": 0.9, "with_flipped_signs": 0.5}


def test_every_class_has_its_panel():
    found = waveforms(job_with("O1", 5, n_classes=3))
    axes = found.figures[0].figure.axes
    assert [ax.get_title() for ax in axes] == [f"class {k} less the others" for k in range(3)]
    assert found.variables["evoked_contrast_value"].dims == ("output", "channel", "time")
    dots = [line for line in axes[2].lines if line.get_linestyle() == "None" and len(line.get_xdata())]
    assert len(dots) == 1 and all(abs(dots[0].get_xdata() - 0.4) < 0.4)
