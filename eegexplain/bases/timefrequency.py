"""Short-time Fourier frames and a wavelet frame, both exactly invertible at every length."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.signal import get_window

from eegexplain._bands import bin_weights
from eegexplain.bases._basis import Basis


def _samples(length, sfreq, name):
    """Length in samples: an int counts samples, a float seconds."""
    n_samples = length if isinstance(length, (int, np.integer)) else int(round(length * sfreq))
    if n_samples < 1:
        raise ValueError(f"{name}={length!r} is shorter than one sample at {sfreq:g} Hz "
                         "(an int counts samples, a float seconds)")
    return int(n_samples)


class FrameSizes(NamedTuple):
    """Width and hop of the frames in samples, and their number."""

    width: int
    hop: int
    n_frames: int


@dataclass(frozen=True, kw_only=True, eq=False)
class STFT(Basis):
    """Short-time Fourier transform with Hann windows, normalised so that frames add up to the signal.

    Frames are centred on 0, `hop`, 2 `hop`, ... until the last sample is covered; outside the trial the signal is
    zero. Coefficients are ordered frame by frame.

    Parameters
    ----------
    window : int, float or None
        Width of a frame in samples (int) or seconds (float); None is an eighth of the trial, at least 8 samples.
    hop : int, float or None
        Distance of frames, less than the width; None is half the window.
    """

    window: object = None
    hop: object = None

    name = "stft"

    def sizes(self) -> FrameSizes:
        """Width and hop in samples, and the number of frames.

        Returns
        -------
        FrameSizes
        """
        width = max(8, self.n_times // 8) if self.window is None else _samples(self.window, self.sfreq, "window")
        hop = max(1, width // 2) if self.hop is None else _samples(self.hop, self.sfreq, "hop")
        if hop >= width and width > 1:
            raise ValueError(f"hop ({hop} samples) must be shorter than the window ({width} samples), "
                             "else samples between frames are lost")
        return FrameSizes(width, hop, 1 + -(-(self.n_times - 1) // hop))

    def _frames(self, x):
        """Cut windowed frames `(..., n_frames, width)`."""
        width, hop, n_frames = self.sizes()
        left = width // 2
        right = max(0, (n_frames - 1) * hop + width - left - self.n_times)
        padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(left, right)])
        frames = np.lib.stride_tricks.sliding_window_view(padded, width, axis=-1)[..., ::hop, :][..., :n_frames, :]
        return frames * self._window().astype(x.dtype)

    def _overlap(self, frames):
        """Add windowed frames up at their places."""
        width, hop, n_frames = self.sizes()
        total = np.zeros((*frames.shape[:-2], (n_frames - 1) * hop + width), frames.dtype)
        for number in range(n_frames):
            total[..., number * hop:number * hop + width] += frames[..., number, :]
        return total[..., width // 2:width // 2 + self.n_times]

    def _window(self):
        width = self.sizes().width
        return get_window("hann", width) if width > 1 else np.ones(1)

    def _coverage(self, dtype):
        """Sum of the squared windows over each sample."""
        width, _, n_frames = self.sizes()
        return self._overlap(np.broadcast_to(self._window() ** 2, (n_frames, width))).astype(dtype)

    def analyze(self, x):
        """Spectra of the windowed frames, flattened frame by frame."""
        spectra = np.fft.rfft(self._frames(x))
        return spectra.reshape(*x.shape[:-1], -1)

    def synthesize(self, coefficients):
        """Overlap-add of the windowed frames, divided by the coverage."""
        width, _, n_frames = self.sizes()
        frames = np.fft.irfft(coefficients.reshape(*coefficients.shape[:-1], n_frames, -1), n=width)
        return self._overlap(frames * self._window().astype(frames.dtype)) / self._coverage(frames.dtype)

    def adjoint(self, gradient):
        """Weighted spectra of the frames of the gradient over the coverage."""
        width = self.sizes().width
        spectra = np.fft.rfft(self._frames(gradient / self._coverage(gradient.dtype)))
        spectra *= (bin_weights(width) / width).astype(gradient.dtype)
        return spectra.reshape(*gradient.shape[:-1], -1)

    def coordinates(self):
        """Frame centre in seconds and frequency in Hz of each coefficient."""
        width, hop, n_frames = self.sizes()
        frequencies = np.fft.rfftfreq(width, 1 / self.sfreq)
        times = np.arange(n_frames) * hop / self.sfreq
        return {"time": np.repeat(times, len(frequencies)), "frequency": np.tile(frequencies, n_frames)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Wavelet(Basis):
    """Meyer wavelets without decimation: a Parseval frame that shifts with the signal, at any length [1]_.

    Octave filters whose squares sum to one split the spectrum; each filtered sample is a coefficient. Cells of octave
    `j` pool `2 ** j` neighbouring samples, so that there are about as many cells as samples.

    Parameters
    ----------
    n_levels : int or None
        Octaves above the lowest band; None is as many as the trial resolves.

    References
    ----------
    .. [1] Daubechies (1992). Ten lectures on wavelets. SIAM. https://doi.org/10.1137/1.9781611970104
    """

    n_levels: int | None = None

    name = "wavelet"

    def levels(self):
        """Number of octaves above the lowest band.

        Returns
        -------
        int
        """
        deepest = max(1, int(np.log2(max(self.n_times, 1))) - 2)
        return deepest if self.n_levels is None else min(max(1, self.n_levels), deepest)

    def filters(self):
        """Transfer functions of the octaves.

        Returns
        -------
        ndarray of shape (n_levels + 1, n_times // 2 + 1)
            Finest octave first, lowest band last; their squares sum to 1.
        """
        frequencies = np.fft.rfftfreq(self.n_times)
        power = [np.ones_like(frequencies)]
        for level in range(1, self.levels() + 1):
            step = np.clip(1.5 * frequencies * 2.0 ** (level + 1) - 1, 0, 1)
            smooth = step**4 * (35 - 84 * step + 70 * step**2 - 20 * step**3)
            power.append(np.cos(np.pi / 2 * smooth) ** 2)
        octaves = [upper - lower for upper, lower in zip(power[:-1], power[1:], strict=True)]
        return np.sqrt(np.maximum([*octaves, power[-1]], 0.0))

    def analyze(self, x):
        """Octave signals, flattened: finest first."""
        spectrum = np.fft.rfft(x)[..., None, :]
        parts = np.fft.irfft(spectrum * self.filters().astype(spectrum.real.dtype), n=self.n_times)
        return parts.reshape(*x.shape[:-1], -1)

    def synthesize(self, coefficients):
        """Sum of the octave signals, each filtered once more."""
        parts = np.fft.rfft(coefficients.reshape(*coefficients.shape[:-1], -1, self.n_times))
        return np.fft.irfft((parts * self.filters().astype(parts.real.dtype)).sum(-2), n=self.n_times)

    def adjoint(self, gradient):
        """Analysis of the gradient: the frame is Parseval."""
        return self.analyze(gradient)

    def _starts(self):
        widths = 2 ** np.minimum(np.arange(1, self.levels() + 2), self.levels())
        return [np.arange(0, self.n_times, width) for width in widths]

    def pool(self, values):
        """Sum neighbouring samples of each octave into cells."""
        octaves = values.reshape(*values.shape[:-1], -1, self.n_times)
        return np.concatenate([np.add.reduceat(octaves[..., level, :], starts, axis=-1)
                               for level, starts in enumerate(self._starts())], axis=-1)

    def spread(self, cells):
        """Give every sample of an octave the value of its cell."""
        parts, first = [], 0
        for starts in self._starts():
            lengths = np.diff([*starts, self.n_times])
            parts.append(np.repeat(cells[..., first:first + len(starts)], lengths, axis=-1))
            first += len(starts)
        return np.concatenate(parts, axis=-1)

    def coordinates(self):
        """Centre in seconds and centre frequency in Hz of each cell."""
        edges = self.sfreq / 2.0 ** np.arange(1, self.levels() + 2)
        centres = [*np.sqrt(edges[:-1] * edges[1:]), edges[-1] / 2]
        starts = self._starts()
        times = [(first + np.append(first[1:], self.n_times) - 1) / 2 / self.sfreq for first in starts]
        return {"time": np.concatenate(times), "frequency": np.repeat(centres, [len(first) for first in starts])}
