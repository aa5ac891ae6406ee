"""Batch sinusoid fits: the global optimum, planted truth, error bars, degenerate signals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eegexplain.sinusoid import fit_sinusoids
from eegexplain.sinusoid._fit import _wrap, frequency_limits


def design(omega, n_times, detrend):
    """Columns of the linear model at one frequency."""
    u = np.arange(n_times) - (n_times - 1) / 2
    columns = [np.ones(n_times), np.cos(omega * u), np.sin(omega * u)] + [u / n_times] * detrend
    return np.stack(columns, axis=1)


def exhaustive_mse(signals, detrend):
    """Each signal's lowest mean squared error over a very fine grid of frequencies, by explicit least squares."""
    n_times = signals.shape[1]
    edge = (1.0 if detrend else 0.5) / n_times
    errors = []
    for frequency in np.linspace(edge, 0.5 - edge, 60 * n_times):
        basis = np.linalg.qr(design(2 * np.pi * frequency, n_times, detrend))[0]
        errors.append(np.sum(signals**2, axis=1) - np.sum((signals @ basis) ** 2, axis=1))
    return np.min(errors, axis=0) / n_times


def noisy(rng, n_signals, n_times, noise):
    time = np.arange(n_times)
    frequency = rng.uniform(1 / n_times, 0.5 - 1 / n_times, (n_signals, 1))
    clean = np.cos(2 * np.pi * frequency * time + rng.uniform(-np.pi, np.pi, (n_signals, 1)))
    return clean + rng.normal(0, 1, (n_signals, 1)) + noise * rng.normal(size=(n_signals, n_times)), frequency[:, 0]


@given(st.integers(4, 40), st.sampled_from([0.1, 0.5, 2.0]), st.booleans(), st.integers(0, 10_000))
def test_never_worse_than_an_exhaustive_search(n_times, noise, detrend, seed):
    signals, _ = noisy(np.random.default_rng(seed), 4, n_times, noise)
    fit = fit_sinusoids(signals, detrend=detrend)
    assert np.all(fit.err_sin <= exhaustive_mse(signals, detrend and n_times >= 6) + 1e-9)


def test_parameters_give_the_error_they_claim():
    rng = np.random.default_rng(0)
    signals, _ = noisy(rng, 30, 73, 1.0)
    time = np.arange(73) / 200
    fit = fit_sinusoids(signals, 200.0)
    frequency, amplitude, phase, offset = fit.params_sin.T[..., None]
    assert np.all(amplitude >= 0) and np.all(phase > -np.pi) and np.all(phase <= np.pi)
    model = offset + amplitude * np.cos(2 * np.pi * frequency * time + phase)
    np.testing.assert_allclose(((signals - model) ** 2).mean(1), fit.err_sin, rtol=1e-9)
    np.testing.assert_allclose(fit.r2_sin, 1 - fit.err_sin / signals.var(1), atol=1e-10)
    line = np.polynomial.polynomial.polyfit(time, signals.T, 1)
    np.testing.assert_allclose(fit.params_lin, line.T, rtol=1e-8)
    aic = 73 * np.log(fit.err_lin / fit.err_sin) - 4
    np.testing.assert_allclose(fit.aic_difference, aic, rtol=1e-9)


@given(st.floats(0.03, 0.45), st.floats(1e-6, 1e6), st.floats(-3.1, 3.1), st.floats(-1e3, 1e3), st.floats(-5, 5))
def test_a_clean_sinusoid_is_recovered_exactly_in_any_unit(frequency, amplitude, phase, offset, slope):
    time = np.arange(100) / 256
    clean = amplitude * np.cos(2 * np.pi * frequency * 256 * time + phase)
    signal = clean + amplitude * (offset * 1e-2 + slope * (time - time.mean()))
    found = fit_sinusoids(signal, 256.0, detrend=True)
    expected = [frequency * 256, amplitude, phase, amplitude * offset * 1e-2]
    np.testing.assert_allclose(found.params_sin, expected, rtol=1e-6, atol=1e-6 * max(amplitude, 0))
    assert found.r2_sin > 1 - 1e-9


