"""Time samples and windows, Fourier bins, frequency bands, and the joint map of bands over time."""

from dataclasses import dataclass

import numpy as np

from eegexplain._bands import band_masks, bin_weights
from eegexplain._validation import check_bands, positive_int
from eegexplain.bases._basis import Basis


@dataclass(frozen=True, kw_only=True, eq=False)
class Time(Basis):
    """Samples in time: attributions are the usual time-domain map."""

    name = "time"
    dim = "time"

    def analyze(self, x):
        """Return the signal: a sample is its own coefficient."""
        return x

    def synthesize(self, coefficients):
        """Return the signal: a sample is its own coefficient."""
        return coefficients

    def adjoint(self, gradient):
        """Return the gradient: a sample is its own coefficient."""
        return gradient

    def coordinates(self):
        """Times in seconds."""
        return {"time": np.arange(self.n_times) / self.sfreq}


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows(Time):
    """Windows of time: sums over the samples of each; a single window is the whole channel.

    Parameters
    ----------
    windows : int
        Windows of one length (but for a sample); trials of fewer samples have a window per sample.

    Examples
    --------
    >>> from eegexplain.bases import Windows
    >>> Windows(windows=2, n_times=5, sfreq=10.0).coordinates()["window"].tolist()
    ['0-0.2 s', '0.2-0.5 s']
    """

    windows: int = 8

    name = "windows"
    dim = "window"

    def bind(self, n_times, sfreq):
        """Return this basis for signals of `n_times` samples at `sfreq` Hz."""
        positive_int("windows", self.windows)
        return super().bind(n_times, sfreq)

    def _edges(self):
        return np.linspace(0, self.n_times, min(self.windows, self.n_times) + 1).astype(int)

    def pool(self, values):
        """Sum the samples of each window."""
        return np.add.reduceat(values, self._edges()[:-1], axis=-1)

    def spread(self, cells):
        """Give every sample the value of its window."""
        return np.repeat(cells, np.diff(self._edges()), axis=-1)

    def coordinates(self):
        """Borders of the windows, and their middle in seconds."""
        edges = self._edges() / self.sfreq
        names = [f"{low:g}-{high:g} s" for low, high in zip(edges[:-1], edges[1:], strict=True)]
        return {"window": np.array(names, dtype=str), "time": (edges[:-1] + edges[1:]) / 2}


@dataclass(frozen=True, kw_only=True, eq=False)
class Fourier(Basis):
    r"""Bins of the real discrete Fourier transform.

    With :math:`D` and :math:`G` the spectra of change and path gradient, bin :math:`k` receives
    :math:`A_k = (w_k / N) \, \mathrm{Re}(\bar D_k G_k)`, where :math:`w` is 1 at DC and (even :math:`N`) Nyquist and 2
    elsewhere: what integrated gradients of the network behind an inverse transform give [1]_.

    References
    ----------
    .. [1] Sundararajan, Taly & Yan (2017). Axiomatic attribution for deep networks. ICML.
       https://doi.org/10.48550/arXiv.1703.01365

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.bases import Fourier
    >>> basis = Fourier(n_times=5, sfreq=10.0)
    >>> basis.cells()["frequency"]
    array([0., 2., 4.])
    >>> x = np.arange(5.0)
    >>> bool(np.allclose(basis.synthesize(basis.analyze(x)), x))
    True
    """

    name = "fourier"
    dim = "frequency"

    def analyze(self, x):
        """Spectrum `(..., n_times // 2 + 1)`."""
        return np.fft.rfft(x)

    def synthesize(self, coefficients):
        """Signal with this spectrum."""
        return np.fft.irfft(coefficients, n=self.n_times)

    def adjoint(self, gradient):
        """Weighted spectrum of the gradient."""
        spectrum = np.fft.rfft(gradient)
        return spectrum * (bin_weights(self.n_times) / self.n_times).astype(spectrum.real.dtype)

    def coordinates(self):
        """Frequencies in Hz."""
        return {"frequency": np.fft.rfftfreq(self.n_times, 1 / self.sfreq)}


