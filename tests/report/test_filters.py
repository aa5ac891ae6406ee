"""Lags in the table of filters."""

import numpy as np
import pandas as pd

from eegexplain.report._filters import _lags


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