def test_frequency_has_no_bias_and_standard_errors_are_honest():
    rng = np.random.default_rng(1)
    time = np.arange(60) / 100
    for detrend in (False, True):
        signals = 1 + 2 * np.cos(2 * np.pi * 9.3 * time + 0.7) + 0.6 * rng.normal(size=(3000, 60))
        fit = fit_sinusoids(signals, 100.0, detrend=detrend)
        deviation = fit.params_sin - [9.3, 2, 0.7, 1]
        z = deviation.mean(0) / (deviation.std(0) / np.sqrt(3000))
        assert np.all(np.abs(z) < 4)
        np.testing.assert_allclose(fit.standard_errors.mean(0), deviation.std(0), rtol=0.08)


@pytest.mark.parametrize("detrend", [False, True])
def test_standard_errors_are_those_of_the_explicit_jacobian(detrend):
    """Short signals, where sums over cosines do not vanish: derivatives written out, one signal at a time."""
    signals, _ = noisy(np.random.default_rng(3), 8, 15, 0.4)
    fit = fit_sinusoids(signals, 50.0, detrend=detrend)
    time = np.arange(15) / 50
    for (frequency, amplitude, phase, _), mse, errors in zip(
        fit.params_sin, fit.err_sin, fit.standard_errors, strict=True
    ):
        angle = 2 * np.pi * frequency * time + phase
        columns = [-2 * np.pi * time * amplitude * np.sin(angle), np.cos(angle), -amplitude * np.sin(angle),
                   np.ones(15)] + [time - time.mean()] * detrend  # fmt: skip
        jacobian = np.stack(columns, axis=1)
        covariance = np.linalg.inv(jacobian.T @ jacobian) * mse * 15 / (15 - jacobian.shape[1])
        np.testing.assert_allclose(errors, np.sqrt(np.diag(covariance)[:4]), rtol=1e-6)


def test_no_degrees_of_freedom_no_error():
    rng = np.random.default_rng(0)
    for n_times, detrend, missing in [(4, False, True), (5, False, False), (6, True, False)]:
        errors = fit_sinusoids(rng.normal(size=(3, n_times)), detrend=detrend).standard_errors
        assert np.isnan(errors).all() == missing and np.isnan(errors).any() == missing


@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("end", ["fmin", "fmax"])
def test_the_best_frequency_is_found_at_and_beside_the_ends_of_the_range(end, detrend):
    """Rhythms within two grid steps of an end, on both sides: the error is that of the best frequency inside."""
    limit, time = {"fmin": 20.3, "fmax": 30.3}[end], np.arange(70) / 100
    step = 100 / (4 * 70)
    for shift in np.linspace(-2, 2, 17) * step:
        signal = np.cos(2 * np.pi * (limit + shift) * time + 0.7) + 0.3 * np.cos(2 * np.pi * 44 * time)
        fit = fit_sinusoids(signal, 100.0, detrend=detrend, **{end: limit})
        tried = np.linspace(limit, limit + (3 if end == "fmin" else -3) * step, 400)
        residuals = []
        for frequency in [fit.params_sin[0], *tried]:
            basis = np.linalg.qr(design(2 * np.pi * frequency / 100, 70, detrend))[0]
            residuals.append(signal @ signal - np.sum((basis.T @ signal) ** 2))
        np.testing.assert_allclose(fit.err_sin * 70, residuals[0], rtol=1e-9)
        assert fit.err_sin * 70 <= min(residuals[1:]) + 1e-9


