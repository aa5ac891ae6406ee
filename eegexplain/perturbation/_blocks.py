"""Trials in blocks of whole clusters, and the parts of blocks with their spectra: the units of work."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain.perturbation._kept import KeptHits, KeptVariance
from eegexplain.perturbation._spectra import Spectra, part_size


@dataclass(frozen=True)
class Block:
    """Trials that are worked on together: their positions and, locally numbered, their clusters."""

    index: int
    trials: np.ndarray
    clusters: np.ndarray

    @property
    def n_clusters(self):
        """Number of clusters."""
        return int(self.clusters[-1]) + 1

    def parts(self, size):
        """Yield positions and clusters of at most `size` trials at a time."""
        for start in range(0, len(self.trials), size):
            yield self.trials[start : start + size], self.clusters[start : start + size]


def cluster_blocks(trials, groups=None, size=32):
    """Cut trials into blocks of about `size` that hold whole clusters.

    Parameters
    ----------
    trials : array of int
        Positions of the trials.
    groups : array of int, optional
        Group of every trial of the data set; by default each trial is a cluster.

    Returns
    -------
    list of Block
    """
    if groups is None:
        parts = [trials[start : start + size] for start in range(0, len(trials), size)]
        return [Block(i, part, np.arange(len(part))) for i, part in enumerate(parts)]
    trials = trials[np.argsort(groups[trials], kind="stable")]
    edges = np.flatnonzero(np.diff(groups[trials])) + 1
    cuts, last = [], 0
    for edge in edges:
        if edge - last >= size:
            cuts.append(edge)
            last = edge
    parts = np.split(trials, cuts)
    return [Block(i, part, np.unique(groups[part], return_inverse=True)[1]) for i, part in enumerate(parts)]


@dataclass(frozen=True)
class Part:
    """A few trials of a block: what an estimate sees at once.

    ``X`` is ``(n_trials, n_channels, n_times)``; ``clusters``, ``truth`` (or None) and ``pooled`` have a value per
    trial; ``key`` is the same for the same trials in every worker.
    """

    key: tuple[int, int]
    X: np.ndarray
    spectra: Spectra
    clusters: np.ndarray
    pooled: np.ndarray
    truth: np.ndarray | None
    known: Any = None  # gradients of some of the trials, or None

    def __len__(self):
        """Number of trials."""
        return len(self.X)

    def of_pooled(self):
        """Of the trials that make the map."""
        if self.pooled.all():
            return self
        chosen = self.pooled
        truth = None if self.truth is None else self.truth[chosen]
        known = None if self.known is None else self.known.at(np.flatnonzero(chosen))
        spectra = self.spectra.of_trials(chosen)
        return Part(self.key, self.X[chosen], spectra, self.clusters[chosen], chosen[chosen], truth, known)


@dataclass(frozen=True)
class Trials:
    """The trials of an explanation, in a form that travels to a worker."""

    X: np.ndarray  # (n_trials, n_channels, n_times)
    pooled: np.ndarray  # which trials make the map; the others only have a share in the size of the noise
    truth: np.ndarray | None = None  # index of the true class per trial, -1 for none; None where unknown
    kept: type[KeptHits] | type[KeptVariance] = KeptVariance  # what perturbed trials may keep

    @property
    def part_size(self):
        """Number of trials of a part."""
        return part_size(self.X.shape[1:])

    @property
    def share(self):
        """Share of the trials that make the map."""
        return self.pooled.sum() / len(self.pooled)

    def parts(self, block, *, everyone=False, known=None):
        """Yield the parts of a block: those of trials that make the map, or of everyone; with gradients `known`."""
        for index, (positions, clusters) in enumerate(block.parts(self.part_size)):
            pooled = self.pooled[positions]
            if not everyone:
                positions, clusters, pooled = positions[pooled], clusters[pooled], pooled[pooled]
            if len(positions):
                X, truth = np.asarray(self.X[positions]), None if self.truth is None else self.truth[positions]
                there = None if known is None else known.at(positions)
                yield Part((block.index, index), X, Spectra.of(X), clusters, pooled, truth, there)
