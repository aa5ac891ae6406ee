"""Kinds of perturbation as records: what happens to a spectrum, which noise is drawn, which values are correlated."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._bands import frozen_bins
from eegexplain._validation import lookup
from eegexplain.perturbation._spectra import Spectra, gradient_along


@dataclass(frozen=True)
class Perturbation:
    """A kind of perturbation.

    Parameters
    ----------
    name : str
        What `PerturbationCorrelator` is asked for.
    formula : str
        What happens to amplitude A and phase phi of channel c and bin f.
    noise : str
        Distribution of the noise e, and the value that is correlated with the change of the output.
    relative : bool
        Whether the noise is in units of the bin's spread over trials.
    apply : callable (spectra, rng, draws) -> (spectrum, values)
        Perturbed spectrum ``(n_draws, n_trials, n_channels, n_frequencies)`` and the values that took effect, with a
        length of 1 along the last two axes where `axes` does not name them.
    slope : callable (gradients, spectra) -> array, optional
        Derivative of the outputs by the values at 0, from their derivatives by the spectrum (`gradient_spectrum`,
        ``(n_trials, n_outputs, n_channels, n_frequencies)``), of the same shape: `by_amplitude`, `by_phase`, or a
        multiple of these. It is the kind's closed form for small noise whose values are independent with mean 0 and
        the SD `Draws.amount`. None where there is no such limit: then there is only sampling.
    axes : tuple of str, default=("channel", "frequency")
        What has values of its own. Without "channel", channels share them; ``()`` is one value per trial.
    data_noise : bool, default=False
        Whether the noise may have the trials' cross-spectrum instead (``noise="data"``).
    """

    name: str
    formula: str
    noise: str
    relative: bool
    apply: Callable
    slope: Callable | None = None
    axes: tuple[str, ...] = ("channel", "frequency")
    data_noise: bool = False

    def __post_init__(self):
        """Refuse a spread per channel and bin for values that these share."""
        if self.relative and set(self.axes) != {"channel", "frequency"}:
            raise ValueError(f"{self.name}: noise in units of each bin's spread needs values per channel and frequency")

    @property
    def closed_form(self):
        """Whether the limit for small noise is known from gradients."""
        return self.slope is not None


@dataclass(frozen=True)
class Draws:
    """Noise to draw.

    Parameters
    ----------
    amount : ndarray of shape (n_channels or 1, n_frequencies or 1)
        Standard deviation of the values, in the unit of the kind's values; 1 where an axis shares them.
    n_draws : int
        Draws per trial.
    membership : ndarray of shape (n_bands, n_frequencies), optional
        1 where a bin belongs to a band: the bins of a band then share their noise.
    """

    amount: np.ndarray
    n_draws: int
    membership: np.ndarray | None = None

    def draw(self, sampler, spectra):
        """Draw unit noise per bin, or per band and spread over its bins.

        Parameters
        ----------
        sampler : callable (shape) -> array
            Such as ``partial(normal, rng)``.
        spectra : Spectra
            Of the trials.

        Returns
        -------
        noise : array of shape (n_draws, n_trials, n_channels or 1, n_frequencies or 1)
        """
        n_channels, n_features = self.amount.shape
        n_features = n_features if self.membership is None else len(self.membership)
        unit = sampler((self.n_draws, len(spectra.values), n_channels, n_features))
        return unit if self.membership is None else unit @ self.membership.astype(np.float32)


# ------------------------------------------------------------------------------------------------------ closed forms
def by_amplitude(gradients: NDArray[Any], spectra: Spectra) -> NDArray[Any]:
    """Differentiate by the amplitude of each bin at fixed phase.

    Parameters
    ----------
    gradients : complex ndarray of shape (n_trials, n_outputs, n_channels, n_frequencies)
        Derivatives of the outputs by the real and the imaginary part of each bin.
    spectra : Spectra
        Of the trials.

    Returns
    -------
    ndarray of the shape of `gradients`
        Real; in outputs per unit of the amplitude.
    """
    return gradient_along(gradients, spectra.unit)


def by_phase(gradients: NDArray[Any], spectra: Spectra) -> NDArray[Any]:
    """Differentiate by the phase of each bin at fixed amplitude: a turn moves a bin at a right angle to itself.

    Parameters
    ----------
    gradients : complex ndarray of shape (n_trials, n_outputs, n_channels, n_frequencies)
        As in `by_amplitude`.
    spectra : Spectra
        Of the trials.

    Returns
    -------
    ndarray of the shape of `gradients`
        Real; in outputs per rad.
    """
    return gradient_along(gradients, 1j * spectra.values)


def by_factor(gradients: NDArray[Any], spectra: Spectra) -> NDArray[Any]:
    """Differentiate by a factor on the amplitude of each bin.

    Parameters
    ----------
    gradients : complex ndarray of shape (n_trials, n_outputs, n_channels, n_frequencies)
        As in `by_amplitude`.
    spectra : Spectra
        Of the trials.

    Returns
    -------
    ndarray of the shape of `gradients`
        Real; in outputs per factor: by the amplitude, times the amplitude.
    """
    return by_amplitude(gradients, spectra) * spectra.amplitude[:, None]


# ------------------------------------------------------------------------------------------------------------- noise
def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw from N(0, 1) in single precision.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int

    Returns
    -------
    ndarray of this shape
    """
    return rng.standard_normal(shape, dtype=np.float32)


