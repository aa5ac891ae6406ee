"""The Gaussian law of simulated EEG: drawing from it, its expected spectra, and the best classifier there can be."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Bin(NamedTuple):
    """Law of one frequency bin: whether the classes differ, means and covariances per class."""

    differs: bool
    means: np.ndarray
    covariances: np.ndarray


@dataclass(frozen=True)
class Component:
    """One rhythm at the electrodes: ``pattern * gain of the class * window * (coefficients @ waves)``.

    Components with the same ``driver`` share their coefficients in each trial: they are one rhythm at two places.
    """

    name: str
    driver: str
    pattern: np.ndarray  # (n_channels,)
    gains: np.ndarray  # (n_classes,)
    lags: np.ndarray  # (n_classes,) seconds
    spectrum: np.ndarray  # (n_frequencies,), sum 1: variance in each bin
    window: np.ndarray  # (n_times,)
    fixed: np.ndarray | None = None  # coefficients of a rhythm that is the same in each trial

    def waves(self, label, sfreq):
        """Cosines and sines whose weighted sum the rhythm is, of shape (2 * n_bins, n_times)."""
        bins = np.flatnonzero(self.spectrum > 1e-7 * self.spectrum.max())
        n_times = len(self.window)
        seconds = np.arange(n_times) / sfreq - self.lags[label]
        angle = 2 * np.pi * (bins * sfreq / n_times)[:, None] * seconds
        weights = np.sqrt(self.spectrum[bins])[:, None] * self.window
        return np.concatenate([weights * np.cos(angle), weights * np.sin(angle)])


@dataclass(frozen=True)
class Law:
    """Background plus rhythms: everything that one subject's EEG is drawn from."""

    mixing: np.ndarray  # (n_channels, n_latents), background of unit variance between 1 and 45 Hz
    background: np.ndarray  # (n_frequencies,) variance in each bin
    components: tuple
    n_times: int
    sfreq: float

    @property
    def n_classes(self):
        """Number of classes."""
        return len(self.components[0].gains)

    def blocks(self):
        """Real Gaussian law of each frequency bin in which the classes differ.

        Yields
        ------
        means : ndarray of shape (n_classes, 2 * n_channels)
        covariances : ndarray of shape (n_classes, 2 * n_channels, 2 * n_channels)
            Of real and imaginary parts.
        """
        for one in self.bins():
            if one.differs:
                yield one.means, one.covariances

    def bins(self):
        """The same of every frequency bin, and before it whether the classes differ there."""
        parts = [factors(self, label) for label in range(self.n_classes)]
        background = np.kron(np.eye(2), self.mixing @ self.mixing.T)
        for f in range(1, len(self.background) - 1):
            means = np.array([np.concatenate([mean[:, f].real, mean[:, f].imag]) for _, mean in parts])
            waves = np.array([np.concatenate([random[:, f].real, random[:, f].imag]) for random, _ in parts])
            covariances = waves @ waves.transpose(0, 2, 1)
            level = self.n_times**2 * self.background[f] / 4
            floor = 1e-9 * level * np.trace(background)
            differs = max(np.ptp(means**2, axis=0).max(), np.ptp(covariances, axis=0).max()) > floor
            yield Bin(differs, means, covariances + level * background)


def blocks_of_a_stranger(law, others):
    """What one subject's trials are drawn from, and what an observer believes who knows other subjects only.

    Parameters
    ----------
    law : Law
    others : list of Law
        Their mean covariance per class and bin is the observer's belief.

    Yields
    ------
    means, covariances : ndarray
        As of `Law.blocks`.
    believed_means, believed_covariances : ndarray of the same shapes
    """
    for own, *known in zip(law.bins(), *(other.bins() for other in others), strict=True):
        if own.differs or any(other.differs for other in known):
            believed = Bin(True, *(np.mean(part, axis=0) for part in list(zip(*known, strict=True))[1:]))
            yield own.means, own.covariances, believed.means, believed.covariances


