"""What trials add to the error through the size of the noise, where that was measured on the same trials.

With independent noise of SD s the map is ``r = A / sqrt(V)`` with ``A = s mean_b(h_b)``, ``V = mean_b sum (s h_b)^2``
and h the gradient over the amplitude. Trial b moves ``log s`` of each cell by ``l_b``, its influence on the unit
(`Deviation`, `MedianDeviation`), and with it A by ``T l_b`` and V by ``2 sum(W l_b)``, where ``T = s mean_b(h_b)``
and ``W = mean_b (s h_b)^2`` per channel and bin; in bands ``A`` sums ``T l_b`` over bins, and ``W`` has the products of
a bin with its whole band. Added to the trial's own terms before squares are summed over clusters, they make the error
the infinitesimal jackknife of the whole analysis, unit included. Noise with the data's cross-spectrum: `CrossSlopes`.
"""

from dataclasses import dataclass

import numpy as np

from eegexplain.perturbation._spectra import CrossSpectrum, Deviation, MedianDeviation
from eegexplain.perturbation.kinds import by_amplitude


@dataclass(frozen=True)
class SpreadSlopes:
    """How the terms of independent noise follow its size; ``(n_outputs, n_channels, n_frequencies)`` each."""

    toward: np.ndarray  # T
    square: np.ndarray  # W
    unit: Deviation | MedianDeviation
    membership: np.ndarray | None

    @classmethod
    def of(cls, parts, unit, amount, membership=None, slope=by_amplitude):
        """From spectra of gradients and of trials, part by part.

        Parameters
        ----------
        parts : iterable of (array, array, Spectra)
            Spectra of the gradients of some trials from `gradient_spectrum`, ``(n_trials, n_outputs, n_channels,
            n_frequencies)``, twice: products of two measurements with independent noise have none of its squares.
        unit : Deviation or MedianDeviation
        amount : array (n_channels, n_frequencies)
            SD of the noise.
        membership : array (n_bands, n_frequencies) or None
        slope : callable
            Derivative by the values of the noise; see `Perturbation`.
        """
        toward = square = n_trials = 0
        for first, second, spectra in parts:
            first, second = (slope(part, spectra) * amount for part in (first, second))
            toward = toward + (first + second).sum(axis=0) / 2
            shared = second if membership is None else second @ (membership.T @ membership)
            square = square + np.einsum("bkcf,bkcf->kcf", first, shared)
            n_trials += len(first)
        return cls(toward / n_trials, square / n_trials, unit, membership)

    def influence(self, spectra):
        """What each trial, through the size, adds to the covariances, the variance of the noise (1) and of the change.

        Returns
        -------
        covariances : array (n_trials, n_outputs, n_channels * n_features)
        noise : array (n_trials, n_channels * n_features)
        changes : array (n_trials, n_outputs)
        """
        moved = self.unit.influence(spectra.amplitude)
        covariances = self.toward * moved[:, None]
        if self.membership is not None:
            covariances = covariances @ self.membership.T
        covariances = covariances.reshape(*covariances.shape[:2], -1)
        changes = 2 * moved.reshape(len(moved), -1) @ self.square.reshape(len(self.square), -1).T
        return covariances, np.zeros_like(covariances[:, 0]), changes


@dataclass(frozen=True)
class CrossSlopes:
    """How the terms of `data_terms` follow the cross-spectrum S.

    Averaged over trials, the covariances are ``Re sum_d S_cd M_cd`` and the variances ``sum_cd S_cd H_cd``, so a trial
    moves them by what its own ``z z^H`` has in place of S. Both are ``(n_frequencies, n_outputs, n_channels,
    n_channels)``.
    """

    toward: np.ndarray  # M
    square: np.ndarray  # H
    unit: CrossSpectrum
    membership: np.ndarray | None

    @classmethod
    def of(cls, parts, unit, membership=None):
        """From spectra of gradients and of trials, part by part; see `SpreadSlopes.of`."""
        toward = square = n_trials = 0
        for *gradients, spectra in parts:
            if membership is not None:
                gradients = [part * membership.any(axis=0) for part in gradients]
            first, second = (part.transpose(3, 1, 0, 2) for part in gradients)  # bins, outputs, trials, channels
            phase = spectra.unit.conj().transpose(2, 1, 0)[:, None]
            toward = toward + phase @ (first + second) / 2
            product = first.conj().swapaxes(-1, -2) @ second
            square = square + (product + product.conj().swapaxes(-1, -2)) / 2
            n_trials += len(spectra.values)
        return cls(toward / n_trials, square / n_trials, unit, membership)

    def influence(self, spectra):
        """As `SpreadSlopes.influence`, through the cross-spectrum."""
        power = self.unit.power()
        z = np.where(power > 0, (spectra.values - self.unit.centre) * self.unit.scale, 0).astype(self.toward.dtype)
        along, change = self._terms(z.transpose(2, 1, 0))
        mean_along = np.einsum("fcd,fkcd->kcf", self.unit.cross, self.toward).real
        mean_change = np.einsum("fcd,fkcd->k", self.unit.cross, self.square).real
        own = np.square(np.abs(z), dtype=float)
        if self.membership is not None:
            along, mean_along, own, power = (part @ self.membership.T for part in (along, mean_along, own, power))
        weight = np.divide(1, power, out=np.zeros_like(power), where=power > 0)
        covariances = (along - mean_along) * np.sqrt(weight)
        noise = (own - power) * weight
        flat = (part.reshape(*part.shape[:-2], -1) for part in (covariances, noise))
        return (*flat, change - mean_change)

    def _terms(self, z):
        """``Re z_c (M z*)_c`` (n_trials, n_outputs, n_channels, n_frequencies) and ``z^T H z*`` for each trial."""
        along, change = [], 0.0
        for z_bin, toward, square in zip(z, self.toward, self.square, strict=True):  # z_bin is (n_channels, n_trials)
            along.append((z_bin * (toward @ z_bin.conj())).real)
            change = change + (z_bin * (square @ z_bin.conj())).real.sum(axis=1, dtype=float)
        return np.array(along).transpose(3, 1, 2, 0), change.T
