"""The limit of small noise in closed form: correlations from the gradients of the outputs.

With the slope ``g = d output / d value`` that a kind of perturbation declares (for additive noise the derivative by the
amplitude at fixed phase) and independent values of SD ``s``, the change of an output is ``sum s g e`` with white ``e``,
so each noise has covariance ``s g`` with it and its variance is ``sum (s g)^2``.
Noise with the data's cross-spectrum S has covariance ``(w/T) Re(exp(-i phase) (S G)_c) / sqrt(S_cc)`` and the change
variance ``sum (w/T)^2 G^H S G``, where ``G`` is the spectrum of the gradient over time.
"""

from dataclasses import dataclass

import numpy as np

from eegexplain._parallel import trial_blocks
from eegexplain.perturbation._changes import OutputChanges
from eegexplain.perturbation._noise import Noise
from eegexplain.perturbation._spectra import Spectra, gradient_spectrum, part_size
from eegexplain.perturbation._sums import CorrelationSums, Estimate, InfluenceSums, Totals
from eegexplain.perturbation.kinds import by_amplitude


@dataclass(frozen=True)
class GradientMethod:
    """Estimates from the gradients of a network, as if noise had been drawn without end."""

    model: OutputChanges
    noise: Noise

    def estimate(self, part):
        """Estimate of some trials.

        Parameters
        ----------
        part : Part

        Returns
        -------
        Estimate
        """
        terms = noise_terms(self.model, self.noise, part.X, part.spectra, part.known)
        return gradient_estimate(terms.covariances, terms.variances, terms.outputs)

    def influence(self, totals):
        """What trials add through the size of the noise, in the totals of this method: as it is, for unit noise."""
        return totals

    def trial_covariances(self, X):
        """Covariance of each unit noise with the change of each output, ``(n_trials, n_outputs, n_features)``."""
        parts = trial_blocks(len(X), part_size(X.shape[1:]))
        found = [noise_terms(self.model, self.noise, X[part], Spectra.of(X[part])).covariances for part in parts]
        return np.concatenate(found).reshape(len(X), found[0].shape[1], -1)


@dataclass(frozen=True)
class Terms:
    """Closed form of some trials: ``(n_trials, n_outputs, n_channels, n_features)``, else ``(n_trials, n_outputs)``."""

    covariances: np.ndarray  # of unit noise and the change of outputs
    variances: np.ndarray  # of the change of outputs
    outputs: np.ndarray  # of the unperturbed trials


def noise_terms(model, noise, X, spectra, known=None):
    """Closed form for some trials.

    Parameters
    ----------
    model : OutputChanges
        Of a network.
    noise : Noise
    X : array (n_trials, n_channels, n_times)
    spectra : Spectra
        Of the same trials.
    known : KnownGradients, optional
        Of some of these trials, which are not asked again.

    Returns
    -------
    Terms
    """
    found = KnownGradients.of(model, X) if known is None else known.completed(model, X)
    outputs, gradients = found.values, found.gradients
    if noise.cross is not None:
        terms = data_terms(gradients, spectra, noise.cross.cast(gradients.dtype), membership=noise.membership)
    else:
        kind, space = noise.kind, {"projector": noise.projector, "membership": noise.membership}
        terms = independent_terms(gradients, spectra, noise.amount, slope=kind.slope, **space)
    return Terms(*terms, outputs)


@dataclass(frozen=True)
class KnownGradients:
    """Outputs and gradients of the trials at some positions."""

    positions: np.ndarray
    values: np.ndarray  # (n_trials, n_outputs)
    gradients: np.ndarray  # (n_trials, n_outputs, n_channels, n_times)

    @classmethod
    def of(cls, model, X, positions=None):
        """Ask for those of all trials."""
        batches = list(model.gradients(X))  # passes may be short, and what follows has a price per call
        values, gradients = (_joined([getattr(batch, name) for batch in batches]) for name in ("values", "gradients"))
        return cls(np.arange(len(X)) if positions is None else positions, values, gradients)

    @classmethod
    def join(cls, parts):
        """Those of several parts."""
        names = ("positions", "values", "gradients")
        return cls(*(_joined([getattr(part, name) for part in parts]) for name in names))

    def at(self, positions):
        """Those of some trials, at the places that these have; None where none is known."""
        _, mine, places = np.intersect1d(self.positions, positions, assume_unique=True, return_indices=True)
        return KnownGradients(places, self.values[mine], self.gradients[mine]) if len(mine) else None

    def completed(self, model, X):
        """Those of all of `X`, of which the ones at other positions are asked for."""
        rest = np.setdiff1d(np.arange(len(X)), self.positions)
        parts = [self, KnownGradients.of(model, X[rest], rest)] if len(rest) else [self]
        found = KnownGradients.join(parts)
        order = np.argsort(found.positions)
        return KnownGradients(found.positions[order], found.values[order], found.gradients[order])