def band_of_bin(bands: dict | str, n_times: int, sfreq: float) -> tuple[list[str], np.ndarray]:
    """Which band each Fourier bin belongs to.

    Parameters
    ----------
    bands : dict of str to (float, float), or "eeg"
        Limits in Hz.
    n_times : int
        Length of the signals in samples.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    names : list of str
    index : ndarray of int, shape (n_times // 2 + 1,)
        Number of the band of each bin, -1 outside all.

    Raises
    ------
    ValueError
        For bands that overlap, or that `check_bands` refuses.
    """
    checked = check_bands(bands, sfreq, n_times)
    frequencies = np.fft.rfftfreq(n_times, 1 / sfreq)
    index = np.full(len(frequencies), -1)
    for number, inside in enumerate(band_masks(frequencies, checked)):
        if np.any(index[inside] >= 0):
            raise ValueError(f"bands overlap at {frequencies[inside & (index >= 0)][0]:g} Hz: shares of overlapping "
                             "bands do not add up; give disjoint bands")
        index[inside] = number
    return list(checked), index


@dataclass(frozen=True, eq=False)
class BandBins:
    """Which band each Fourier bin belongs to.

    Parameters
    ----------
    names : list of str
        Of the bands.
    index : ndarray of int, shape (n_times // 2 + 1,)
        Number of the band of each bin, -1 outside all.
    inside : ndarray of int, shape (n_inside,)
        Bins inside any band.
    """

    names: list[str]
    index: np.ndarray
    inside: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Bands(Fourier):
    """Frequency bands: sums over the Fourier bins of each band; other frequencies are the residual.

    Parameters
    ----------
    bands : dict or "eeg"
        Name to ``(fmin, fmax)`` in Hz; ``"eeg"`` is delta, theta, alpha, beta, gamma.
    """

    bands: object = "eeg"

    name = "bands"
    dim = "band"
    complete = False

    def _inside(self):
        names, index = band_of_bin(self.bands, self.n_times, self.sfreq)
        return BandBins(names, index, np.flatnonzero(index >= 0))

    def analyze(self, x):
        """Spectrum at the bins inside bands."""
        return super().analyze(x)[..., self._inside().inside]

    def synthesize(self, coefficients):
        """Signal made of the bins inside bands."""
        spectrum = np.zeros((*coefficients.shape[:-1], self.n_times // 2 + 1), coefficients.dtype)
        spectrum[..., self._inside().inside] = coefficients
        return super().synthesize(spectrum)

    def adjoint(self, gradient):
        """Weighted spectrum of the gradient at the bins inside bands."""
        return super().adjoint(gradient)[..., self._inside().inside]

    def _membership(self):
        bins = self._inside()
        return (bins.index[bins.inside, None] == np.arange(len(bins.names))).astype(float)

    def pool(self, values):
        """Sum the bins of each band."""
        return values @ self._membership().astype(values.dtype)

    def spread(self, cells):
        """Give every bin the value of its band."""
        return cells @ self._membership().T.astype(cells.dtype)

    def coordinates(self):
        """Names of the bands."""
        return {"band": np.array(self._inside().names, dtype=str)}


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeBands(Basis):
    """The joint map of bands over time; its sums over time and over bands are the maps of the two single bases.

    The signal is split into one signal per band and one for the rest, and each of their samples is a coefficient.

    Parameters
    ----------
    bands : dict or "eeg"
        As for :class:`Bands`.
    """

    bands: object = "eeg"

    name = "time_bands"

    def analyze(self, x):
        """Band signals, flattened: band by band, the rest last."""
        names, index = band_of_bin(self.bands, self.n_times, self.sfreq)
        spectrum = np.fft.rfft(x)
        parts = [np.fft.irfft(spectrum * (index == number), n=self.n_times) for number in [*range(len(names)), -1]]
        return np.concatenate(parts, axis=-1)

    def synthesize(self, coefficients):
        """Sum of the band signals."""
        return coefficients.reshape(*coefficients.shape[:-1], -1, self.n_times).sum(-2)

    def adjoint(self, gradient):
        """Return the gradient once per band: every band signal enters the sum with weight one."""
        n_bands = len(self._names())
        return np.tile(gradient, n_bands)

    def _names(self):
        return [*check_bands(self.bands, self.sfreq, self.n_times), "residual"]

    def coordinates(self):
        """Band and time in seconds of each coefficient."""
        names, times = self._names(), np.arange(self.n_times) / self.sfreq
        return {"band": np.repeat(np.array(names, dtype=str), self.n_times), "time": np.tile(times, len(names))}
