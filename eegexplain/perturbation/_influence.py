"""What trials add to the error through the size of the noise, where that was measured on the same trials.

With independent noise of SD s the map is ``r = A / sqrt(V)`` with ``A = s mean_b(h_b)``, ``V = mean_b sum (s h_b)^2``
and h the gradient over the amplitude. Trial b moves ``log s`` of each cell by ``l_b``, its influence on the unit
(`Deviation`, `MedianDeviation`), and with it A by ``T l_b`` and V by ``2 sum(W l_b)``, where ``T = s mean_b(h_b)``
and ``W = mean_b (s h_b)^2`` per channel and bin; in bands ``A`` sums ``T l_b`` over bins, and ``W`` has the products of
a bin with its whole band. Added to the trial's own terms before squares are summed over clusters, they make the error
the infinitesimal jackknife of the whole analysis, unit included. Noise with the data's cross-spectrum: `CrossSlopes`.
"""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import scipy.fft

from eegexplain._bands import frozen_bins
from eegexplain._explanation import order_by_content
from eegexplain._parallel import single_thread
from eegexplain.perturbation._gradient import KnownGradients
from eegexplain.perturbation._noise import SLOPES, draw_batches
from eegexplain.perturbation._spectra import CrossSpectrum, Deviation, MedianDeviation, Spectra, gradient_spectrum
from eegexplain.perturbation._sums import Totals
from eegexplain.perturbation.kinds import by_amplitude

_SLOPE_TRIALS = 64  # trials whose gradients tell how the map follows the size of the noise: their share in the variance
#                     of a map is about 1 / 64 too much, and gradients cost what the map costs
_KEPT = 2**26  # bytes of gradients that are kept for the map; more are computed again


@dataclass(frozen=True)
class TwiceMeasured:
    """Spectra of the gradients of some trials from `gradient_spectrum`, measured twice, and spectra of the trials.

    Products of two measurements with independent noise have none of its squares; both are the same where exact.
    """

    first: np.ndarray  # (n_trials, n_outputs, n_channels, n_frequencies)
    second: np.ndarray
    spectra: Spectra

    def __len__(self):
        """Number of trials."""
        return len(self.first)


@dataclass(frozen=True)
class SpreadSlopes:
    """How the terms of independent noise follow its size; ``(n_outputs, n_channels, n_frequencies)`` each."""

    covariance_slope: np.ndarray  # T
    variance_slope: np.ndarray  # W
    unit: Deviation | MedianDeviation
    membership: np.ndarray | None

    at_once = 1  # trials asked together

    @classmethod
    def of(cls, parts, unit, amount, membership=None, slope=by_amplitude):
        """From spectra of gradients and of trials, part by part.

        Parameters
        ----------
        parts : iterable of TwiceMeasured
        unit : Deviation or MedianDeviation
        amount : array (n_channels, n_frequencies)
            SD of the noise.
        membership : array (n_bands, n_frequencies) or None
        slope : callable
            Derivative by the values of the noise; see `Perturbation`.
        """
        covariance_slope = variance_slope = n_trials = 0
        for part in parts:
            first, second = (slope(gradients, part.spectra) * amount for gradients in (part.first, part.second))
            covariance_slope = covariance_slope + (first + second).sum(axis=0) / 2
            shared = second if membership is None else second @ (membership.T @ membership)
            variance_slope = variance_slope + np.einsum("bkcf,bkcf->kcf", first, shared)
            n_trials += len(first)
        return cls(covariance_slope / n_trials, variance_slope / n_trials, unit, membership)

    def influence(self, spectra):
        """What each trial, through the size, adds to the covariances, the variance of the noise (1) and of the change.

        Returns
        -------
        Totals
        """
        moved = self.unit.influence(spectra.amplitude)
        covariances = self.covariance_slope * moved[:, None]
        if self.membership is not None:
            covariances = covariances @ self.membership.T
        covariances = covariances.reshape(*covariances.shape[:2], -1)
        changes = 2 * moved.reshape(len(moved), -1) @ self.variance_slope.reshape(len(self.variance_slope), -1).T
        return Totals(covariances, np.zeros_like(covariances[:, 0]), changes)