def gaussian_spectrum(frequencies, centre, bandwidth):
    """Gaussian power spectrum of sum 1 without DC and Nyquist; ``bandwidth`` is its full width at half maximum."""
    exponent = -0.5 * ((frequencies - centre) * 2.3548 / bandwidth) ** 2
    exponent[0] = exponent[-1] = -np.inf
    power = np.exp(exponent - exponent.max())
    return power / power.sum()


def pink_spectrum(frequencies, exponent=1.0):
    """1/f power spectrum whose sum between 1 and 45 Hz is 1; DC has the power of the first bin."""
    power = 1 / np.maximum(frequencies, frequencies[1]) ** exponent
    return power / power[(frequencies >= 1) & (frequencies <= 45)].sum()


def evoked_coefficients(spectrum, frequencies, peak_time):
    """Coefficients of a waveform of unit mean square whose waves all crest at ``peak_time`` seconds."""
    angle = 2 * np.pi * frequencies[spectrum > 1e-7 * spectrum.max()] * peak_time
    return np.sqrt(2) * np.concatenate([np.cos(angle), np.sin(angle)])


def draw(law, y, rng):
    """Trials of classes ``y``.

    Parameters
    ----------
    law : Law
    y : ndarray of int of shape (n_trials,)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_trials, n_channels, n_times)
    """
    X = _draw_background(law, len(y), rng)
    coefficients = {}
    for component in law.components:
        if component.driver not in coefficients:
            n_waves = len(component.waves(0, law.sfreq))
            drawn = rng.standard_normal((len(y), n_waves))
            coefficients[component.driver] = drawn if component.fixed is None else np.tile(component.fixed, (len(y), 1))
        for label in np.unique(y):
            rows = y == label
            rhythm = component.gains[label] * coefficients[component.driver][rows] @ component.waves(label, law.sfreq)
            X[rows] += component.pattern[:, None] * rhythm[:, None, :]
    return X


def _draw_background(law, n_trials, rng):
    """Background EEG: independent latents with one spectrum, mixed to the electrodes."""
    n_channels, n_latents = law.mixing.shape
    real = np.zeros(len(law.background), bool)
    real[0], real[-1] = True, law.n_times % 2 == 0
    scale = law.n_times * np.sqrt(np.where(real, law.background, law.background / 4))
    X = np.empty((n_trials, n_channels, law.n_times))
    for trial in X:
        parts = rng.standard_normal((2, n_latents, len(scale)))
        trial[:] = law.mixing @ np.fft.irfft(scale * (parts[0] + 1j * np.where(real, 0, parts[1])), law.n_times)
    return X


def factors(law, label):
    """Spectra of everything in the law that is not background.

    Returns
    -------
    random : ndarray of shape (n_channels, n_frequencies, n_waves), complex
        The discrete Fourier transform of the rhythms is this times independent standard normal numbers.
    mean : ndarray of shape (n_channels, n_frequencies), complex
        Transform of what is the same in each trial.
    """
    n_channels, n_frequencies = len(law.mixing), len(law.background)
    mean = np.zeros((n_channels, n_frequencies), complex)
    random = {}
    for component in law.components:
        waves = component.gains[label] * np.fft.rfft(component.waves(label, law.sfreq))
        if component.fixed is not None:
            mean += component.pattern[:, None] * (component.fixed @ waves)
        else:
            spectra = component.pattern[:, None, None] * waves.T
            random[component.driver] = random.get(component.driver, 0) + spectra
    none = np.zeros((n_channels, n_frequencies, 0), complex)
    return np.concatenate([none, *random.values()], axis=2), mean


def expected_power(law, label):
    """Expected power spectrum of class ``label``: variance in each bin, of shape (n_channels, n_frequencies)."""
    random, mean = factors(law, label)
    power = ((np.abs(random) ** 2).sum(axis=2) + np.abs(mean) ** 2) * one_sided(law.n_times)
    return power + (law.mixing**2).sum(axis=1)[:, None] * law.background


def one_sided(n_times):
    """Factor from squared coefficients of `numpy.fft.rfft` to variance in each bin, of shape (n_frequencies,)."""
    weight = np.full(n_times // 2 + 1, 2.0)
    weight[0] = 1.0
    if n_times % 2 == 0:
        weight[-1] = 1.0
    return weight / n_times**2