def _joined(arrays):
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def independent_terms(gradients, spectra, amount, *, slope=by_amplitude, projector=None, membership=None):
    """Covariances and variances for noise whose values are independent.

    Parameters
    ----------
    gradients : array (n_trials, n_outputs, n_channels, n_times)
    spectra : Spectra
        Of the same trials.
    amount : array (n_channels or 1, n_frequencies or 1)
        SD of the values of the noise; along an axis of length 1, what has an axis of its own shares them.
    slope : callable
        Derivative by these values; see `Perturbation`.
    projector, membership : array or None
        See `Noise`.

    Returns
    -------
    covariances : array (n_trials, n_outputs, n_channels, n_features)
    variances : array (n_trials, n_outputs)
    """
    g = slope(gradient_spectrum(gradients, projector), spectra) * amount.astype(gradients.dtype)
    for axis, length in zip((2, 3), amount.shape, strict=True):
        if length < g.shape[axis]:  # one value moves all of them: its slope is the sum of theirs
            g = g.sum(axis=axis, keepdims=True)
    if membership is not None:
        g = g @ membership.T.astype(g.dtype)
    return g, np.einsum("bkcx,bkcx->bk", g, g, dtype=float)


def data_terms(gradients, spectra, cross, *, membership=None):
    """Covariances and variances for noise with cross-spectrum ``cross`` ``(n_frequencies, n_channels, n_channels)``.

    Shapes as in `independent_terms`. In a band the value of the noise is the sum over its bins.
    """
    n_trials, n_outputs, n_channels, _ = gradients.shape
    # bins first, for one batched product with the cross-spectrum: trials x outputs are its columns
    by_bin = gradient_spectrum(gradients).transpose(3, 2, 0, 1).reshape(-1, n_channels, n_trials * n_outputs)
    if membership is not None:
        by_bin *= membership.any(axis=0)[:, None, None]
    filtered = cross.astype(by_bin.dtype, copy=False) @ by_bin
    variances = _real_product(by_bin, filtered).sum(axis=(0, 1), dtype=float).reshape(n_trials, n_outputs)
    along = _real_product(np.repeat(spectra.unit.transpose(2, 1, 0), n_outputs, axis=2), filtered)
    power = np.einsum("fcc->fc", cross).real
    if membership is not None:
        along, power = (np.tensordot(membership.astype(part.dtype), part, 1) for part in (along, power))
    size = np.sqrt(power)
    along *= np.divide(1, size, out=np.zeros_like(size), where=size > 0).astype(along.dtype)[..., None]
    covariances = along.reshape(-1, n_channels, n_trials, n_outputs).transpose(2, 3, 1, 0)
    return np.ascontiguousarray(covariances), variances


def _real_product(a, b):
    """``Re conj(a) b``."""
    return a.real * b.real + a.imag * b.imag


def gradient_estimate(covariances, variances, outputs):
    """Estimate of some trials from their terms.

    Parameters
    ----------
    covariances : array (n_trials, n_outputs, n_channels, n_features)
    variances : array (n_trials, n_outputs)
        Both from `independent_terms` or `data_terms`.
    outputs : array (n_trials, n_outputs)
        Of the unperturbed trials.

    Returns
    -------
    Estimate
        As if unit noise had been drawn without end: ``noise2`` counts the trials.
    """
    n_trials, n_outputs = variances.shape
    covariances = covariances.reshape(n_trials, n_outputs, -1)
    ones = np.ones((n_trials, covariances.shape[-1]), dtype=np.float32)
    sums = CorrelationSums(
        n=n_trials,
        noise=np.zeros(covariances.shape[-1]),
        noise2=ones.sum(axis=0, dtype=float),
        change=np.zeros(n_outputs),
        change2=variances.sum(axis=0),
        product=covariances.sum(axis=0, dtype=float),
        output2=np.square(outputs, dtype=float).sum(axis=0),
        clusters=InfluenceSums.none(),
        draws=InfluenceSums.none(),
    )
    return Estimate(sums, Totals(covariances, ones, variances), outputs)