def _shift(rng, shape):
    return np.float32(2 * np.pi) * rng.random(shape, dtype=np.float32) - np.float32(np.pi)


def _sparse_shift(rng, shape):
    chosen = rng.random(shape, dtype=np.float32) < 1 / shape[2]
    return np.where(chosen, _shift(rng, shape), np.float32(0))


def _add(spectra, rng, draws):
    noise = draws.draw(partial(normal, rng), spectra)
    values = noise * draws.amount.astype(spectra.amplitude.dtype)
    spectrum = values * spectra.unit
    spectrum += spectra.values
    return spectrum, values


def _add_data(root, spectra, rng, draws):
    """Add noise ``root @ white`` with the data's cross-spectrum; its value is the part along the trial's phase."""
    shape = (*spectra.values.shape[::-1], draws.n_draws)  # bins first: one matrix product per bin
    white = (normal(rng, shape) + 1j * normal(rng, shape)) * np.float32(np.sqrt(0.5))
    white[frozen_bins(spectra.n_times)] = white[frozen_bins(spectra.n_times)].real
    if draws.membership is not None:
        white[~draws.membership.any(axis=0)] = 0
    added = root @ white.reshape(len(white), shape[1], -1)
    added = added.reshape(shape).transpose(3, 2, 1, 0)
    return spectra.values + added, added.real * spectra.unit.real + added.imag * spectra.unit.imag


def _multiply(spectra, rng, draws):
    noise = draws.draw(partial(normal, rng), spectra)
    values = noise * draws.amount.astype(spectra.amplitude.dtype)
    return spectra.values * (1 + values), values


def _rotate(spectra, rng, draws):
    shift = draws.draw(partial(_shift, rng), spectra)
    shift[..., frozen_bins(spectra.n_times)] = 0
    return spectra.values * turn(shift, spectra), np.abs(shift)


def turn(shift: NDArray[Any], spectra: Spectra) -> NDArray[Any]:
    """Return ``exp(i shift)`` in the precision of the trials: amplitudes must not change.

    Parameters
    ----------
    shift : ndarray
        In rad.
    spectra : Spectra
        Whose precision it takes.

    Returns
    -------
    complex ndarray of the shape of `shift`
    """
    shift = shift.astype(spectra.amplitude.dtype)
    return np.cos(shift) + 1j * np.sin(shift)


def _rotate_some(spectra, rng, draws):
    shift = draws.draw(partial(_sparse_shift, rng), spectra)
    shift[..., frozen_bins(spectra.n_times)] = 0
    rotated = np.broadcast_to(spectra.values, shift.shape).copy()
    chosen = shift != 0
    rotated[chosen] *= turn(shift[chosen], spectra)
    return rotated, np.abs(shift)


def _call(function, spectra, rng, draws):
    """Apply the user's function draw by draw."""
    amplitude, phase = spectra.amplitude, np.angle(spectra.values)
    drawn = [_checked(function, amplitude, phase, rng) for _ in range(draws.n_draws)]
    return tuple(np.stack(part) for part in zip(*drawn, strict=True))


def _checked(function, amplitude, phase, rng):
    amps, phases, values = call_perturbation(function, amplitude, phase, rng)
    return amps * np.exp(1j * phases), np.broadcast_to(values, amps.shape)


