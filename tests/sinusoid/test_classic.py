"""The old names against numbers recorded from braindecode 0.4.85."""

import pathlib

import numpy as np
import pytest

from eegexplain import sinusoid

ORACLE = pathlib.Path(__file__).parents[1] / "oracles" / "braindecode_0_4_85.npz"


@pytest.fixture(scope="module")
def old():
    with np.load(ORACLE) as archive:
        return {key.removeprefix("sinfit/"): archive[key] for key in archive if key.startswith("sinfit/")}


def test_model_functions_equal_the_oracle(old):
    x, params = old["x"], (old["fit_fn_sin"], old["fit_fn_lin"])
    p_sin, p_lin = recorded_parameters(x, *params)
    y = old["fit_fn_sin"] + old["err_fn_sin"]
    np.testing.assert_allclose(sinusoid.fit_fn_sin(x, *p_sin), old["fit_fn_sin"], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sinusoid.fit_fn_lin(x, *p_lin), old["fit_fn_lin"], rtol=1e-10)
    np.testing.assert_allclose(sinusoid.err_fn_sin(p_sin, x, y), old["err_fn_sin"], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(sinusoid.err_fn_lin(p_lin, x, y), old["err_fn_lin"], rtol=1e-10, atol=1e-10)


def recorded_parameters(x, curve, line):
    """Parameters behind the recorded curves, read off the curves themselves."""
    from scipy.optimize import leastsq

    slope = (line[-1] - line[0]) / (x[-1] - x[0])
    best = None
    for frequency in np.arange(1.0, 50.0, 0.5):
        start = [frequency, np.ptp(curve) / 2, 0.0, curve.mean()]
        found = leastsq(lambda p: curve - (p[3] + p[1] * np.cos(p[0] * x + p[2])), start, xtol=1e-15, ftol=1e-15)[0]
        error = np.abs(curve - (found[3] + found[1] * np.cos(found[0] * x + found[2]))).max()
        best = min(best or (np.inf, None), (error, tuple(found)))
    return best[1], (line[0] - slope * x[0], slope)


def test_legacy_reproduces_the_old_numbers(old):
    found = sinusoid.signal_fit(old["signals"], float(old["fs"]), legacy=True)
    for name, values in zip(("params_sin", "params_lin", "err_sin", "err_lin"), found, strict=True):
        np.testing.assert_allclose(values, old[name], rtol=1e-5)


def test_the_default_undoes_the_old_bias_and_is_never_worse(old):
    params_sin, params_lin, err_sin, err_lin = sinusoid.signal_fit(old["signals"], float(old["fs"]))
    bias = np.array([119 / 120, 1, 1, 1])
    np.testing.assert_allclose(params_sin * bias, old["params_sin"], rtol=1e-5)
    np.testing.assert_allclose(params_lin * [1, 119 / 120], old["params_lin"], rtol=1e-5, atol=1e-8)
    assert np.all(err_sin <= old["err_sin"] + 1e-12)
    np.testing.assert_allclose(err_lin, old["err_lin"], rtol=1e-10)
    assert np.abs(params_sin[..., 0] / old["true_freq"] - 1).max() < 5e-3


def test_where_the_old_optimiser_stuck_ours_does_not():
    rng = np.random.default_rng(0)
    time = np.arange(50) / 100
    signals = np.cos(2 * np.pi * 13 * time) + 2 * rng.normal(size=(10, 10, 50))
    local, ours = sinusoid.signal_fit(signals, 100.0, legacy=True), sinusoid.signal_fit(signals, 100.0)
    inside = (local[0][..., 0] > 1.0) & (local[0][..., 0] < 49.0)  # beyond, amplitudes of the old fits explode
    worse = local[2] > ours[2] + 1e-6
    assert np.all(ours[2][inside] <= local[2][inside] + 1e-9)
    assert worse.mean() > 0.1


def test_trailing_axis_and_shapes():
    signals = np.random.default_rng(0).normal(size=(2, 3, 30, 1))
    with_axis, without = sinusoid.signal_fit(signals, 10), sinusoid.signal_fit(signals[..., 0], 10)
    assert [a.shape for a in with_axis] == [(2, 3, 4), (2, 3, 2), (2, 3), (2, 3)]
    for one, other in zip(with_axis, without, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="n_filters, n_channels, n_times"):
        sinusoid.signal_fit(signals[0, 0], 10)
    for shape in [(2, 3, 30, 2), (2, 3, 30, 1, 1), (30,)]:
        with pytest.raises(ValueError, match="n_filters, n_channels, n_times"):
            sinusoid.signal_fit(np.zeros(shape), 10)
