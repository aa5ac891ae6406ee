"""What SyncNet starts from: frequencies in their strata, and rates that follow the sampling rate."""

import numpy as np
import pytest

from eegexplain.models.syncnet._start import physical_rates, stratified_frequencies


def test_initial_frequencies_fill_their_strata():
    omega = stratified_frequencies((2, 45), 10, 128, np.random.default_rng(0))
    hertz = omega * 128 / (2 * np.pi)
    edges = np.linspace(2, 45, 11)
    assert ((hertz >= edges[:-1]) & (hertz <= edges[1:])).all()
    assert (stratified_frequencies((2, 45), 5, 40, np.random.default_rng(0)) * 40 / (2 * np.pi) <= 20).all()


def test_rates_are_the_same_in_hertz_and_seconds():
    rates = {sfreq: dict(physical_rates(0.005, sfreq)) for sfreq in (128, 512)}
    assert rates[512]["omega"]["lr"] * 512 == pytest.approx(rates[128]["omega"]["lr"] * 128)
    assert rates[512]["beta"]["lr"] * 512**2 == pytest.approx(rates[128]["beta"]["lr"] * 128**2)
    assert rates[512]["amplitude"]["lr"] * 512 == pytest.approx(rates[128]["amplitude"]["lr"] * 128)
