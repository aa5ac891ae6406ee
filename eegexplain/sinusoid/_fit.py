"""Least-squares sinusoids and lines for many signals at once.

For a fixed frequency the model ``offset [+ slope u] + alpha cos(w u) + beta sin(w u)`` is linear. With time ``u``
counted from the middle of the signal the cosine is even and the sine odd, so the two never mix, and the variance
explained at ``w`` is the sum of two quotients

    R(w) = A(w)^2 / G(w) + B(w)^2 / H(w),    A + iB = sum_u y(u) exp(i w u),

whose denominators are sums of cosines with closed forms. What is left is to maximise a function of one variable:
``R`` is evaluated on an oversampled grid by one FFT; every peak that could still be the highest is refined by Newton's
method on the Taylor series of ``A + iB`` about its grid point, which costs one pass over the signal.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from eegexplain._validation import check_array_like, check_number, check_sfreq

OVERSAMPLING = 4  # grid points per Fourier bin
# A function whose spectrum ends at half the signal length T loses at most a factor cos(T/2 * distance) from its
# maximum: half a grid step away R is still above cos(pi / 8)^2 = 0.85 of its peak. No lower grid peak can win.
SHORT = 64  # the denominators vary within a grid step of shorter signals: their grid is as fine as that of this length
CONTENDER = 0.85
N_TERMS = 18  # Taylor terms, two of them for the derivatives: exact to rounding for shifts of one grid step
N_STEPS = 60  # at most: bisection alone would then be at rounding
CHUNK = 2**20  # grid values held at once
FLAT = 1e-24  # variance relative to the mean square below which a signal is constant (rounding)


class SinusoidFit(NamedTuple):
    """Sinusoid and line of every signal; leading axes as in the signals."""

    params_sin: np.ndarray
    params_lin: np.ndarray
    err_sin: np.ndarray
    err_lin: np.ndarray
    r2_sin: np.ndarray
    standard_errors: np.ndarray
    aic_difference: np.ndarray


def fit_sinusoids(
    signals: ArrayLike,
    sfreq: float = 1.0,
    *,
    fmin: float | None = None,
    fmax: float | None = None,
    detrend: bool = False,
) -> SinusoidFit:
    """Fit ``offset + amplitude cos(2 pi frequency t + phase)`` and a line to each signal by least squares.

    The global optimum over the frequency range is found: no start values.

    Parameters
    ----------
    signals : ndarray, shape (..., n_times)
        Signals along the last axis; ``t = 0`` is the first sample.
    sfreq : float
        Sampling frequency in Hz.
    fmin, fmax : float or None
        Frequency range in Hz. It is never wider than from half a cycle per signal (a whole one with `detrend`) to
        the Nyquist frequency less as much, beyond which amplitude and offset are not separable; None is that limit.
    detrend : bool
        Fit the sinusoid jointly with a straight line instead of a constant (signals of at least 6 samples).

    Returns
    -------
    fit : SinusoidFit
        ``params_sin (..., 4)``: frequency (Hz), amplitude (>= 0), phase in (-pi, pi] and offset (with `detrend`: the
        level of the line in the middle); ``params_lin (..., 2)``: intercept and slope per second; ``err_sin``,
        ``err_lin``: mean squared errors; ``r2_sin``: share of the variance (with `detrend`: about the line) that the
        sinusoid explains; ``standard_errors (..., 4)`` of ``params_sin`` (NaN without degrees of freedom);
        ``aic_difference``: AIC of the line minus AIC of the sinusoid, positive where the sinusoid is preferred.
        Constant and (with `detrend`) straight signals and those of fewer than 4 samples have all zeros.

    Raises
    ------
    ValueError
        If the signals are not finite, `sfreq` is not above 0, or the frequency range is empty or above the Nyquist
        frequency.
    """
    signals, sfreq = check_array_like("signals", signals, dtype="same"), check_sfreq(sfreq)
    n_times = signals.shape[-1]
    flat = signals.reshape(-1, n_times)
    n_columns = {"params_sin": (4,), "params_lin": (2,), "standard_errors": (4,)}
    fit = SinusoidFit(**{name: np.zeros((len(flat), *n_columns.get(name, ()))) for name in SinusoidFit._fields})
    detrend = detrend and n_times >= 6
    check_limits(sfreq, fmin, fmax)
    if n_times >= 4:  # what is shorter holds no frequency at all: zeros
        low, high = frequency_limits(n_times, sfreq, fmin, fmax, detrend)
        grid = _Grid(n_times, 2 * np.pi * low / sfreq, 2 * np.pi * high / sfreq, detrend)
        step = max(1, CHUNK // (OVERSAMPLING * n_times))
        for start in range(0, len(flat), step):
            rows = slice(start, start + step)
            for whole, part in zip(fit, _fit_chunk(flat[rows], sfreq, grid), strict=True):
                whole[rows] = part
    return SinusoidFit(*(values.reshape(signals.shape[:-1] + values.shape[1:]) for values in fit))


def frequency_limits(n_times, sfreq, fmin, fmax, detrend):
    """Lowest and highest frequency (Hz) to search, inside the range where the fit is well posed."""
    nyquist = sfreq / 2
    check_limits(sfreq, fmin, fmax)
    edge = (1.0 if detrend else 0.5) * sfreq / max(n_times, 4)
    low = max(edge, 0.0 if fmin is None else fmin)
    high = min(nyquist - edge, nyquist if fmax is None else fmax)
    if low > high:
        raise ValueError(
            f"No frequency can be fitted between fmin={fmin} and fmax={fmax} Hz to {n_times} samples at {sfreq:g} Hz: "
            f"the signals hold {edge:g} to {nyquist - edge:g} Hz."
        )
    return low, high


def check_limits(sfreq, fmin, fmax):
    """Raise a ValueError for limits that no signal at this sampling frequency can have."""
    nyquist = sfreq / 2
    for name, limit in (("fmin", fmin), ("fmax", fmax)):
        if limit is not None and not 0 <= check_number(name, limit) <= nyquist:
            raise ValueError(
                f"{name}={limit} Hz is not between 0 and the Nyquist frequency, {nyquist:g} Hz at sfreq={sfreq:g} Hz: "
                "lower it, or give the right sfreq."
            )
    if fmin is not None and fmax is not None and fmin >= fmax:
        raise ValueError(f"fmin={fmin} Hz must be below fmax={fmax} Hz.")


def straight_line(signals, sfreq):
    """Least-squares intercept and slope per second, shape (n, 2), and residual (n, n_times)."""
    n_times = signals.shape[-1]
    time = (np.arange(n_times) - (n_times - 1) / 2) / sfreq
    level = signals.mean(axis=-1)
    slope = signals @ time / max(time @ time, np.finfo(float).tiny)
    residual = signals - level[:, None] - slope[:, None] * time
    return np.stack([level - slope * time[-1], slope], axis=-1), residual


class _Grid:
    """Everything that depends on the length of the signals and the frequency range, not on the data."""

    def __init__(self, n_times, low, high, detrend):
        self.n_times, self.detrend = n_times, detrend
        self.n_fft = scipy.fft.next_fast_len(OVERSAMPLING * max(n_times, SHORT), real=True)
        bins = np.arange(self.n_fft // 2 + 1) * 2 * np.pi / self.n_fft
        inside = np.flatnonzero((bins > low) & (bins < high))
        self.first, self.last = (inside[0], inside[-1] + 1) if len(inside) else (0, 0)
        self.omega = np.concatenate([[low], bins[self.first : self.last], [high]])
        self.time = np.arange(n_times) - (n_times - 1) / 2
        self.weights = np.stack([1 / d for d in denominators(self.omega, n_times, detrend, order=0)])[:, 0]
        self.shift = np.exp(1j * bins[self.first : self.last] * self.time[0])
        self.powers = self.time[:, None] ** np.arange(N_TERMS)

    def spectrum(self, signals):
        """``A + iB`` of every signal at every frequency of the grid, shape (n, n_grid)."""
        inner = scipy.fft.rfft(signals, self.n_fft, axis=-1)[:, self.first : self.last].conj() * self.shift
        low, high = np.exp(1j * np.outer(self.omega[[0, -1]], self.time))
        return np.concatenate([(signals @ low)[:, None], inner, (signals @ high)[:, None]], axis=1)


def dirichlet(omega, n_times, order):
    """``D(w) = sum_u cos(w u)`` and its first `order` derivatives, each of the shape of `omega`."""
    half = n_times / 2
    sine = [f * half**k for k, f in zip(range(order + 1), _sine_cycle(omega * half), strict=False)]
    below = [f * 0.5**k for k, f in zip(range(order + 1), _sine_cycle(omega / 2), strict=False)]
    return divide(sine, below)


def _sine_cycle(x):
    sine, cosine = np.sin(x), np.cos(x)
    return sine, cosine, -sine, -cosine


def divide(numerator, denominator):
    """Value and derivatives of a quotient from those of its parts (Leibniz, to third order)."""
    binomials = ((), (1,), (1, 2), (1, 3, 3))
    out = []
    for k, value in enumerate(numerator):
        for i, factor in enumerate(binomials[k]):
            value = value - factor * out[i] * denominator[k - i]
        out.append(value / denominator[0])
    return out


def denominators(omega, n_times, detrend, order=2):
    """Squared norms of the cosine and the sine, free of offset and line, with derivatives: two (order + 1, ...)."""
    single = dirichlet(omega, n_times, order + 1 if detrend else order)
    double = [2**k * d for k, d in enumerate(dirichlet(2 * omega, n_times, order))]
    constant = np.array([n_times, 0, 0])
    cosine = [
        (c + d) / 2 - s / n_times for c, d, s in zip(constant, double, _square(single[: order + 1]), strict=False)
    ]
    sine = [(c - d) / 2 for c, d in zip(constant, double, strict=False)]
    if detrend:
        energy = n_times * (n_times**2 - 1) / 12
        sine = [s - q / energy for s, q in zip(sine, _square(single[1:]), strict=True)]
    return np.array(cosine), np.array(sine)


def _square(values):
    """Value and derivatives (up to the second) of a square."""
    rules = (lambda f: f[0] ** 2, lambda f: 2 * f[0] * f[1], lambda f: 2 * (f[1] ** 2 + f[0] * f[2]))
    return [rule(values) for rule, _ in zip(rules, values, strict=False)]


def _fit_chunk(signals, sfreq, grid):
    signals = np.asarray(signals, dtype=float)
    n_times = grid.n_times
    unit = np.exp2(np.frexp(np.abs(signals).max(axis=1))[1] - 1.0)  # squares of any unit fit; exact, a power of two
    signals = signals / unit[:, None]
    params_lin, about_line = straight_line(signals, sfreq)
    level = signals.mean(axis=-1)
    centred = about_line if grid.detrend else signals - level[:, None]
    variance = (centred**2).mean(axis=-1)
    flat = variance <= FLAT * np.maximum((signals**2).mean(axis=-1), np.finfo(float).tiny)
    centred[flat] = 0.0
    found = _best_frequency(centred, grid)
    explained, omega, cosine, sine = found.explained, found.omega, found.cosine, found.sine
    err_sin = np.maximum(variance - explained / n_times, 0.0)
    err_lin = np.where(flat, 0.0, (about_line**2).mean(axis=-1))
    amplitude = np.hypot(cosine, sine)
    phase = _wrap(np.arctan2(-sine, cosine) + omega * grid.time[0])
    offset = level - cosine * dirichlet(omega, n_times, 0)[0] / n_times
    params_sin = np.stack([omega * sfreq / (2 * np.pi), amplitude, phase, offset], axis=-1)
    errors = standard_errors(omega, cosine, sine, err_sin, grid) * [sfreq / (2 * np.pi), 1, 1, 1]
    floor = np.maximum(1e-28 * variance, np.finfo(float).tiny)  # exact fits: no logarithm of zero
    aic = n_times * np.log(np.maximum(err_lin, floor) / np.maximum(err_sin, floor)) - (6 if grid.detrend else 4)
    r2 = np.where(flat, 0.0, explained / np.where(flat, 1.0, n_times * variance))
    keep = ~flat
    params_sin, errors = params_sin * keep[:, None], errors * keep[:, None]
    r2, aic = np.minimum(r2, 1.0), aic * keep
    params_sin[:, [1, 3]] *= unit[:, None]
    errors[:, [1, 3]] *= unit[:, None]
    with np.errstate(over="ignore", under="ignore"):  # mean squares of 1e200 are infinite, those of 1e-200 are 0
        err_sin, err_lin = (error * unit * unit for error in (err_sin * keep, err_lin))
    return SinusoidFit(params_sin, params_lin * unit[:, None], err_sin, err_lin, r2, errors, aic)


def _wrap(phase):
    """Phase in (-pi, pi]."""
    wrapped = np.pi - (np.pi - phase) % (2 * np.pi)
    return np.where(wrapped > -np.pi, wrapped, np.pi)  # the remainder of a rounding error below zero is 2 pi itself


class _Best(NamedTuple):
    """Best sinusoid of each signal: explained sum of squares, angular frequency, cosine and sine coefficient."""

    explained: np.ndarray
    omega: np.ndarray
    cosine: np.ndarray
    sine: np.ndarray


def _best_frequency(signals, grid):
    """Find the sinusoid that explains most of each signal, over the whole range of frequencies."""
    spectrum = grid.spectrum(signals)
    power = spectrum.real**2 * grid.weights[0] + spectrum.imag**2 * grid.weights[1]
    best = power.argmax(axis=1)
    rows, peaks = _contenders(power)
    omega, value = _refine(signals[rows], peaks, grid)
    each = np.arange(len(signals))
    omega = np.concatenate([grid.omega[best], omega])  # the grid points themselves hold the ends of the range
    value = np.concatenate([power[each, best], value])
    rows = np.concatenate([each, rows])
    winner = np.lexsort((-value, rows))[np.searchsorted(np.sort(rows), each)]
    omega, value = omega[winner], value[winner]
    angle = omega[:, None] * grid.time
    projections = np.einsum("nt,nt->n", signals, np.cos(angle)), np.einsum("nt,nt->n", signals, np.sin(angle))
    norms = denominators(omega, grid.n_times, grid.detrend, order=0)
    return _Best(value, omega, projections[0] / norms[0][0], projections[1] / norms[1][0])


def _contenders(power):
    """Signal and grid index of every local peak that may hide the highest one."""
    higher = power >= CONTENDER * power.max(axis=1, keepdims=True)
    higher[:, 1:] &= power[:, 1:] >= power[:, :-1]
    higher[:, :-1] &= power[:, :-1] > power[:, 1:]
    return np.nonzero(higher)


def _refine(signals, peaks, grid):
    """Newton's method, bisecting where it leaves the bracket, for the maximum of R beside each grid peak."""
    centre = grid.omega[peaks]
    low = grid.omega[np.maximum(peaks - 1, 0)] - centre
    high = grid.omega[np.minimum(peaks + 1, len(grid.omega) - 1)] - centre
    angle = centre[:, None] * grid.time
    moments = (signals * np.cos(angle)) @ grid.powers + 1j * ((signals * np.sin(angle)) @ grid.powers)
    moments = moments * 1j ** np.arange(N_TERMS)
    shift = np.zeros(len(peaks))
    active = np.arange(len(peaks))
    value = np.zeros(len(peaks))
    for _ in range(N_STEPS):
        power, slope, curvature = _explained(moments[active], centre[active], shift[active], grid)
        value[active] = power
        rising = slope > 0
        low[active] = np.where(rising, shift[active], low[active])
        high[active] = np.where(rising, high[active], shift[active])
        with np.errstate(divide="ignore", invalid="ignore"):
            target = shift[active] - slope / curvature
        inside = (curvature < 0) & (target > low[active]) & (target < high[active])
        target = np.where(inside, target, (low[active] + high[active]) / 2)
        moving = np.abs(target - shift[active]) > 1e-12 * centre[active]
        shift[active] = np.where(moving, target, shift[active])
        active = active[moving]
        if not len(active):
            break
    return centre + shift, value


