"""Lags in the table of filters, and the rhythms that no filter passes."""

import numpy as np
import pandas as pd

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.report._filters import _channel_column, _lags, missed_rhythms, tell_missed
from eegexplain.report._trials import prepare_trials


def test_lags_follow_the_waves():
    names, frequency, delays = ["C3", "C4", "Oz"], 10.0, np.array([0.0, 0.012, -0.02])
    tau = np.arange(-200, 200) / 4000
    phase = -2 * np.pi * frequency * delays
    waves = np.cos(2 * np.pi * frequency * tau + phase[:, None])
    peaks = 1000 * tau[waves.argmax(1)]
    amplitude = np.array([[1.0, 0.5, 0.3], [1.0, 0.2, 0.3]])
    phases = {f"phase_{name}": [value] * 2 for name, value in zip(names, phase, strict=True)}
    table = pd.DataFrame({"carrier_frequency": [frequency] * 2} | phases)
    lags = _lags(table, amplitude, names)
    np.testing.assert_allclose([lags[f"lag_ms_{n}"][0] for n in names], peaks - peaks[0], atol=0.3)
    np.testing.assert_allclose([lags[f"lag_ms_{n}"][0] for n in names], 1000 * delays, atol=1e-9)
    assert np.isnan(lags["lag_ms_C4"][1]) and not np.isnan(lags["lag_ms_Oz"][1])
    still = table.assign(carrier_frequency=0.0)
    assert np.isnan(_lags(still, amplitude, names)["lag_ms_Oz"]).all()


def test_columns_of_filters_and_patterns_are_named_by_channel():
    given = ["amplitude_ch1", "phase_ch0", "pattern_amplitude_ch1", "pattern_phase_ch0", "decay", "amplitude_C3"]
    named = ["amplitude_Oz", "phase_Cz", "pattern_amplitude_Oz", "pattern_phase_Cz", "decay", "amplitude_C3"]
    assert [_channel_column(column, ["Cz", "Oz"]) for column in given] == named


def test_rhythms_that_some_networks_miss_are_counted_and_told():
    """10 Hz under Oz and 22 Hz under C3 are planted; one of three networks has a filter at 22 Hz, none at 10 Hz."""
    data = prepare_trials(make_oscillatory_eeg(300, ["Fz", "C3", "C4", "Oz"], duration=1.0, random_state=0))
    tables = [pd.DataFrame({"peak_frequency": peaks, "bandwidth": 4.0}) for peaks in ([40.0], [22.0, 6.0], [30.0])]
    missed = missed_rhythms(data, tables)
    assert [(rhythm.band, n) for rhythm, n in missed.items()] == [("alpha", 3), ("beta", 2)]
    lines = [tell_missed(rhythm, n, len(tables)) for rhythm, n in missed.items()]
    assert lines[1] == (
        "Warning: the classes differ at 22.0 Hz (beta, C3), but 2 of 3 networks have no filter there and cannot use it"
    )
    assert missed_rhythms(data, [pd.DataFrame({"peak_frequency": [10.0, 22.0], "bandwidth": 4.0})]) == {}
