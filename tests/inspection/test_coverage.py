"""Bands that the data hold and a network cannot use."""

import numpy as np
import pandas as pd
import pytest

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import uncovered_bands

EEG = make_oscillatory_eeg(300, ["Fz", "C3", "C4", "Oz"], duration=1.0, random_state=0)


def found(peaks, width=4.0, y=EEG.y, **options):
    table = pd.DataFrame({"peak_frequency": peaks, "bandwidth": width})
    return uncovered_bands(table, EEG.X, y, sfreq=EEG.sfreq, ch_names=EEG.ch_names, **options)


def test_rhythms_without_a_filter_are_named():
    """10 Hz under Oz and 22 Hz under C3 are planted."""
    assert [(one.band, one.frequency, one.channel) for one in found([22.0, 6.0])] == [("alpha", 10.0, "Oz")]
    assert [(one.band, one.frequency, one.channel) for one in found([10.0])] == [("beta", 22.0, "C3")]
    assert [one.band for one in found([40.0])] == ["alpha", "beta"] and found([10.5, 21.0]) == []


@pytest.mark.parametrize(("width", "n_missing"), [(3.0, 1), (5.0, 0)])
def test_a_filter_covers_what_it_passes_with_half_its_power(width, n_missing):
    assert len(found([12.0, 22.0], width)) == n_missing


def test_bands_in_which_nothing_differs_need_no_filter():
    y = np.random.default_rng(0).permutation(EEG.y)
    assert found([40.0], y=y) == []
