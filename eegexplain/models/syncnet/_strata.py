"""Strata of frequency: the ranges in which filters are sought, each the response of one damped oscillation."""

import warnings
from dataclasses import dataclass

import numpy as np

from eegexplain.models.syncnet._sizes import frequency_range_in

_REACH = 2.0  # half-power widths from its centre beyond which a stratum's response (below 2e-5) counts as none


@dataclass(frozen=True)
class Strata:
    """Ranges of frequency with their centres and widths at half power, ``(n_strata,)`` in Hz.

    A filter ``cos(omega tau) exp(-beta tau^2)`` passes power as ``exp(-(2 pi (f - centre))^2 sfreq^-2 / (2 beta))``,
    one half of it at ``width / 2`` from its centre.
    """

    centers: np.ndarray
    widths: np.ndarray
    sfreq: float

    @property
    def omega(self):
        """Frequencies in rad per sample."""
        return 2 * np.pi * self.centers / self.sfreq

    @property
    def beta(self):
        """Decays per squared sample."""
        return (np.pi * self.widths / self.sfreq) ** 2 / (2 * np.log(2))

    def response(self, frequencies):
        """Share of the power that each stratum passes, ``(n_strata, n_frequencies)``; nothing of frequency 0."""
        distance = (np.asarray(frequencies) - self.centers[:, None]) / (self.widths[:, None] / 2)
        passed = np.where(np.abs(distance) <= 2 * _REACH, np.exp2(-(distance**2)), 0.0)
        passed[:, np.asarray(frequencies) == 0] = 0.0
        return passed


def frequency_strata(frequency_range, sfreq, n_times, width=4.0):
    """Cut a range of frequencies into strata of about `width` Hz that trials of this length can tell apart.

    Parameters
    ----------
    frequency_range : tuple of float
        Lowest and highest frequency in Hz; cut at the Nyquist frequency.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Samples of a trial. A stratum is not narrower than the trial resolves, and its centre has at least one cycle
        in the trial: strata below are merged, with a warning.
    width : float
        In Hz.

    Returns
    -------
    Strata
    """
    low, high = frequency_range_in(frequency_range, sfreq)
    duration = n_times / sfreq
    n_strata = max(1, round((high - low) / width))
    n_resolved = max(1, min(n_strata, int((high - low) * duration)))
    edges = np.linspace(low, high, n_resolved + 1)
    while len(edges) > 2 and (edges[0] + edges[1]) / 2 * duration < 1:
        edges = np.delete(edges, 1)
    if len(edges) - 1 < n_strata:
        warnings.warn(
            f"trials of {duration:g} s tell apart {len(edges) - 1} of the {n_strata} strata of {width:g} Hz between "
            f"{low:g} and {high:g} Hz: strata are merged",
            stacklevel=3,
        )
    return Strata((edges[1:] + edges[:-1]) / 2, np.diff(edges), sfreq)