def test_limits_hold_and_their_ends_are_tried():
    time = np.arange(200) / 100
    signal = np.cos(2 * np.pi * 20 * time)
    for fmin, fmax, expected in [(5, 15, None), (25, 45, None), (5, 19.95, 19.95), (20.05, 45, 20.05)]:
        frequency = fit_sinusoids(signal, 100.0, fmin=fmin, fmax=fmax).params_sin[0]
        assert fmin <= frequency <= fmax
        if expected is not None:
            assert frequency == pytest.approx(expected)


@pytest.mark.parametrize(("detrend", "n_params"), [(False, 4), (True, 5)])
def test_the_criterion_counts_the_parameters_of_both_models(detrend, n_params):
    """AIC by its definition: offset, frequency, cosine, sine (and slope) against intercept and slope."""
    signals, _ = noisy(np.random.default_rng(4), 10, 50, 1.0)
    fit = fit_sinusoids(signals, 100.0, detrend=detrend)
    u = np.arange(50.0)
    for y, frequency, found in zip(signals, fit.params_sin[:, 0], fit.aic_difference, strict=True):
        criteria = []
        for basis, count in [(np.stack([np.ones(50), u], 1), 2),
                             (design(2 * np.pi * frequency / 100, 50, detrend), n_params)]:
            squares = np.linalg.lstsq(basis, y, rcond=None)[1][0]
            criteria.append(50 * np.log(squares / 50) + 2 * count)
        np.testing.assert_allclose(found, criteria[0] - criteria[1], rtol=1e-8)


@pytest.mark.parametrize(("detrend", "cycles"), [(False, 0.5), (True, 1.0)])
def test_the_range_ends_where_offset_and_amplitude_part(detrend, cycles):
    for n_times, sfreq in [(50, 100.0), (80, 256.0)]:
        edge = cycles * sfreq / n_times
        np.testing.assert_allclose(frequency_limits(n_times, sfreq, None, None, detrend), [edge, sfreq / 2 - edge])
        inner = frequency_limits(n_times, sfreq, 1.5 * edge, sfreq / 2 - 1.5 * edge, detrend)
        np.testing.assert_allclose(inner, [1.5 * edge, sfreq / 2 - 1.5 * edge])
        time = np.arange(n_times) / sfreq
        for beyond, end in [(0.4, cycles), (n_times / 2 - 0.4, n_times / 2 - cycles)]:  # in cycles per signal
            rhythm = np.cos(2 * np.pi * beyond * sfreq / n_times * time + 0.3)
            frequency = fit_sinusoids(rhythm, sfreq, detrend=detrend).params_sin[0]
            np.testing.assert_allclose(frequency * n_times / sfreq, end)
    slow = np.cos(2 * np.pi * 0.8 * np.arange(60) / 60)
    assert fit_sinusoids(slow).params_sin[0] * 60 == pytest.approx(0.8)
    assert fit_sinusoids(slow, detrend=True).params_sin[0] * 60 == pytest.approx(1.0)
    assert frequency_limits(4, 8.0, None, None, False) == (1.0, 3.0) == frequency_limits(2, 8.0, None, None, False)


def test_a_single_frequency_may_be_asked_for():
    """Where both limits meet the search has one frequency: the fit is linear regression."""
    assert frequency_limits(4, 8.0, None, None, True) == (2.0, 2.0)
    with pytest.raises(ValueError, match="the signals hold 1 to 49 Hz"):
        frequency_limits(100, 100.0, None, 0.99, True)
    assert frequency_limits(100, 100.0, None, 1.0, True) == (1.0, 1.0)