@dataclass(frozen=True)
class CrossSlopes:
    """How the terms of `data_terms` follow the cross-spectrum S.

    Averaged over trials, the covariances are ``Re sum_d S_cd M_cd`` and the variances ``sum_cd S_cd H_cd``, so a trial
    moves them by what its own ``z z^H`` has in place of S. Both are ``(n_bins, n_outputs, n_channels, n_channels)``,
    large for many channels and units: of bands only their own `bins` are kept.
    """

    covariance_slope: np.ndarray  # M
    variance_slope: np.ndarray  # H
    unit: CrossSpectrum
    membership: np.ndarray | None
    bins: np.ndarray | slice

    @classmethod
    def of(cls, parts, unit, membership=None):
        """From spectra of gradients and of trials, part by part; see `SpreadSlopes.of`."""
        bins = slice(None) if membership is None else np.flatnonzero(membership.any(axis=0))
        slopes, n_trials = None, 0
        for some in gathered(parts, unit.cross.shape[1] // 2):
            # bins, outputs, trials, channels; contiguous, as products of anything else go without BLAS
            first = np.concatenate([part.first[..., bins].transpose(3, 1, 0, 2) for part in some], axis=2)
            same = all(part.second is part.first for part in some)
            second = first
            if not same:
                second = np.concatenate([part.second[..., bins].transpose(3, 1, 0, 2) for part in some], axis=2)
            phase = np.concatenate([part.spectra.unit[..., bins].conj().transpose(2, 1, 0) for part in some], axis=2)
            mean = first if same else (first + second) / 2
            found = phase[:, None] @ mean, first.conj().swapaxes(-1, -2) @ second
            if not same:
                found = found[0], (found[1] + found[1].conj().swapaxes(-1, -2)) / 2
            if slopes is None:
                slopes = found
            else:
                for total, new in zip(slopes, found, strict=True):
                    total += new
            n_trials += sum(len(part) for part in some)
        for total in slopes:  # in place: these may be the largest arrays of all
            total /= n_trials
        membership = None if membership is None else membership[:, bins]
        return cls(*slopes, unit.of_bins(bins), membership, bins)

    @property
    def at_once(self):
        """Trials asked together, so that reading the slopes takes no longer than the products."""
        return self.covariance_slope.shape[-1] // 2

    def influence(self, spectra):
        """As `SpreadSlopes.influence`, through the cross-spectrum."""
        power = self.unit.power()
        z = np.where(power > 0, (spectra.values[..., self.bins] - self.unit.centre) * self.unit.scale, 0)
        z = z.astype(self.covariance_slope.dtype)
        along, change = self._terms(z.transpose(2, 1, 0))
        mean_along, mean_change = self._means
        own = np.square(np.abs(z), dtype=float)
        if self.membership is not None:
            along, mean_along, own, power = (part @ self.membership.T for part in (along, mean_along, own, power))
        weight = np.divide(1, power, out=np.zeros_like(power), where=power > 0)
        covariances = (along - mean_along) * np.sqrt(weight)
        noise = (own - power) * weight
        covariances, noise = (part.reshape(*part.shape[:-2], -1) for part in (covariances, noise))
        return Totals(covariances, noise, change - mean_change)

    def _terms(self, z):
        """``Re z_c (M z*)_c`` (n_trials, n_outputs, n_channels, n_frequencies) and ``z^T H z*`` for each trial."""
        z = np.ascontiguousarray(z)[:, None]  # (n_bins, 1, n_channels, n_trials)
        along, change = ((z * (slope @ z.conj())).real for slope in (self.covariance_slope, self.variance_slope))
        return np.ascontiguousarray(along.transpose(3, 1, 2, 0)), change.sum(axis=(0, 2), dtype=float).T

    @cached_property
    def _means(self):
        """What `_terms` gives on average over trials, (n_outputs, n_channels, n_bins) and (n_outputs,)."""
        along = np.einsum("fcd,fkcd->kcf", self.unit.cross, self.covariance_slope).real
        return along, np.einsum("fcd,fkcd->k", self.unit.cross, self.variance_slope).real


def gathered(parts, n_trials):
    """Lists of parts that hold so many trials together (the last may hold fewer)."""
    some = []
    for part in parts:
        some.append(part)
        if sum(len(one) for one in some) >= n_trials:
            yield some
            some = []
    if some:
        yield some


def size_slopes(model, noise, trials, n_draws):
    """How the map follows the size of its noise: from gradients or, without any (and for layers), from draws.

    Parameters
    ----------
    model : OutputChanges
    noise : Noise
        Whose size was measured on these trials.
    trials : Trials
    n_draws : int
        Draws per trial for what has no gradients; 0 leaves it out.

    Returns
    -------
    slopes : SpreadSlopes or CrossSlopes
    known : KnownGradients or None
        Of the trials asked, for those who ask again; None where there are none or they are large.
    """
    chosen = order_by_content(trials.X)
    chosen = chosen[trials.pooled[chosen]][:_SLOPE_TRIALS]
    with single_thread():
        return _slopes(model, noise, trials, n_draws, chosen)


def _slopes(model, noise, trials, n_draws, chosen):
    starts = range(0, len(chosen), trials.part_size)
    keep = model.net.differentiable and 4 * trials.X[0].size * len(chosen) * model.net.n_outputs <= _KEPT
    known = [] if keep else None

    def parts():
        """Gradients of some trials at a time."""
        for start in starts:
            some = chosen[start : start + trials.part_size]
            yield _measured_twice(model, noise, np.asarray(trials.X[some]), start, n_draws, (some, known))

    if noise.cross is not None:
        slopes = CrossSlopes.of(parts(), noise.cross, noise.membership)
    else:
        slopes = SpreadSlopes.of(parts(), noise.unit, noise.amount, noise.membership, noise.kind.slope)
    return slopes, KnownGradients.join(known) if known else None


def _measured_twice(model, noise, X, key, n_draws, keep):
    """Spectra of the gradients of all outputs and units; `keep` are the trials' positions and a list, or None."""
    spectra, projector = Spectra.of(X), None if noise.cross is not None else noise.projector
    exact, drawn = (), ()
    if model.net.differentiable:
        found = KnownGradients.of(model, X, keep[0])
        exact = [gradient_spectrum(found.gradients, projector)] * 2
        if keep[1] is not None:
            keep[1].append(found)
    if n_draws and (model.layers or not exact):
        evaluate = partial(model.changes, reference=model.reference(X))
        size = noise.amount if noise.cross is None else np.sqrt(noise.cross.power())
        size = size if noise.membership is None else size * noise.membership.any(axis=0)
        batches = draw_batches(max(n_draws, 2))
        drawn = drawn_gradients(spectra, evaluate, size, batches, noise.rng(SLOPES, key), projector)
    if exact and drawn:
        drawn = [np.concatenate([a, b[:, a.shape[1] :]], axis=1) for a, b in zip(exact, drawn, strict=True)]
    return TwiceMeasured(*(drawn or exact), spectra)


def drawn_gradients(spectra, evaluate, size, batches, rng, projector=None):
    """Gradients as `gradient_spectrum` gives them, from the changes that white noise in real and imaginary parts makes.

    Parameters
    ----------
    spectra : Spectra
        Of some trials.
    evaluate : callable (perturbed) -> array (n_draws, n_trials, n_outputs)
        Change of the outputs.
    size : array (n_channels, n_frequencies)
        SD of the noise; where it is 0, so is the gradient.
    batches : list of int
        Draws made together; at least two.
    rng : numpy.random.Generator
    projector : array (n_channels, n_channels) or None

    Returns
    -------
    list of two arrays (n_trials, n_outputs, n_channels, n_frequencies)
        From every other batch: their errors are independent.
    """
    sums, counts, scale = [None, None], [0, 0], 0.0
    for number, n_draws in enumerate(batches):
        shape = (n_draws, *spectra.values.shape)
        white = rng.standard_normal(shape, dtype=np.float32) + 1j * rng.standard_normal(shape, dtype=np.float32)
        white[..., frozen_bins(spectra.n_times)] = white[..., frozen_bins(spectra.n_times)].real
        added = white * size.astype(spectra.amplitude.dtype)
        added = added if projector is None else projector.astype(spectra.amplitude.dtype) @ added
        X = scipy.fft.irfft((spectra.values + added).astype(spectra.values.dtype), n=spectra.n_times, axis=-1)
        changes = evaluate(X.reshape(-1, *X.shape[2:]))
        scale = scale or np.abs(changes).max() or 1.0
        changes = (changes / scale).astype(np.float32)  # rounding is far below what draws leave
        found, half = np.einsum("dbk,dbcf->bkcf", changes, white, optimize=True), number % 2
        sums[half] = found if sums[half] is None else np.add(sums[half], found, out=sums[half])
        counts[half] += n_draws
    weight = np.divide(1, size, out=np.zeros_like(size, dtype=float), where=size > 0)
    for total, count in zip(sums, counts, strict=True):  # in place: units times channels times bins, for each trial
        total *= (weight * (scale / count)).astype(np.float32)
    return sums
