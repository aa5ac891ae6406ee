"""EEG whose classes differ in the phase lags between channels: the task of the SyncNet paper."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.fft import next_fast_len
from sklearn.utils import Bunch, check_random_state

from eegexplain._validation import check_sfreq, positive_int
from eegexplain.datasets import _law
from eegexplain.datasets._truth import class_effect, roles

# Up to this many samples the rhythm is drawn through a root of its whole covariance, whose numbers seeds stand for.
_DENSE = 512
_NEGLIGIBLE = 37.0  # exp(-37) is below the rounding of a number near 1
_OBSERVED = 10_000  # samples of a trial, over all channels, whose covariance fits in memory


@dataclass(frozen=True)
class SynchronyLaw:
    """Covariance ``Re(across x along) + noise``: the same lags at all times, the same time course in all channels.

    Parameters
    ----------
    across : ndarray of shape (n_classes, n_channels, n_channels)
        Hermitian covariance of the channels' rhythms in each class.
    frequency : float
        In Hz.
    decay : float
        How fast the rhythm loses its phase, per squared second.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Samples per trial.
    noise : float
        Variance of the white noise.
    """

    across: np.ndarray
    frequency: float
    decay: float
    sfreq: float
    n_times: int
    noise: float

    def correlation(self, steps):
        """Correlation of the rhythm with itself at earlier times.

        Parameters
        ----------
        steps : ndarray of int
            How many samples earlier.

        Returns
        -------
        complex ndarray of the shape of steps
        """
        distance = steps / self.sfreq
        return np.exp(2j * np.pi * self.frequency * distance - self.decay * distance**2)

    @property
    def along(self):
        """Covariance of one channel's rhythm, (n_times, n_times), Hermitian."""
        return self.correlation(np.subtract.outer(np.arange(self.n_times), np.arange(self.n_times)))

    def draw(self, y, rng):
        """Draw trials.

        Parameters
        ----------
        y : ndarray of int, shape (n_trials,)
            Classes.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (n_trials, n_channels, n_times)
        """
        mixing, (n_white, color) = [_root(matrix) for matrix in self.across], coloring(self)
        X = np.empty((len(y), len(mixing[0]), self.n_times))
        for trial, label in zip(X, y, strict=True):
            parts = rng.standard_normal((2, len(trial), n_white))
            trial[:] = color(mixing[label] @ (parts[0] + 1j * parts[1])).real
            trial += np.sqrt(self.noise) * rng.standard_normal(trial.shape)
        return X

    def blocks(self):
        """Mean and covariance of each class over all channels and times, as one block."""
        n_samples = self.across.shape[1] * self.n_times
        if n_samples > _OBSERVED:
            raise ValueError(
                f"The ideal observer needs the covariance of all {n_samples} samples of a trial (at most {_OBSERVED}): "
                "ask for it with shorter trials."
            )
        covariances = np.array([np.kron(matrix, self.along).real for matrix in self.across])
        covariances += self.noise * np.eye(covariances.shape[1])
        yield np.zeros(covariances.shape[:2]), covariances

    def spectrum(self):
        """Variance of a rhythm of unit variance in each frequency bin.

        Returns
        -------
        ndarray of shape (n_times // 2 + 1,)
        """
        steps = np.arange(self.n_times)
        lagged = (self.n_times - steps) * self.correlation(steps).real  # sums over pairs of samples so far apart
        lagged[1:] += lagged[:0:-1].copy()
        return np.fft.rfft(lagged).real * _law.one_sided(self.n_times)


def coloring(law: SynchronyLaw) -> tuple[int, Callable[[np.ndarray], np.ndarray]]:
    """Return how white noise becomes the rhythm: how many numbers it takes, and the linear map of them to a trial.

    Parameters
    ----------
    law : SynchronyLaw

    Returns
    -------
    n_white : int
    color : callable
        Maps ``(n_channels, n_white)`` complex white noise to ``(n_channels, n_times)``. Short trials go through a root
        of the covariance; long ones through a circle on which the correlation dies away before it closes or, where it
        outlasts the trial, through the few waves that its spectrum then holds.
    """
    n_times, steps = law.n_times, np.arange(law.n_times)
    if n_times <= _DENSE:
        root = _root(law.along)
        return n_times, lambda white: white @ root.T
    reach = np.sqrt(_NEGLIGIBLE / law.decay) * law.sfreq if law.decay > 0 else np.inf
    if reach <= n_times:
        carrier = np.exp(2j * np.pi * law.frequency * steps / law.sfreq)
        size = next_fast_len(n_times + int(np.ceil(reach)))
        distance = np.minimum(np.arange(size), size - np.arange(size)) / law.sfreq
        gain = np.sqrt(np.maximum(np.fft.fft(np.exp(-law.decay * distance**2)).real, 0) / size)
        return size, lambda white: carrier * np.fft.fft(white * gain)[:, :n_times]
    waves = _few_waves(law, (n_times + reach) / law.sfreq)
    return len(waves), lambda white: white @ waves


