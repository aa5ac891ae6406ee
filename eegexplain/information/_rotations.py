"""Rotated phases: what the output of a trial owes to the phase relation of each pair of channels in a band."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from eegexplain._parallel import BLOCK_SIZE, trial_blocks
from eegexplain._units import Unit, run_units
from eegexplain.information._coordinates import Coordinates
from eegexplain.information._question import Question

DRAWS_PER_TERM = 3  # fewer, and noise of the draws outweighs what is estimated


@dataclass(frozen=True, eq=False)
class Rotations:
    """Angles by which units are turned, the same for all trials, and the least squares on them.

    Parameters
    ----------
    angles : ndarray of shape (n_rotations, n_units)
        In radians, independent and uniform.
    pairs : ndarray of int of shape (n_pairs, 2)
        Units whose difference of angles is a term.
    operator : ndarray of shape (1 + 2 * n_pairs, n_rotations)
        Outputs of rotated trials to coefficients of 1, of the cosines, and of the sines.
    ridge : float
        Penalty on all but the constant; 0 for enough rotations.
    """

    angles: NDArray
    pairs: NDArray
    operator: NDArray
    ridge: float

    @property
    def terms(self) -> NDArray:
        """What outputs are explained by, of shape (n_rotations, 1 + 2 * n_pairs)."""
        return relation_terms(self.angles, self.pairs)


@dataclass(frozen=True, eq=False)
class Relations:
    """What phase relations in a band add to the outputs of trials.

    Parameters
    ----------
    constant : ndarray of shape (n_trials, n_outputs)
        Output with all relations averaged out.
    values : ndarray of shape (n_trials, n_pairs, n_outputs)
        What the relation of a pair, as it is in the trial, adds.
    interaction : float
        Share of the variance over rotations that pairs do not add up to; NaN for fewer rotations than terms.
    """

    constant: NDArray
    values: NDArray
    interaction: float


def n_rotations_for(n_units: int) -> int:
    """How many rotations tell all pairs apart.

    Parameters
    ----------
    n_units : int

    Returns
    -------
    int
        Three for each of a constant, and a cosine and a sine per pair.
    """
    return DRAWS_PER_TERM * (1 + n_units * (n_units - 1))


def relation_terms(angles: NDArray, pairs: NDArray) -> NDArray:
    """Constant, cosines and sines of differences of angles.

    Parameters
    ----------
    angles : ndarray of shape (n_rotations, n_units)
    pairs : ndarray of int of shape (n_pairs, 2)

    Returns
    -------
    ndarray of shape (n_rotations, 1 + 2 * n_pairs)
    """
    apart = angles[:, pairs[:, 0]] - angles[:, pairs[:, 1]]
    return np.concatenate([np.ones((len(angles), 1)), np.cos(apart), np.sin(apart)], axis=1)


def draw_rotations(n_units: int, n_rotations: int, rng: np.random.RandomState) -> Rotations:
    """Draw angles, and make the one pseudo-inverse that serves all trials.

    Parameters
    ----------
    n_units : int
    n_rotations : int
        With fewer than `n_rotations_for`, coefficients are shrunk by a ridge.
    rng : numpy.random.RandomState

    Returns
    -------
    Rotations
    """
    angles = rng.uniform(0, 2 * np.pi, (n_rotations, n_units))
    pairs = np.column_stack(np.triu_indices(n_units, 1))
    terms = relation_terms(angles, pairs)
    enough = n_rotations >= n_rotations_for(n_units)
    # a term has the square sum n_rotations / 2: a ridge of half the number of terms takes as many draws as there are
    # terms to be as informative as the prior
    ridge = 0.0 if enough else terms.shape[1] / 2
    if not ridge:
        return Rotations(angles, pairs, np.linalg.pinv(terms), ridge)
    centered = terms[:, 1:] - terms[:, 1:].mean(axis=0)
    gram = centered @ centered.T + ridge * np.eye(n_rotations)  # n_rotations of them, not n_terms
    slopes = centered.T @ np.linalg.inv(gram)
    slopes -= slopes.mean(axis=1, keepdims=True)
    constant = np.full(n_rotations, 1 / n_rotations) - terms[:, 1:].mean(axis=0) @ slopes
    return Rotations(angles, pairs, np.concatenate([constant[None], slopes]), ridge)


def in_quadrature(X: NDArray, bins: NDArray) -> NDArray:
    """The part of trials in a band, and the same a quarter of a cycle later.

    Parameters
    ----------
    X : ndarray of shape (..., n_times)
    bins : ndarray of bool of shape (n_bins,)
        Without DC and Nyquist, which have no phase.

    Returns
    -------
    ndarray of shape (2, ..., n_times)
    """
    spectrum = scipy.fft.rfft(X) * bins.astype(X.dtype)
    n_times = X.shape[-1]
    return np.stack([scipy.fft.irfft(spectrum, n_times), scipy.fft.irfft(-1j * spectrum, n_times)])


def unit_parts(X: NDArray, bins: NDArray, coordinates: Coordinates) -> NDArray:
    """What rotated trials are mixtures of: nothing, the trial, what each unit shows in the band, and in quadrature.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    bins : ndarray of bool of shape (n_bins,)
    coordinates : Coordinates

    Returns
    -------
    ndarray of shape (n_trials, 2 + 2 * n_units, n_channels, n_times)
    """
    n_units = len(coordinates.names)
    parts = np.zeros((len(X), 2 + 2 * n_units, *X.shape[1:]), X.dtype)
    parts[:, 1] = X
    for place, shown in enumerate(in_quadrature(X, bins)):
        for unit in range(n_units):
            own = coordinates.unit == unit
            filters, patterns = coordinates.filters[:, own], coordinates.patterns[:, own]
            parts[:, 2 + place * n_units + unit] = (patterns @ filters.T).astype(X.dtype) @ shown
    return parts


def mixtures(angles: NDArray) -> NDArray:
    """How rotated trials are mixed from `unit_parts`.

    Parameters
    ----------
    angles : ndarray of shape (n_rotations, n_units)

    Returns
    -------
    ndarray of shape (n_rotations, 2 + 2 * n_units)
        Rows sum to 1, so that what is affine in trials is mixed in the same way.
    """
    weights = np.concatenate([np.ones((len(angles), 1)), np.cos(angles) - 1, -np.sin(angles)], axis=1)
    return np.concatenate([1 - weights.sum(axis=1, keepdims=True), weights], axis=1)


def mixed(weights: NDArray, features: Any) -> Any:
    """Mix features.

    Parameters
    ----------
    weights : ndarray of shape (n_rotations, n_parts)
    features : array or tensor of shape (n_trials, n_parts, ...)

    Returns
    -------
    array or tensor of shape (n_trials, n_rotations, ...)
    """
    own = features.new_tensor(weights) if hasattr(features, "new_tensor") else weights.astype(features.dtype)
    found = own @ features.reshape(*features.shape[:2], -1)
    return found.reshape(len(features), len(weights), *features.shape[2:])


@dataclass(frozen=True, eq=False)
class Turned:
    """Trials, and what is turned in them.

    Parameters
    ----------
    question : Question
        No more rotated trials than its batch size are in memory at a time.
    bins : ndarray of bool of shape (n_bins,)
    coordinates : Coordinates
    """

    question: Question
    bins: NDArray
    coordinates: Coordinates


def relations(turned: list[Turned], rotations: Rotations, **run: Any) -> list[Relations]:
    """Ask for the outputs of rotated trials, and fit each trial's by its relations.

    Parameters
    ----------
    turned : list of Turned
        In several bands, say.
    rotations : Rotations
    **run : dict
        ``n_jobs, verbose`` of `run_units`, whose units are blocks of trials.

    Returns
    -------
    list of Relations
    """
    plan = [(number, block) for number, one in enumerate(turned) for block in _blocks(one.question, rotations)]
    units = [Unit(_fitted, (turned[number], rotations, block)) for number, block in plan]
    found: list[list[_Fitted]] = [[] for _ in turned]
    for (number, _), one in zip(plan, run_units(units, desc="synchrony", **run), strict=True):
        found[number].append(one)
    return [_joined(blocks, one.coordinates, rotations) for blocks, one in zip(found, turned, strict=True)]


@dataclass(frozen=True, eq=False)
class _Fitted:
    """Of a block of trials: coefficients (n_trials, 1 + n_pairs, n_outputs), and sums of squares over rotations."""

    coefficients: NDArray
    left: float
    varied: float


def _blocks(question, rotations):
    """Whole passes of about as many trials as other analyses have in a block."""
    at_once = _at_once(question, rotations)
    return trial_blocks(len(question.order), max(1, BLOCK_SIZE // at_once) * at_once)


def _at_once(question, rotations):
    return max(1, question.batch_size // len(rotations.angles))


def _fitted(turned, rotations, block):
    question, terms, n_pairs = turned.question, rotations.terms, len(rotations.pairs)
    found, left, varied, at_once = [], 0.0, 0.0, _at_once(question, rotations)
    for start in range(block.start, block.stop, at_once):
        places = slice(start, min(start + at_once, block.stop))
        outputs = _asked(question, places, turned.bins, turned.coordinates, rotations.angles)
        coefficients = rotations.operator @ outputs
        found.append(coefficients[:, : 1 + n_pairs])
        left += np.square(outputs - terms @ coefficients).sum()
        varied += np.square(outputs - outputs.mean(axis=1, keepdims=True)).sum()
    return _Fitted(np.concatenate(found), left, varied)


def _joined(blocks, coordinates, rotations):
    fitted = np.concatenate([one.coefficients for one in blocks])
    left, varied = sum(one.left for one in blocks), sum(one.varied for one in blocks)
    turned = np.isin(rotations.pairs, coordinates.unit).all(axis=1)
    n_rotations, n_terms = rotations.terms.shape
    free = n_rotations - n_terms  # unbiased: the fit takes a share of any noise
    share = np.nan if free <= 0 else 0.0 if varied == 0 else left / free * (n_rotations - 1) / varied
    return Relations(fitted[:, 0], fitted[:, 1:] * turned[:, None], float(min(share, 1.0)))


def _asked(question, places, bins, coordinates, angles):
    """Outputs of all rotations of some trials, (n_trials, n_rotations, n_outputs)."""
    parts = unit_parts(question.trials(places), bins, coordinates)
    features = question.asked.features(parts.reshape(-1, *parts.shape[2:]))  # behind an affine first stage, if any
    features = features.reshape(*parts.shape[:2], *features.shape[1:])
    weights, outputs = mixtures(angles), []
    for start in range(0, len(angles), question.batch_size):
        turned = mixed(weights[start : start + question.batch_size], features)
        found = question.asked.outputs(turned.reshape(-1, *turned.shape[2:]))
        outputs.append(found.reshape(*turned.shape[:2], -1))
    return np.concatenate(outputs, axis=1).astype(float)
