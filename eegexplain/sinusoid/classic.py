"""Sinusoid fits under the names and axis orders of ``braindecode.visualization.sinfit`` (braindecode 0.4)."""

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import ArrayLike

from eegexplain._validation import check_array_like, check_sfreq
from eegexplain.sinusoid._fit import fit_sinusoids


def fit_fn_sin(
    x: ArrayLike, frequency: ArrayLike, amplitude: ArrayLike, phase: ArrayLike, offset: ArrayLike
) -> np.ndarray:
    """Return ``amplitude cos(frequency x + phase) + offset``.

    Parameters
    ----------
    x : ndarray
        Time in units of ``2 pi`` seconds (``2 * np.pi * t``), so that `frequency` is in Hz. NaN gives NaN, here and in
        the parameters.
    frequency, amplitude, phase, offset : float
        Parameters in the order of `signal_fit`; the phase is that of a cosine.

    Returns
    -------
    values : ndarray
        Of the shape of `x`.
    """
    given = {"x": x, "frequency": frequency, "amplitude": amplitude, "phase": phase, "offset": offset}
    x, frequency, amplitude, phase, offset = _finite_or_nan(**given)
    return offset + amplitude * np.cos(frequency * x + phase)


def fit_fn_lin(x: ArrayLike, intercept: ArrayLike, slope: ArrayLike) -> np.ndarray:
    """Return ``intercept + slope x``.

    Parameters
    ----------
    x : ndarray
        Time, in any unit. NaN gives NaN, here and in the parameters.
    intercept, slope : float
        Parameters in the order of `signal_fit`.

    Returns
    -------
    values : ndarray
        Of the shape of `x`.
    """
    time, level, rise = _finite_or_nan(x=x, intercept=intercept, slope=slope)
    return level + rise * time


def err_fn_sin(p: ArrayLike, x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the residual ``y - fit_fn_sin(x, *p)``.

    Parameters
    ----------
    p : array-like of shape (4,)
        Frequency (Hz), amplitude, phase and offset. NaN gives NaN, here and in the arrays.
    x, y : ndarray
        Time in units of ``2 pi`` seconds, and the signal, of one shape.

    Returns
    -------
    residual : ndarray of shape (n_times,)
        Flattened.
    """
    parameters, signal = _finite_or_nan(p=p, y=y)
    return np.ravel(signal - fit_fn_sin(x, *parameters))


def err_fn_lin(p: ArrayLike, x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the residual ``y - fit_fn_lin(x, *p)``.

    Parameters
    ----------
    p : array-like of shape (2,)
        Intercept and slope. NaN gives NaN, here and in the arrays.
    x, y : ndarray
        Time and the signal, of one shape.

    Returns
    -------
    residual : ndarray of shape (n_times,)
        Flattened.
    """
    parameters, signal = _finite_or_nan(p=p, y=y)
    return np.ravel(signal - fit_fn_lin(x, *parameters))


def _finite_or_nan(**given: Any) -> list[Any]:
    """Numbers or arrays of them."""
    return [check_array_like(name, value, ndim="any", allow_nan=True) for name, value in given.items()]


def signal_fit(signals: ArrayLike, fs: float, *, legacy: bool = False) -> tuple[np.ndarray, ...]:
    """Fit a sinusoid and a line to each signal.

    Parameters
    ----------
    signals : ndarray, shape (n_filters, n_channels, n_times, 1) or (n_filters, n_channels, n_times)
        Signals, such as reverse correlations.
    fs : float
        Sampling frequency in Hz.
    legacy : bool
        True reproduces the earlier tool: a local optimiser started at the strongest Fourier bin, with the time axis
        stretched by ``T / (T - 1)`` (frequencies too low by that factor), amplitudes of either sign and phases
        outside (-pi, pi]. False finds the global optimum on the true time axis.

    Returns
    -------
    params_sin : ndarray, shape (n_filters, n_channels, 4)
        Frequency (Hz), amplitude, phase (rad, of a cosine) and offset: the arguments of `fit_fn_sin`.
    params_lin : ndarray, shape (n_filters, n_channels, 2)
        Intercept and slope, the arguments of `fit_fn_lin` (slope per ``2 pi`` seconds).
    err_sin, err_lin : ndarray, shape (n_filters, n_channels)
        Mean squared errors.

    Raises
    ------
    ValueError
        For signals of another number of axes, NaN and infinities, and an `fs` that is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.sinusoid import signal_fit
    >>> time = np.arange(50) / 100
    >>> signals = 3 * np.cos(2 * np.pi * 12 * time + 0.5)[None, None, :, None]
    >>> signal_fit(signals, fs=100)[0].round(6) + 0.0
    array([[[12. ,  3. ,  0.5,  0. ]]])
    """
    signals = check_array_like("signals", signals, dtype=float)
    if signals.ndim not in (3, 4) or signals.shape[3:] not in ((), (1,)):
        raise ValueError(f"signals must be (n_filters, n_channels, n_times, 1), got shape {signals.shape}.")
    fs = check_sfreq(fs)
    signals = signals.reshape(signals.shape[:3])
    if legacy:
        return _local_fit(signals, fs)
    fit = fit_sinusoids(signals, fs)
    return fit.params_sin, fit.params_lin * [1.0, 1 / (2 * np.pi)], fit.err_sin, fit.err_lin


def _local_fit(signals, fs):
    """Levenberg-Marquardt from the strongest Fourier bin, on a time axis that includes its end point."""
    n_times = signals.shape[-1]
    x = 2 * np.pi * np.linspace(0, n_times / fs, n_times)
    spectra = np.fft.rfft(signals)[..., 1:]
    frequencies = np.fft.rfftfreq(n_times, 1 / fs)[1:]
    params_sin, params_lin = np.zeros((*signals.shape[:2], 4)), np.zeros((*signals.shape[:2], 2))
    err_sin, err_lin = np.zeros(signals.shape[:2]), np.zeros(signals.shape[:2])
    for cell in np.ndindex(signals.shape[:2]):
        y, spectrum = signals[cell], spectra[cell]
        peak = np.argsort(np.abs(spectrum))[-1]
        start = [frequencies[peak], np.abs(spectrum[peak]), np.angle(spectrum[peak]), y.mean()]
        params_sin[cell] = scipy.optimize.leastsq(err_fn_sin, start, (x, y), maxfev=100_000)[0]
        params_lin[cell] = scipy.optimize.leastsq(err_fn_lin, [0, 0], (x, y), maxfev=100_000)[0]
        err_sin[cell] = np.mean(err_fn_sin(params_sin[cell], x, y) ** 2)
        err_lin[cell] = np.mean(err_fn_lin(params_lin[cell], x, y) ** 2)
    return params_sin, params_lin, err_sin, err_lin