def test_phases_lie_above_minus_pi_and_reach_pi():
    below, above = np.nextafter(np.pi, 0), np.nextafter(np.pi, 4)
    np.testing.assert_array_equal(_wrap(np.array([0.0, np.pi, -np.pi, 1.0, -1.0])), [0.0, np.pi, np.pi, 1.0, -1.0])
    phases = np.array([below, above, -below, -above, 3 * np.pi, -3 * np.pi, 7.0, -7.0])
    wrapped = _wrap(phases)
    assert np.all(wrapped > -np.pi) and np.all(wrapped <= np.pi)  # rounding never lands on -pi
    np.testing.assert_allclose(np.exp(1j * wrapped), np.exp(1j * phases), atol=1e-14)
    time = np.arange(100) / 100
    for phase in (np.pi - 1e-3, 1e-3 - np.pi, np.pi, np.pi / 2, -np.pi / 2):
        found = fit_sinusoids(np.cos(2 * np.pi * 7 * time + phase), 100.0).params_sin[2]
        np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * phase), atol=1e-9)
        assert -np.pi < found <= np.pi and (abs(phase) == np.pi or found == pytest.approx(phase))


def test_a_drift_is_not_a_slow_rhythm_once_detrended():
    signal = np.linspace(0, 1, 80) + 0.01 * np.random.default_rng(0).normal(size=80)
    assert fit_sinusoids(signal).r2_sin > 0.9
    assert fit_sinusoids(signal, detrend=True).r2_sin < 0.5
    assert fit_sinusoids(signal).aic_difference < 0


@pytest.mark.parametrize("detrend", [False, True])
def test_degenerate_signals_give_zeros(detrend):
    for n_times in (1, 2, 3, 50):
        fit = fit_sinusoids(np.full((2, n_times), 1e4 / 3), detrend=detrend)
        assert not np.any(fit.params_sin) and not np.any(fit.r2_sin) and not np.any(fit.err_sin)
    line = fit_sinusoids(3 + 0.1 * np.arange(50.0), 10.0, detrend=True)
    assert not np.any(line.params_sin) and not np.any(line.r2_sin)
    np.testing.assert_allclose(line.params_lin, [3, 1], rtol=1e-9)
    with pytest.raises(ValueError, match="signals is empty"):
        fit_sinusoids(np.empty((0, 5, 30)))


@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("unit", [1e200, 1e-200, 1e308, 1e-300, 1e-6])
def test_any_unit(unit, detrend):
    signals, _ = noisy(np.random.default_rng(5), 4, 60, 0.2)
    signals = np.clip(signals, -1.5, 1.5)
    plain = fit_sinusoids(signals, 100.0, detrend=detrend)
    scaled = fit_sinusoids(signals * unit, 100.0, detrend=detrend)
    factors = np.array([1, unit, 1, unit])
    np.testing.assert_allclose(scaled.params_sin, plain.params_sin * factors, rtol=1e-6)
    np.testing.assert_allclose(scaled.params_lin, plain.params_lin * unit, rtol=1e-9)
    np.testing.assert_allclose(scaled.standard_errors, plain.standard_errors * factors, rtol=1e-6)
    for name in ("r2_sin", "aic_difference"):
        np.testing.assert_allclose(getattr(scaled, name), getattr(plain, name), rtol=1e-6)
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_allclose(scaled.err_sin, plain.err_sin * unit * unit, rtol=1e-6)


@pytest.mark.parametrize("sfreq", [0, -1.0, np.nan, True])
def test_sampling_frequencies_that_are_none(sfreq):
    with pytest.raises(ValueError, match="sfreq must be a finite number of Hz above 0"):
        fit_sinusoids(np.ones((2, 30)), sfreq)


def test_chunks_do_not_show(monkeypatch):
    signals, _ = noisy(np.random.default_rng(2), 50, 40, 0.5)
    whole = fit_sinusoids(signals)
    monkeypatch.setattr("eegexplain.sinusoid._fit.CHUNK", 1000)
    for one, other in zip(whole, fit_sinusoids(signals), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"fmax": 60}, "Nyquist"),
        ({"fmin": -1}, "Nyquist"),
        ({"fmin": 30, "fmax": 20}, "below"),
        ({"fmax": 0.1}, "No fr"),
    ],
)
def test_impossible_limits_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        fit_sinusoids(np.zeros(50), 100.0, **limits)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        fit_sinusoids([1.0, np.nan, 2.0, 3.0, 1.0])
