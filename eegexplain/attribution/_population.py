"""Mean maps of a population, integrated until the error of the integral is small beside that of the mean."""

from dataclasses import replace

import numpy as np

from eegexplain._explanation import RunningMean
from eegexplain.attribution._engine import Checks
from eegexplain.attribution._path import shrinkage


class MeanMap:
    """Mean map of some trials by one rule, and how far it is from that by the rule before.

    Attributes
    ----------
    mean : RunningMean
    """

    def __init__(self):
        self.mean = RunningMean()
        self._moved = self._missing = 0.0

    def add(self, maps, coarse, missing, codes):
        """Add trials: maps by two rules `(n_trials, ..., n_rows, n_cells)`, what sums lack, codes of groups or None."""
        self.mean.add(maps, codes)
        self._moved = self._moved + (maps - coarse).sum(0)
        self._missing = self._missing + missing.sum(0)

    @property
    def moved(self):
        """Absolute sum of the change of the map by the last rule."""
        return np.abs(self._moved).sum((-2, -1)) / self.mean.count

    def wrong(self, before):
        """Estimated error of the map in the same unit, at least that of its sum; `before` is by the rule before."""
        moved = self.moved
        error = moved * shrinkage(moved, np.full_like(moved, np.inf) if before is None else before.moved)
        return np.maximum(error, np.abs(self._missing) / self.mean.count)

    def allowed(self, population_tol, tol):
        """Share of the standard errors that may be wrong, or of the map where that is more."""
        errors = np.nan_to_num(self.mean.standard_error())
        return np.maximum(population_tol * errors.sum((-2, -1)), tol * np.abs(self.mean.mean()).sum((-2, -1)))


class Population:
    """Maps of all trials and of each class by one rule.

    Parameters
    ----------
    labels : ndarray of int, shape (n_trials,), or None
        Class of each trial, an index of outputs.
    groups : ndarray of int, shape (n_trials,), or None
    n_outputs : int

    Attributes
    ----------
    overall : MeanMap
    per_class : list of MeanMap, or None
        Of each class's own output; None without labels.
    """

    def __init__(self, labels, groups, n_outputs):
        self.labels, self.groups = labels, groups
        self.overall = MeanMap()
        self.per_class = None if labels is None else [MeanMap() for _ in range(n_outputs)]
        self._checks, self._sizes = [], 0.0

    @property
    def maps(self):
        """All mean maps."""
        return [self.overall, *(self.per_class or ())]

    def add(self, block, relative):
        """Add the trials of a block; what sums lack is not known of `relative` maps."""
        (maps,), coarse = block.maps, block.coarse[0] if block.coarse else block.maps[0]
        codes = None if self.groups is None else self.groups[block.part]
        missing = block.checks.convergence_delta * (0.0 if relative else 1.0)
        self.overall.add(maps, coarse, missing, codes)
        self._sizes = self._sizes + np.abs(maps).sum((0, -2, -1))
        self._checks.append(block.checks)
        for number, of_class in enumerate(self.per_class or ()):
            inside = self.labels[block.part] == number
            if inside.any():
                of_class.add(maps[inside, number], coarse[inside, number], missing[inside, number],
                             None if codes is None else codes[inside])

    def settled(self, before, population_tol, tol):
        """Whether no map is further from its integral than allowed; `before` is the population by the rule before."""
        earlier = [None] * len(self.maps) if before is None else before.maps
        return all(np.all(now.wrong(then) <= now.allowed(population_tol, tol))
                   for now, then in zip(self.maps, earlier, strict=True) if now.mean.count)

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
