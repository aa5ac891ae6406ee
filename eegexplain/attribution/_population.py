"""Mean maps of a population, integrated until the error of the integral is small beside that of the mean."""

from dataclasses import replace

import numpy as np

from eegexplain._explanation import RunningMean
from eegexplain.attribution._engine import Checks


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
        self._missing = self._moves = 0.0

    def add(self, maps, missing, moves, codes):
        """Add trials.

        Parameters
        ----------
        maps : ndarray of shape (n_trials, ..., n_rows, n_cells)
        missing : ndarray of shape (n_trials, ...)
            What their sums lack.
        moves : ndarray of shape (2, n_trials, ...)
            As in `PathGradients`.
        codes : ndarray of int or None
            Groups.
        """
        if len(maps):
            self.mean.add(maps, codes)
            self._missing = self._missing + missing.sum(0)
            self._moves = self._moves + moves.sum(1)

    def wrong(self, before):
        """Estimated error of the map, at least that of its sum, from the map by the rule `before`.

        Trials tell what share of a move is still missing: the mean of many hides their jumps, or the lack of them.
        """
        moved, (whole, missing) = _size(self.mean.mean() - before.mean.mean()), self._moves
        share = np.divide(missing, whole, out=np.zeros_like(missing), where=whole > 0)
        return np.maximum(moved * share, np.abs(self._missing) / self.mean.count)

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
            self.before._add(block.part, block.coarse[0], missing, block.moves)
        self._add(block.part, block.maps[0], missing, block.moves)
        self._sizes = self._sizes + _size(block.maps[0]).sum(0)
        self._checks.append(block.checks)

    def _add(self, part, maps, missing, moves):
        codes = None if self.groups is None else self.groups[part]
        self.overall.add(maps, missing, moves, codes)
        for number, of_class in enumerate(self.per_class or ()):
            inside = self.labels[part] == number
            of_class.add(maps[inside, number], missing[inside, number], moves[:, inside, number],
                         None if codes is None else codes[inside])

    def settled(self, population_tol, tol):
        """Whether no map is further from its integral than allowed."""
        if self.before is None:
            return False
        rules = zip(self.maps, self.before.maps, strict=True)
        return all(np.all(now.wrong(before) <= now.allowed(population_tol, tol))
                   for now, before in rules if now.mean.count)

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
