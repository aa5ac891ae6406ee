"""The noise of an analysis: a kind of perturbation with its size, its space, and its random numbers."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from eegexplain.perturbation._spectra import CrossSpectrum, Deviation, MedianDeviation, crossed_size, part_size
from eegexplain.perturbation.kinds import Draws, Perturbation

PILOT = 2**32 - 1  # key of the draws that center the sums
CHECK = 2**32 - 2  # key of the draws that tell whether perturbed trials are still decoded
BANK = 2**32 - 3  # key of the draws that all single trials share
SLOPES = 2**32 - 4  # key of the draws that stand for gradients
_TOGETHER = 8  # draws of a trial that are evaluated together: the unit of the error over draws


@dataclass(frozen=True)
class Noise:
    """What is done to spectra: a kind of perturbation with its size, and the space it is kept in.

    ``amount`` is ``(n_channels, n_frequencies)``, with a length of 1 where the kind's values are shared; ``membership``
    ``(n_bands, n_frequencies)`` or None; ``projector`` ``(n_channels, n_channels)`` or None; ``cross`` the
    cross-spectrum of noise that has the data's, or None; ``unit`` how the size of independent noise was measured on
    trials, or None where it was not.
    """

    kind: Perturbation
    amount: np.ndarray
    membership: np.ndarray | None = None
    projector: np.ndarray | None = None
    cross: CrossSpectrum | None = None
    unit: Deviation | MedianDeviation | None = None
    seed: int = 0

    @property
    def measured(self):
        """Whether its size was measured on trials, which then has an error."""
        return self.cross is not None or self.unit is not None

    @property
    def bands_overlap(self):
        """Whether a bin belongs to several bands, so that their noise is not independent."""
        return self.membership is not None and self.membership.sum(axis=0).max() > 1

    def block_size(self, trial_shape):
        """Trials of a block."""
        return part_size(trial_shape) if self.cross is None else crossed_size(trial_shape)

    def rng(self, *key):
        """Generator for a part of the noise; the same in every worker."""
        return np.random.default_rng([self.seed, *key])

    def size(self):
        """SD of the values of noise per channel and bin or band, ``(n_channels * n_features,)``."""
        size = self.amount if self.cross is None else self.cross.power() / 2  # half is along the phase
        size = size if self.membership is None else size @ self.membership.T
        return (size if self.cross is None else np.sqrt(size)).ravel()

    def perturb(self, spectra, n_draws, rng):
        """Draw noise and add it.

        Parameters
        ----------
        spectra : Spectra
            Of some trials.
        n_draws : int
        rng : numpy.random.Generator

        Returns
        -------
        perturbed : array of shape (n_draws * n_trials, n_channels, n_times)
        values : array of shape (n_draws, n_trials, n_channels or 1, n_frequencies or 1)
        """
        spectrum, values = self.kind.apply(spectra, rng, Draws(self.amount, n_draws, self.membership))
        if self.projector is not None:
            projector = self.projector.astype(spectra.amplitude.dtype)
            spectrum = spectra.values + projector @ (spectrum - spectra.values)
        spectrum = spectrum.astype(spectra.values.dtype, copy=False)
        X = scipy.fft.irfft(spectrum, n=spectra.n_times, axis=-1)
        return X.reshape(-1, *X.shape[2:]), values

    def measure(self, spectra, model, reference, n_draws, rng):
        """Draw noise and see what it changes.

        Parameters
        ----------
        spectra : Spectra
            Of some trials.
        model : OutputChanges
        reference : Reference
            Of these trials.
        n_draws : int
        rng : numpy.random.Generator

        Returns
        -------
        values : array of shape (n_draws, n_trials, n_features)
            Noise that took effect, per channel and bin or summed over the bins of each band.
        changes : array of shape (n_draws, n_trials, n_outputs)
        """
        perturbed, values = self.perturb(spectra, n_draws, rng)
        if self.membership is not None:
            values = values @ self.membership.T.astype(values.dtype)
        return values.reshape(*values.shape[:2], -1), model.changes(perturbed, reference)


def draw_batches(n_draws, at_once=_TOGETHER):
    """Sizes of the batches of draws: at least two where there are two draws, none above `at_once`."""
    n_batches = min(n_draws, max(2, -(-n_draws // at_once)))
    return [len(part) for part in np.array_split(np.arange(n_draws), n_batches)]
