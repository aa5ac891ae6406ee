"""What the trials of a data set have in strata of frequency: transformed block by block, kept where there is room."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from eegexplain._parallel import trial_blocks

LOUD = 100.0  # power relative to the median trial above which a trial is an artefact
KEPT_BYTES = 2**26  # of spectra that are kept; more are transformed again each time they are asked for
_BLOCK = 64
_SIZED_BY = 256  # trials, at most, that the sizes of channels are taken from
OUT_OF_PROPORTION = 10.0  # size relative to the median channel, or its inverse, that no place on the head explains
_DEGREE = 3  # of a drift
_FLAT = 1e-6  # size relative to the median channel below which a channel holds rounding errors


@dataclass(frozen=True)
class Moments:
    """Label-free summary of spectra, per bin.

    ``cross`` ``(n_bins, n_channels, n_channels)`` is the mean over trials, ``power`` ``(n_trials, n_bins)`` the mean
    over channels.
    """

    cross: np.ndarray
    power: np.ndarray


@dataclass(frozen=True)
class Spectra:
    """Spectra of trials in strata.

    ``X`` is ``(n_trials, n_channels, n_times)``, of any precision; results have that of ``dtype``. ``response``
    ``(n_strata, n_bins)`` is the share of the power of the bins ``use`` that each stratum passes, in units such that a
    sum over bins is a mean square over samples. Trials are divided by ``unit``, a number or ``(n_trials, 1, 1)``, and
    channels by ``sizes`` ``(n_channels, 1)``: what is relative to the loudest would else see a loud channel alone.
    The `trends` of each trial are subtracted: where the ends of a trial do not meet, the step is in all frequencies.
    """

    X: np.ndarray
    response: np.ndarray
    use: slice
    unit: float | np.ndarray
    sizes: np.ndarray
    trends: np.ndarray
    dtype: np.dtype
    kept: np.ndarray | None = None

    @classmethod
    def of(cls, X, strata, unit=1.0, dtype=np.float32):
        """Choose the bins that any stratum passes; transform all trials where the spectra are small."""
        n_trials, n_channels, n_times = X.shape
        response = strata.response(np.fft.rfftfreq(n_times, 1 / strata.sfreq))
        passed = np.flatnonzero(response.any(axis=0))
        use = slice(passed[0], passed[-1] + 1) if len(passed) else slice(0, 0)
        bins = np.arange(use.start, use.stop)
        twice = np.where((bins == 0) | (2 * bins == n_times), 1.0, 2.0)
        sizes = np.ones((n_channels, 1), dtype)
        drift = trends(n_times, strata.centers[0] * n_times / strata.sfreq)
        spectra = cls(X, response[:, use] * twice / n_times**2, use, unit, sizes, drift, np.dtype(dtype))
        some = np.unique(np.linspace(0, n_trials - 1, _SIZED_BY).astype(int))
        if n_trials * n_channels * len(bins) * spectra.complex.itemsize > KEPT_BYTES:
            return replace(spectra, sizes=spectra.channel_sizes(some))
        kept = np.empty((n_trials, n_channels, len(bins)), spectra.complex)
        for part, values in spectra.blocks():
            kept[part] = values
        spectra = replace(spectra, X=None, kept=kept)
        sizes = spectra.channel_sizes(some)
        np.divide(spectra.kept, sizes, out=spectra.kept)
        return replace(spectra, sizes=sizes)

    def __len__(self):
        return len(self.X if self.kept is None else self.kept)

    @property
    def complex(self):
        """Data type of the spectra."""
        return np.result_type(self.dtype, np.complex64)

    def blocks(self, trials=None):
        """Yield positions and spectra ``(n_block, n_channels, n_bins)`` of (some) trials."""
        n_trials = len(self) if trials is None else len(trials)
        for part in trial_blocks(n_trials, _BLOCK):
            chosen = part if trials is None else trials[part]
            if self.kept is not None:
                yield part, self.kept[chosen]
            else:
                unit = self.unit if np.ndim(self.unit) == 0 else self.unit[chosen]
                yield part, self._transformed(self.X[chosen], unit)

    def _transformed(self, X, unit):
        X = np.asarray(X) if X.dtype in (np.float32, np.float64) else np.asarray(X, dtype=float)
        X = X - X.mean(axis=-1, keepdims=True)  # an offset costs digits of the rest, also of its trend
        X /= unit
        X -= (X @ self.trends.astype(X.dtype)) @ self.trends.T.astype(X.dtype)
        return scipy.fft.rfft(X.astype(self.dtype, copy=False), axis=-1)[..., self.use] / self.sizes

    def channel_sizes(self, trials):
        """What channels are divided by, ``(n_channels, 1)``: 1, but for those that are out of proportion.

        Of these it is the root of their power in the median trial, relative to the median channel. Differences that
        electrodes have by their place are left: divided out, weak channels count as much as strong ones in the rank
        and the shrinkage, and subjects that a network never saw are decoded worse.
        """
        gain = self.response.mean(axis=0).astype(self.dtype)
        powers = np.concatenate([_squares(values) @ gain for _, values in self.blocks(trials)])
        sizes = np.sqrt([middle(own) for own in powers.T])
        usual = middle(sizes)
        least = max(_FLAT * usual, np.finfo(self.dtype).eps)
        odd = (sizes > least) & ((sizes > OUT_OF_PROPORTION * usual) | (sizes * OUT_OF_PROPORTION < usual))
        return np.divide(sizes, usual, out=np.ones_like(sizes), where=odd).astype(self.dtype)[:, None]

    def moments(self):
        """Mean cross-spectrum per bin, and power per trial and bin."""
        cross, power = 0.0, []
        for _, values in self.blocks():
            by_bin = np.ascontiguousarray(values.transpose(2, 1, 0))
            cross = cross + by_bin @ by_bin.conj().swapaxes(-1, -2)
            power.append(_squares(values).mean(axis=1))
        return Moments(cross / len(self), np.concatenate(power))

    def without_loud(self, power):
        """Spectra in which trials of more than `LOUD` times the median power have as much as the median trial.

        One such trial would otherwise be what the mean cross-spectrum, and with it the whitening, is made of.

        Parameters
        ----------
        power : array (n_trials,)

        Returns
        -------
        spectra : Spectra
            This one where no trial is loud.
        n_loud : int
        """
        typical = middle(power)
        loud = np.flatnonzero(power > LOUD * typical)
        if not len(loud):
            return self, 0
        size = np.ones((len(power), 1, 1), dtype=power.dtype)
        size[loud, 0, 0] = np.sqrt(power[loud] / typical)
        kept = None if self.kept is None else self.kept / size.astype(self.dtype)
        return replace(self, unit=self.unit * size, kept=kept), len(loud)

    def filter_powers(self, filters, strata, trials=None):
        """Mean power ``(n_trials, n_filters)`` of filters ``(n_channels, n_filters)``, each in its stratum."""
        adjoint = filters.conj().T.astype(self.complex)
        powers = np.empty((len(self) if trials is None else len(trials), filters.shape[1]), dtype=self.dtype)
        for part, values in self.blocks(trials):
            for stratum in np.unique(strata):
                own, response = np.flatnonzero(strata == stratum), self.response[stratum]
                passed = np.flatnonzero(response)
                inside = slice(passed[0], passed[-1] + 1) if len(passed) else slice(0, 0)
                out = adjoint[own] @ values[..., inside]
                powers[part, own] = _squares(out) @ response[inside].astype(self.dtype)
        return powers


def trends(n_times, cycles):
    """Orthonormal polynomials ``(n_times, degree + 1)`` that leave rhythms of so many cycles per trial alone.

    One of degree d follows about d / 2 cycles; a cubic is enough for drifts that turn once.
    """
    degree = min(_DEGREE, int(cycles / 2))
    return np.linalg.qr(np.linspace(-1, 1, n_times)[:, None] ** np.arange(degree + 1))[0]


def _squares(values):
    return np.square(values.real) + np.square(values.imag)


def middle(values):
    """Median of the numbers above 0, 0 where there are none."""
    above = values[values > 0]
    return np.median(above) if len(above) else values.dtype.type(0)
