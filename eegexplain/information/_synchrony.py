"""All that is measured of phase relations: pairs, all of them together, and both controls, band by band."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eegexplain.information._controls import (
    Halves,
    both_halves,
    half_coordinates,
    join_halves,
    make_halves,
    reversed_in_time,
    turned_halves,
)
from eegexplain.information._coordinates import REST, Coordinates, same_units
from eegexplain.information._pairs import UNKNOWN, Worth, evidence_columns, lost_without, worth
from eegexplain.information._question import Judged
from eegexplain.information._rotations import Relations, Rotations, Turned, draw_rotations, n_rotations_for, relations
from eegexplain.information._testing import Tested, evidence_test


@dataclass(frozen=True, eq=False)
class Settings:
    """How relations are measured.

    Parameters
    ----------
    rotations : Rotations
    n_components : int
        Of the second control.
    n_permutations : int
    seed : int
    n_jobs : int or None
    verbose : int
    """

    rotations: Rotations
    n_components: int
    n_permutations: int
    seed: int
    n_jobs: int | None = None
    verbose: int = 0

    def relations(self, turned: list[Turned], rotations: Rotations) -> list[Relations]:
        """Measure relations of trials, in processes perhaps.

        Parameters
        ----------
        turned : list of Turned
        rotations : Rotations

        Returns
        -------
        list of Relations
        """
        return relations(turned, rotations, n_jobs=self.n_jobs, verbose=self.verbose)


@dataclass(frozen=True, eq=False)
class Diagonal:
    """The second control in all bands.

    Parameters
    ----------
    names : list of str
        Of the components.
    added : ndarray of shape (n_bands, n_trials, n_outputs) or None
        What all relations of single components add to the outputs: what is left has many dims, some of them related by
        chance. None where there are no two halves.
    evidence : ndarray of shape (n_outputs, n_bands, n_pairs)
    p_values : ndarray of shape (n_bands, n_pairs)
        NaN for pairs with what is left.
    """

    names: list[str]
    added: NDArray | None
    evidence: NDArray
    p_values: NDArray


@dataclass(frozen=True, eq=False)
class Measured:
    """What was found in all bands.

    Parameters
    ----------
    information : ndarray of shape (n_bands, n_pairs, n_trials)
        Lost without each pair.
    tested : Tested
        Evidence of all pairs of all bands, one after another.
    everything, reversal, diagonal : list of Worth
        All relations of a band, and both controls.
    components : Diagonal
    interaction : ndarray of shape (n_bands,)
    """

    information: NDArray
    tested: Tested
    everything: list[Worth]
    reversal: list[Worth]
    diagonal: list[Worth]
    components: Diagonal
    interaction: NDArray


def measure(trials: Judged, bands: Sequence[tuple[NDArray, Coordinates]], settings: Settings) -> Measured:
    """Measure all relations, and both controls.

    Parameters
    ----------
    trials : Judged
    bands : sequence of (ndarray of bool, Coordinates)
        Bins of each band, and what is turned in it.
    settings : Settings

    Returns
    -------
    Measured
    """
    all_bins, whole = [bins for bins, _ in bands], trials.whole
    found = _related(trials, bands, settings)
    backwards = [trials.question.outputs(lambda X, bins=bins: reversed_in_time(X, bins)) for bins in all_bins]
    columns = [evidence_columns(trials, one) for one in found]
    tested = _tested(trials, trials.judge, columns, settings, np.random.RandomState(settings.seed))
    components = _diagonal(trials, all_bins, settings)
    everything = [whole - one.constant for one in found]
    controls = [whole - one for one in backwards] + list(() if components.added is None else components.added)
    lost = lost_without(trials, np.concatenate([*columns, np.stack(everything + controls)]))
    n_bands, n_pairs = len(found), len(columns[0])
    pairs, totals = np.split(lost, [n_bands * n_pairs])
    worths = [worth(trials.judge, one) for one in totals]
    return Measured(
        pairs.reshape(n_bands, n_pairs, len(whole)),
        tested,
        worths[:n_bands],
        worths[n_bands : 2 * n_bands],
        worths[2 * n_bands :] or [UNKNOWN] * n_bands,
        components,
        np.array([one.interaction for one in found]),
    )


def _tested(trials, judge, columns, settings, rng):
    """Evidence of all pairs; of none where there is a single unit; without p values where there are few trials."""
    joined = np.concatenate(columns)
    if not len(joined):
        return Tested(*np.zeros((2, 0, joined.shape[2])), np.zeros(0))
    found = evidence_test(joined, judge, judge.groups, settings.n_permutations, rng)
    return found if trials.testable else Tested(found.evidence, found.errors, np.full(len(joined), np.nan))


def _related(trials, bands, settings):
    """Relations in each band; without pairs there are none, whatever one unit's own phase does."""
    if len(settings.rotations.pairs):
        return settings.relations([Turned(trials.question, *band) for band in bands], settings.rotations)
    n_trials, n_outputs = trials.whole.shape
    return [Relations(trials.whole, np.zeros((n_trials, 0, n_outputs)), 0.0) for _ in bands]


def _diagonal(trials, all_bins, settings):
    """The same pair map in coordinates that diagonalize all class covariances, unless halves lack a class."""
    n_outputs, n_bands = trials.whole.shape[1], len(all_bins)
    halves = make_halves(trials.judge, settings.seed)
    if halves is None:
        return Diagonal([], None, np.zeros((n_outputs, n_bands, 0)), np.zeros((n_bands, 0)))
    both = [half_coordinates(trials, bins, halves, settings.n_components) for bins in all_bins]
    flat = same_units([one for pair in both for one in pair])
    names = flat[0].names
    rotations = draw_rotations(len(names), n_rotations_for(len(names)), np.random.RandomState(settings.seed))
    single = np.array([REST not in (names[i], names[j]) for i, j in rotations.pairs], bool)
    evidence, p_values = np.full((n_outputs, n_bands, len(single)), np.nan), np.full((n_bands, len(single)), np.nan)
    if not single.any():
        return Diagonal(names, np.zeros((n_bands, *trials.whole.shape)), evidence, p_values)
    turned = [
        turned_halves(trials.question, bins, flat[2 * k : 2 * k + 2], halves) for k, bins in enumerate(all_bins)
    ]
    parts = settings.relations([half for one in turned for half in one], rotations)
    found = [join_halves(parts[2 * k : 2 * k + 2], halves) for k in range(n_bands)]
    columns = [evidence_columns(trials, one)[single] for one in found]
    found_evidence, found_p = _tested_halves(trials, halves, columns, settings)
    evidence[..., single] = found_evidence.T.reshape(n_outputs, n_bands, -1)
    p_values[:, single] = found_p.reshape(n_bands, -1)
    return Diagonal(names, np.stack([one.sum(axis=0) for one in columns]), evidence, p_values)


def _tested_halves(trials, halves: Halves, columns, settings):
    """Evidence of both halves, and a p value for each pair from the two tests."""
    rng, found = np.random.RandomState(settings.seed), []
    for places, judge in zip(halves.places, halves.judges(trials.judge), strict=True):
        found.append(_tested(trials, judge, [one[:, places] for one in columns], settings, rng))
    return np.mean([one.evidence for one in found], axis=0), both_halves([one.p_values for one in found])