def call_perturbation(
    function: Callable[..., Any], amplitude: NDArray[Any], phase: NDArray[Any], rng: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Call a user's function, whose arguments are read-only, and check the shapes it returns.

    Parameters
    ----------
    function : callable (amplitude, phase, rng) -> (amplitudes, phases, values)
    amplitude, phase : array (n_trials, n_channels, n_frequencies, ...)
    rng : random generator

    Returns
    -------
    amplitudes, phases : array of the shape of `amplitude`
    values : array of the same shape, or with one channel

    Raises
    ------
    ValueError
        If it changes its arguments or returns something else.
    """
    amplitude.flags.writeable = phase.flags.writeable = False
    try:
        result = function(amplitude, phase, rng)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise ValueError(
            "the perturbation changes its input in place; work on a copy of amplitudes and phases"
        ) from error
    if not (isinstance(result, tuple) and len(result) == 3):
        raise ValueError("a perturbation returns three arrays: amplitudes, phases and the values to correlate")
    amps, phases, values = (np.asarray(part) for part in result)
    allowed = {amplitude.shape, (len(amplitude), 1, *amplitude.shape[2:])}
    if amps.shape != amplitude.shape or phases.shape != amplitude.shape or values.shape not in allowed:
        raise ValueError(
            f"the perturbation returned amplitudes {amps.shape}, phases {phases.shape} and values {values.shape}; "
            f"expected {amplitude.shape} for the first two and for values the same, or with one channel"
        )
    return amps, phases, values


KINDS = {
    kind.name: kind
    for kind in (
        Perturbation(
            name="additive",
            formula="A -> A + scale * spread * e (the phase flips where that is negative)",
            noise="e ~ N(0, 1); value: the change of A",
            relative=True,
            apply=_add,
            slope=by_amplitude,
            data_noise=True,
        ),
        Perturbation(
            name="multiplicative",
            formula="A -> A * (1 + scale * e)",
            noise="e ~ N(0, 1); value: the change of the factor",
            relative=False,
            apply=_multiply,
            slope=by_factor,
        ),
        Perturbation(
            name="phase",
            formula="phi -> phi + e, the same e in all channels",
            noise="e ~ U(-pi, pi); value: |e|",
            relative=False,
            apply=_rotate,
            axes=("frequency",),
        ),
        Perturbation(
            name="lag",
            formula="phi -> phi + e with probability 1 / n_channels in each channel",
            noise="e ~ U(-pi, pi), else 0; value: |e|",
            relative=False,
            apply=_rotate_some,
        ),
    )
}


def resolve_kind(perturbation: str | Perturbation | Callable[..., Any]) -> Perturbation:
    """Return the record of a perturbation.

    Parameters
    ----------
    perturbation : str, Perturbation or callable
        A name in ``KINDS``, a record (which is returned), or a function ``(amps, phases, rng) -> (amps, phases,
        values)`` of arrays ``(n_trials, n_channels, n_frequencies)``, which has no closed form.

    Returns
    -------
    Perturbation

    Raises
    ------
    ValueError
        For a name that is none.
    """
    if isinstance(perturbation, Perturbation):
        return perturbation
    if callable(perturbation):
        return Perturbation(
            name=getattr(perturbation, "__name__", type(perturbation).__name__),
            formula="user function",
            noise="user function",
            relative=False,
            apply=partial(_call, perturbation),
        )
    return lookup(KINDS, perturbation, "perturbation")


def with_data_noise(kind: Perturbation, cross: NDArray[Any]) -> Perturbation:
    """Give additive noise a cross-spectrum.

    Parameters
    ----------
    kind : Perturbation
        Whose name, slope and unit it keeps.
    cross : complex ndarray of shape (n_frequencies, n_channels, n_channels)
        Covariance of the noise in each bin; Hermitian, without negative eigenvalues but for rounding.

    Returns
    -------
    Perturbation
    """
    return replace(
        kind,
        formula="X -> X + scale * L e per bin, with L L^H the cross-spectrum of the trials",
        noise="e complex normal over channels; value: the part of the change along the trial's phase",
        apply=partial(_add_data, _root(cross).astype(np.complex64)),
    )


def _root(cross):
    """Matrices L with ``L L^H`` the cross-spectrum, by Cholesky: thirty times as fast as eigenvectors."""
    power = np.einsum("fcc->fc", cross).real
    n_channels = power.shape[1]
    # emptied dimensions get as much as rounding leaves there: of the amplitude, the rounding of single precision
    rounding = 4 * n_channels * np.finfo(float).eps * power.sum(axis=1)
    try:
        root = np.linalg.cholesky(cross + np.where(rounding > 0, rounding, 1)[:, None, None] * np.eye(n_channels))
    except np.linalg.LinAlgError:  # more was lost to rounding, in bins with a large mean
        values, vectors = np.linalg.eigh(cross)
        root = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
    return root * (power > 0)[..., None]
