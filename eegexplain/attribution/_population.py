"""Mean maps of a population, integrated until the error of the integral is small beside that of the mean."""

from dataclasses import replace

import numpy as np

from eegexplain._explanation import RunningMean
from eegexplain.attribution._engine import Checks
from eegexplain.attribution._path import MARGIN, shrinkage


def _size(maps):
    return np.abs(maps).sum((-2, -1))


class MeanMap:
    """Mean map of some trials by one rule.

    Attributes
    ----------
    mean : RunningMean
    """

    def __init__(self):
        self.mean = RunningMean()
        self._missing = 0.0

    def add(self, maps, missing, codes):
        """Add trials: maps `(n_trials, ..., n_rows, n_cells)`, what their sums lack, codes of groups or None."""
        if len(maps):
            self.mean.add(maps, codes)
            self._missing = self._missing + missing.sum(0)

    def moved(self, before):
        """How far the map is from that by the rule before; infinity where there is none."""
        mean = self.mean.mean()
        return np.full(mean.shape[:-2], np.inf) if before is None else _size(mean - before.mean.mean())

    def wrong(self, before, earlier):
        """Estimated error of the map, at least that of its sum, from the maps by the two rules before."""
        moved = self.moved(before)
        error = moved * shrinkage(moved, before.moved(earlier))
        return np.maximum(error, np.abs(self._missing) / self.mean.count)

    def allowed(self, population_tol, tol):
        """Share of the standard errors that may be wrong, or of the map where that is more."""
        errors = np.nan_to_num(self.mean.standard_error())
        return np.maximum(population_tol * _size(errors), tol * _size(self.mean.mean()))


class Population:
    """Maps of all trials and of each class by one rule.

    Parameters
    ----------
    labels : ndarray of int, shape (n_trials,), or None
        Class of each trial, an index of outputs.
    groups : ndarray of int, shape (n_trials,), or None
    n_outputs : int
    before : Population, optional
        By the rule before; the first blocks bring it.

    Attributes
    ----------
    overall : MeanMap
    per_class : list of MeanMap, or None
        Of each class's own output; None without labels.
    """

    def __init__(self, labels, groups, n_outputs, before=None):
        self.labels, self.groups, self.n_outputs, self.before = labels, groups, n_outputs, before
        self.overall = MeanMap()
        self.per_class = None if labels is None else [MeanMap() for _ in range(n_outputs)]
        self._checks, self._sizes = [], 0.0

    @property
    def maps(self):
        """All mean maps."""
        return [self.overall, *(self.per_class or ())]

    def add(self, block, relative):
        """Add the trials of a block; what sums lack is not known of `relative` maps."""
        missing = block.checks.convergence_delta * (0.0 if relative else 1.0)
        if block.coarse:
            self.before = self.before or Population(self.labels, self.groups, self.n_outputs)
            self.before._add(block.part, block.coarse[0], missing)
        self._add(block.part, block.maps[0], missing)
        self._sizes = self._sizes + _size(block.maps[0]).sum(0)
        self._checks.append(block.checks)

    def _add(self, part, maps, missing):
        codes = None if self.groups is None else self.groups[part]
        self.overall.add(maps, missing, codes)
        for number, of_class in enumerate(self.per_class or ()):
            inside = self.labels[part] == number
            of_class.add(maps[inside, number], missing[inside, number], None if codes is None else codes[inside])

    def settled(self, population_tol, tol):
        """Whether no map is further from its integral than allowed."""
        if self.before is None:
            return False
        earlier = self.before.before.maps if self.before.before else [None] * len(self.maps)
        rules = zip(self.maps, self.before.maps, earlier, strict=True)
        return all(np.all(MARGIN * now.wrong(*others) <= now.allowed(population_tol, tol))
                   for now, *others in rules if now.mean.count)

    def checks(self, settled, population_tol, tol):
        """Checks of all trials.

        Where the population has settled, a trial did not converge when its own error can move the mean by more than is
        allowed; else when it is above `tol`.
        """
        checks = Checks.join(self._checks)
        if not settled:
            return checks
        own = self.overall.allowed(population_tol, tol) * self.overall.mean.count
        typical = self._sizes / self.overall.mean.count
        share = np.divide(own, typical, out=np.zeros_like(own), where=typical > 0)
        return replace(checks, converged=(checks.error <= np.maximum(share, tol)).all(1))
