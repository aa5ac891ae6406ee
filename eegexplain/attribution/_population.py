"""Means over trials and their standard errors from running sums, per output and per class."""

import numpy as np

from eegexplain._explanation import population_error


class Moments:
    """Running sums of trial maps; with groups one sum per group, since trials of a group are not independent.

    Without groups, deviations are taken from the first block's mean, so that squares do not cancel.
    """

    def __init__(self):
        self.count = 0
        self.total = self.square = self.shift = None
        self.groups = {}

    def add(self, maps, groups=None):
        """Add maps `(n_trials, ...)` of trials with these group codes."""
        if not len(maps):
            return
        if self.shift is None:
            self.shift = maps.mean(0)
            self.total, self.square = np.zeros_like(self.shift), np.zeros_like(self.shift)
        centred = maps - self.shift
        self.count += len(maps)
        self.total += centred.sum(0)
        if groups is None:
            self.square += (centred**2).sum(0)
            return
        for group in np.unique(groups):
            inside = groups == group
            total, count = self.groups.get(group, (0.0, 0))
            self.groups[group] = total + centred[inside].sum(0), count + int(inside.sum())

    def mean(self):
        """Mean over trials."""
        return self.shift + self.total / self.count

    def standard_error(self):
        """Standard error of the mean; NaN with fewer than two independent units."""
        offset = self.total / self.count
        if self.groups:
            sums = np.stack([total - count * offset for total, count in self.groups.values()])
            return population_error(sums * (len(sums) / self.count))
        if self.count < 2:
            return np.full_like(offset, np.nan)
        variance = np.maximum(self.square / self.count - offset**2, 0.0)
        return np.sqrt(variance / (self.count - 1))