def _explained(moments, centre, shift, grid):
    """R and its first two derivatives at ``centre + shift``, from the Taylor series of ``A + iB``."""
    basis = np.ones((len(shift), N_TERMS - 2))
    for k in range(1, N_TERMS - 2):
        basis[:, k] = basis[:, k - 1] * shift / k
    derivatives = [(moments[:, order : order + N_TERMS - 2] * basis).sum(axis=1) for order in range(3)]
    norms = denominators(centre + shift, grid.n_times, grid.detrend)
    cosine = divide(_square([d.real for d in derivatives]), norms[0])
    sine = divide(_square([d.imag for d in derivatives]), norms[1])
    return [c + s for c, s in zip(cosine, sine, strict=True)]


def standard_errors(omega, cosine, sine, mse, grid):
    """Standard errors of angular frequency, amplitude, phase and offset from the Gauss-Newton Hessian, (n, 4)."""
    n_times, n_params = grid.n_times, 5 if grid.detrend else 4
    amplitude = np.hypot(cosine, sine)
    scale = np.where(amplitude > 0, amplitude, 1.0)
    if n_times <= n_params:
        return np.full((len(omega), 4), np.nan)
    hessian = _hessian(omega, cosine / scale, sine / scale, n_times)[:, :n_params, :n_params]
    hessian[amplitude == 0, 0, 0] = 1.0  # no sinusoid, no frequency: keep it invertible
    jacobian = np.zeros((len(omega), 4, n_params))  # of (frequency, amplitude, phase, offset)
    jacobian[:, 0, 0] = jacobian[:, 3, 3] = 1.0
    jacobian[:, 1, 1], jacobian[:, 1, 2] = cosine / scale, sine / scale
    jacobian[:, 2, 0], jacobian[:, 2, 1], jacobian[:, 2, 2] = grid.time[0], sine / scale, -cosine / scale
    covariance = np.einsum("nij,njk,nik->ni", jacobian, np.linalg.inv(hessian), jacobian)
    noise = mse * n_times / (n_times - n_params)
    errors = np.sqrt(np.maximum(covariance, 0.0) * noise[:, None]) / scale[:, None]
    return errors * np.stack([np.ones_like(scale), scale, np.ones_like(scale), scale], axis=-1)


def _hessian(omega, cosine, sine, n_times):
    """Products of the derivatives by angular frequency, cosine, sine, offset and slope, (n, 5, 5)."""
    d0, d1, d2 = dirichlet(omega, n_times, 2)
    e0, e1, e2 = dirichlet(2 * omega, n_times, 2)
    energy = n_times * (n_times**2 - 1) / 12  # sum of u^2
    entries = {
        (0, 0): (cosine**2 * (energy + e2) + sine**2 * (energy - e2)) / 2,
        (0, 1): cosine * e1 / 2,
        (0, 2): -sine * e1 / 2,
        (0, 3): cosine * d1,
        (0, 4): -sine * d2,
        (1, 1): (n_times + e0) / 2,
        (2, 2): (n_times - e0) / 2,
        (1, 3): d0,
        (2, 4): -d1,
        (3, 3): n_times,
        (4, 4): energy,
    }
    hessian = np.zeros((len(omega), 5, 5))
    for (i, j), value in entries.items():
        hessian[:, i, j] = hessian[:, j, i] = value
    return hessian
