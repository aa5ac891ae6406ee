"""Spectra of trials: bins, phases, bands, and what the trials of a data set say about them."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import scipy.fft

from eegexplain._bands import bin_weights
from eegexplain._parallel import trial_blocks
from eegexplain._subspace import column_space

_VALUES = 2**18  # samples of the trials worked on at once; noise needs a few dozen times this memory
_ROUNDING = 100  # in machine epsilons: a spread below this share of the channel's largest amplitude is rounding


def part_size(trial_shape):
    """Trials worked on at once: a constant of the problem, never of workers or batches."""
    return int(np.clip(_VALUES // np.prod(trial_shape), 1, 32))


@dataclass(frozen=True)
class Spectra:
    """One-sided spectra of a block of trials, with what every draw of noise needs."""

    values: np.ndarray  # complex (n_trials, n_channels, n_frequencies)
    amplitude: np.ndarray
    unit: np.ndarray  # exp(i phase); zero where there is no amplitude
    n_times: int

    @classmethod
    def of(cls, X):
        """Transform trials ``(n_trials, n_channels, n_times)`` in their own precision."""
        values = scipy.fft.rfft(X, axis=-1)
        amplitude = np.abs(values)
        unit = np.divide(values, amplitude, out=np.zeros_like(values), where=amplitude > 0)
        return cls(values, amplitude, unit, X.shape[-1])

    @classmethod
    def join(cls, parts):
        """Those of several blocks of trials."""
        if len(parts) == 1:
            return parts[0]
        names = ("values", "amplitude", "unit")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names), parts[0].n_times)

    def of_trials(self, chosen):
        """Of some of the trials."""
        if isinstance(chosen, np.ndarray) and chosen.dtype == bool and chosen.all():
            return self
        return Spectra(self.values[chosen], self.amplitude[chosen], self.unit[chosen], self.n_times)


def gradient_spectrum(gradients, projector=None):
    """Spectrum of gradients: the derivative by each bin, real and imaginary part.

    Parameters
    ----------
    gradients : array (n_trials, n_outputs, n_channels, n_times)
        Over time.
    projector : array (n_channels, n_channels) or None
        Projection onto the space that the data fill.

    Returns
    -------
    complex array (n_trials, n_outputs, n_channels, n_frequencies)
    """
    n_times = gradients.shape[-1]
    if projector is not None:
        gradients = projector.astype(gradients.dtype) @ gradients
    return scipy.fft.rfft(gradients, axis=-1) * (bin_weights(n_times) / n_times).astype(gradients.dtype)


def gradient_along(spectrum, unit):
    """Derivative by the amplitude of each bin at fixed phase, from `gradient_spectrum` and ``exp(i phase)``."""
    unit = unit[:, None]
    return unit.real * spectrum.real + unit.imag * spectrum.imag


@dataclass(frozen=True)
class Deviation:
    """Standard deviation of the amplitudes over trials; ``(n_channels, n_frequencies)``, 0 where constant."""

    size: np.ndarray
    centre: np.ndarray

    def influence(self, amplitude):
        """Influence of each trial on the logarithm of the size, ``(n_trials, n_channels, n_frequencies)``."""
        size = np.where(self.size > 0, self.size, np.inf)
        ratio = np.square((amplitude - self.centre) / size)
        return np.where(self.size > 0, (ratio - 1) / 2, 0.0)


@dataclass(frozen=True)
class MedianDeviation:
    """Median absolute deviation of the amplitudes over trials, scaled to the SD of a normal.

    Its influence [1]_ needs the density f of the amplitudes: ``density = f(m + d) + f(m - d)`` and ``tilt = (f(m + d) -
    f(m - d)) / (2 f(m))`` at the median m and the unscaled deviation d.

    References
    ----------
    .. [1] F. R. Hampel, "The influence curve and its role in robust estimation", Journal of the American Statistical
           Association 69 (1974), doi:10.1080/01621459.1974.10482962.
    """

    size: np.ndarray
    centre: np.ndarray
    density: np.ndarray
    tilt: np.ndarray

    SCALE = 1.4826

    @classmethod
    def of(cls, X):
        """Of trials ``(n_trials, n_channels, n_times)``, one channel in memory at a time."""
        channels = [cls._of(np.abs(scipy.fft.rfft(X[:, c], axis=-1)).astype(float)) for c in range(X.shape[1])]
        return cls(*(np.array([getattr(each, field.name) for each in channels]) for field in fields(cls)))

    @classmethod
    def _of(cls, amplitude):
        centre = np.median(amplitude, axis=0)
        deviation = np.median(np.abs(amplitude - centre), axis=0)
        width = 1.06 * len(amplitude) ** -0.2 * cls.SCALE * deviation  # of the kernel: the rule of thumb for a normal
        width = np.where(width > 0, width, 1.0)

        def density(at):
            """Density of the amplitudes at one place per bin, by Gaussian kernels."""
            return np.exp(-np.square((amplitude - at) / width) / 2).mean(axis=0) / (width * np.sqrt(2 * np.pi))

        low, high = density(centre - deviation), density(centre + deviation)
        return cls(cls.SCALE * deviation, centre, low + high, (high - low) / (2 * density(centre)))

    def influence(self, amplitude):
        """As `Deviation.influence`."""
        deviation, distance = self.size / self.SCALE, amplitude - self.centre
        moved = np.where(np.abs(distance) > deviation, 0.5, -0.5) - self.tilt * np.sign(distance)
        scale = deviation * self.density
        return np.divide(moved, scale, out=np.zeros(moved.shape), where=scale > 0)


@dataclass(frozen=True)
class CrossSpectrum:
    """Cross-spectrum of `scale` times the trials' spectra, around their mean over trials.

    ``cross`` is ``(n_frequencies, n_channels, n_channels)``, ``centre`` the mean ``(n_channels, n_frequencies)``.
    """

    cross: np.ndarray
    centre: np.ndarray
    scale: float = 1.0

    def cast(self, dtype):
        """`cross` in the precision of real numbers of a type, cast once."""
        return self.cross if np.result_type(dtype, np.complex64) == self.cross.dtype else self._single

    @cached_property
    def _single(self):
        return self.cross.astype(np.complex64)

    def power(self):
        """Power per channel and bin, ``(n_channels, n_frequencies)``."""
        return np.einsum("fcc->cf", self.cross).real

    def of_bins(self, bins):
        """Of some bins."""
        return CrossSpectrum(self.cross[bins], self.centre[:, bins], self.scale)

    def scaled(self, scale):
        """Of so many times the trials."""
        return CrossSpectrum(scale**2 * self.cross, self.centre, scale * self.scale)


@dataclass(frozen=True)
class DataScale:
    """Spread of the trials' spectra, and the space the channels fill.

    ``spread`` is ``(n_channels, n_frequencies)``, zero where a bin is constant, and ``unit`` tells how it was measured
    (None where it was not); ``cross`` is the cross-spectrum over trials or None; ``projector`` ``(n_channels,
    n_channels)``, or None where the channels fill the whole space; ``rank`` the number of dimensions filled.
    """

    spread: np.ndarray
    unit: Deviation | MedianDeviation | None
    cross: CrossSpectrum | None
    projector: np.ndarray | None
    rank: int


def crossed_size(trial_shape):
    """Trials worked on at once where a matrix of channels per bin meets them: fewer would take its reading's time."""
    return max(part_size(trial_shape), trial_shape[0] // 2)


def block_scale(X, cross):
    """Sums over a block of trials that `data_scale` needs, in float64."""
    X = np.asarray(X, dtype=float)
    spectrum = scipy.fft.rfft(X, axis=-1)
    amplitude = np.abs(spectrum)
    samples = X.transpose(1, 0, 2).reshape(X.shape[1], -1)
    sums = {
        "n": len(X),
        "amplitude": amplitude.sum(axis=0),
        "power": (amplitude**2).sum(axis=0),
        "moment": samples @ samples.T,
    }
    if cross:
        by_bin = np.ascontiguousarray(spectrum.transpose(2, 1, 0))  # one batched product over bins
        sums |= {"mean": spectrum.sum(axis=0), "cross": by_bin @ by_bin.conj().transpose(0, 2, 1)}
    return sums


def data_scale(X, *, scale_by="sd", cross=False, subspace="data"):
    """Measure a data set in one pass over blocks of trials (a second one, by channel, for ``"mad"``).

    Parameters
    ----------
    X : array (n_trials, n_channels, n_times)
    scale_by : {"sd", "mad", "absolute"}
        What one unit of noise is: the standard deviation or the median absolute deviation (scaled to the SD of a
        normal) of the bin's amplitude over trials, or one unit of the unnormalised spectrum.
    cross : bool
        Whether the cross-spectrum is needed.
    subspace : {"data", "full"}

    Returns
    -------
    DataScale
    """
    total = None
    size = crossed_size(X.shape[1:]) if cross else part_size(X.shape[1:])
    for block in trial_blocks(len(X), size):
        sums = block_scale(X[block], cross)
        if total is None:
            total = sums
            continue
        for name, found in sums.items():
            total[name] += found
    n_trials, eps = total["n"], np.finfo(np.result_type(X.dtype, np.float32)).eps
    size = np.sqrt(total["power"] / n_trials)
    unit = _spread_unit(X, total, scale_by)
    if unit is not None:
        unit.size[unit.size <= _ROUNDING * eps * size.max(axis=1, keepdims=True)] = 0.0
    spread = np.ones_like(size) if unit is None else unit.size
    projector, rank = column_space(total["moment"])
    if subspace == "full" or rank == len(projector):
        projector = None
    spectrum = CrossSpectrum(_covariance(total, size, eps), total["mean"] / n_trials) if cross else None
    return DataScale(spread, unit, spectrum, projector, rank)


def _spread_unit(X, total, scale_by):
    """How the spread over trials is measured, or None."""
    if scale_by == "absolute":
        return None
    if scale_by == "mad":
        return MedianDeviation.of(X)
    mean = total["amplitude"] / total["n"]
    return Deviation(np.sqrt(np.maximum(total["power"] / total["n"] - mean**2, 0)), mean)


def _covariance(total, size, eps):
    """Cross-spectrum around the mean over trials; constant bins are exactly zero."""
    mean = (total["mean"] / total["n"]).T
    cross = total["cross"] / total["n"] - mean[:, :, None] * mean[:, None, :].conj()
    power = np.einsum("fcc->fc", cross).real
    constant = power <= (_ROUNDING * eps * size.max(axis=1)) ** 2
    cross[constant] = 0
    cross.transpose(0, 2, 1)[constant] = 0
    return cross