def _root(matrix):
    """Matrix whose product with its conjugate transpose is ``matrix``."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0))


def _few_waves(law, period):
    """Waves at multiples of ``1 / period`` Hz around the frequency, of their own variance; one without decay."""
    offsets, weights = np.zeros(1), np.ones(1)
    if law.decay > 0:
        highest = np.sqrt(_NEGLIGIBLE * law.decay) / np.pi
        offsets = np.arange(-int(highest * period), int(highest * period) + 1) / period
        weights = np.sqrt(np.pi / law.decay) / period * np.exp(-((np.pi * offsets) ** 2) / law.decay)
    seconds = np.arange(law.n_times) / law.sfreq
    return np.sqrt(weights)[:, None] * np.exp(2j * np.pi * (law.frequency + offsets)[:, None] * seconds)


def make_synchrony_eeg(
    n_trials: int = 200,
    n_channels: int = 8,
    sfreq: float = 50.0,
    duration: float = 1.0,
    frequency: float = 10.0,
    noise_variance: float = 8.0,
    equal_power: bool = True,
    *,
    decay: float = 40.0,
    random_state: Any = None,
) -> Bunch:
    """Simulate trials whose classes differ in synchrony between channels.

    Both classes hold a rhythm of the same frequency. In class 1 all channels follow one rhythm, channel c with
    strength ``|s_c|`` and phase ``arg(s_c)``, where ``s = linspace(0.5, 2, n_channels) * exp(2 pi i c / n_channels)``;
    in class 0 each channel has a rhythm of its own. The covariance is the SyncNet authors':
    ``Re(S_k exp(2 pi i frequency d)) * exp(-decay * d**2)`` at a distance of d seconds, plus white noise.

    Parameters
    ----------
    n_trials : int, default=200
        Trials of both classes together, half each.
    n_channels : int, default=8
    sfreq : float, default=50.0
        Sampling frequency in Hz.
    duration : float, default=1.0
        Length of a trial in seconds.
    frequency : float, default=10.0
        Frequency of the rhythm in Hz.
    noise_variance : float, default=8.0
        Variance of the white noise. At the authors' own 0.1 every frequency from 6 to 14 Hz tells the class.
    equal_power : bool, default=True
        ``S_0 = I + diag(|s|**2)`` and ``S_1 = I + s s*``: each channel has the same spectrum in both classes.
        False is the authors' own task, ``S_0 = I``, whose class 1 also has more power.
    decay : float, default=40.0
        How fast the rhythm loses its phase, per squared second.
    random_state : int, RandomState or None

    Returns
    -------
    Bunch
        As of `make_oscillatory_eeg`; in ``truth``, ``patterns`` (1, n_channels) is ``|s|``, ``lags`` (n_channels,) is
        ``arg(s)`` in radians (channel c moves as ``cos(2 pi frequency t + lags[c])``) and ``role`` tells where the
        common rhythm of class 1 has at least half ("informative") and a tenth ("leakage") of its largest share of
        the power.

    Raises
    ------
    ValueError
        For a frequency at or above Nyquist or sizes that make no sense.

    References
    ----------
    Y. Li, K. Dzirasa, L. Carin, D. Carlson (2017). Targeting EEG/LFP Synchrony with Neural Nets. Advances in Neural
    Information Processing Systems 30, 4620-4630.

    Examples
    --------
    >>> from eegexplain.datasets import make_synchrony_eeg
    >>> eeg = make_synchrony_eeg(n_trials=50, random_state=0)
    >>> eeg.X.shape
    (50, 8, 50)
    >>> bool(abs(eeg.truth.effect).max() < 1e-12)
    True
    """
    sfreq = check_sfreq(sfreq)
    n_times = int(round(sfreq * duration)) if np.isfinite(duration) else 0
    if positive_int("n_channels", n_channels) < 2 or positive_int("n_trials", n_trials) < 2 or n_times < 8:
        raise ValueError(
            f"At least 2 channels, 2 trials and 8 samples are needed, got n_channels={n_channels}, "
            f"n_trials={n_trials} and {n_times} samples"
        )
    if not 0 < frequency < sfreq / 2:
        raise ValueError(
            f"frequency must lie between 0 and the Nyquist frequency {sfreq / 2:g} Hz, got {frequency!r}: raise sfreq"
        )
    if not 0 < noise_variance < np.inf or not 0 <= decay < np.inf:
        raise ValueError(
            f"noise_variance must be above and decay at least 0, both finite, got {noise_variance!r} and {decay!r}"
        )
    s = np.linspace(0.5, 2, n_channels) * np.exp(2j * np.pi * np.arange(n_channels) / n_channels)
    apart = np.eye(n_channels) + (np.diag(np.abs(s) ** 2) if equal_power else 0)
    together = np.eye(n_channels) + np.outer(s, s.conj())
    across = np.array([apart, together])
    law = SynchronyLaw(across, float(frequency), float(decay), sfreq, n_times, float(noise_variance))
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    y = rng.permutation(np.arange(n_trials) % 2)
    return Bunch(
        X=law.draw(y, rng),
        y=y,
        sfreq=sfreq,
        ch_names=[f"ch{c}" for c in range(n_channels)],
        classes=np.arange(2),
        subject=np.zeros(n_trials, int),
        frequencies=np.fft.rfftfreq(n_times, 1 / sfreq),
        truth=_truth(law, s, n_times / sfreq),
    )


def _truth(law, s, duration):
    """What is known about the simulated data."""
    rhythm, white = law.spectrum(), law.noise * _law.one_sided(law.n_times) * law.n_times
    power = np.array([np.outer(np.diag(matrix).real, rhythm) + white for matrix in law.across])
    share = np.outer(np.abs(s) ** 2, rhythm) / power[1]
    return Bunch(
        effect=class_effect(power),
        power=power,
        role=roles(share),
        names=["synchrony"],
        patterns=np.abs(s)[None],
        times=np.array([(0.0, duration)]),
        lags=np.angle(s),
        laws=[law],
    )
