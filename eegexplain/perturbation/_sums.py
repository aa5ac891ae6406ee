"""Pooled correlation of noise with the change of outputs, its two errors, from sums that merge exactly.

A *cell* is the unit whose totals are independent of those of other units: one cluster of trials (a trial, or a group of
trials) for the error over trials, one batch of draws for the error over draws. From a cell come three totals: ``a``,
the products noise x change; ``q``, the squared noise; ``v``, the squared change. The correlation is
``r = E[a] / sqrt(E[q] E[v])`` and its influence function ``a / sqrt(E[q] E[v]) - r/2 (q / E[q] + v / E[v])`` is linear
in the totals, so its variance follows from their six second moments.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

ROUNDING = 64  # in machine epsilons: changes below are rounding, and what has no others is constant


class Variances(NamedTuple):
    """Of noise ``(n_features,)`` and change ``(n_outputs, 1)``, 0 where constant up to rounding; their covariance."""

    noise: np.ndarray
    change: np.ndarray
    covariance: np.ndarray


class Additive:
    """A record of arrays that is merged by adding field to field."""

    def __add__(self, other):
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Totals(Additive):
    """What each cell adds, first axis: the three totals from which correlation and errors follow."""

    product: np.ndarray  # a, (n_cells, n_outputs, n_features): noise x change
    noise2: np.ndarray  # q, (n_cells, n_features): squared noise
    change2: np.ndarray  # v, (n_cells, n_outputs): squared change

    def scaled(self, factor):
        """All totals times a factor."""
        return Totals(self.product * factor, self.noise2 * factor, self.change2 * factor)


@dataclass(frozen=True)
class InfluenceSums(Additive):
    """Sums over cells of products of two totals, for the variance of the influence function.

    ``aq`` is the sum of a q, and so on; ``(n_outputs, n_features)`` or broadcastable to it.
    """

    aa: np.ndarray
    aq: np.ndarray
    av: np.ndarray
    qq: np.ndarray
    qv: np.ndarray
    vv: np.ndarray
    n_cells: float

    @classmethod
    def of(cls, totals):
        """From the totals of cells, in float64."""
        a, q, v = (np.asarray(total, dtype=float) for total in (totals.product, totals.noise2, totals.change2))
        return cls(
            np.einsum("ckx,ckx->kx", a, a),
            np.einsum("ckx,cx->kx", a, q),
            np.einsum("ckx,ck->kx", a, v),
            np.einsum("cx,cx->x", q, q),
            v.T @ q,
            np.einsum("ck,ck->k", v, v)[:, None],
            len(a),
        )

    @classmethod
    def none(cls):
        """No cells."""
        return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)

    def scaled(self, factor):
        """All moments times a factor; the number of cells stays."""
        return InfluenceSums(*(getattr(self, f.name) * factor for f in fields(self)[:-1]), self.n_cells)

    def variance(self, r, noise, change):
        """Sum over cells of the squared influence, given the variances of noise and change."""
        scale = np.sqrt(noise * change)
        return (
            _ratio(self.aa, scale**2)
            + r**2 / 4 * (_ratio(self.qq, noise**2) + 2 * _ratio(self.qv, scale**2) + _ratio(self.vv, change**2))
            - r * (_ratio(self.aq, noise * scale) + _ratio(self.av, change * scale))
        )


@dataclass(frozen=True)
class CorrelationSums(Additive):
    """Sums over trials (and draws) from which correlation and errors follow.

    Noise has ``n_features`` values, the change ``n_outputs``; ``n`` counts trials x draws. ``clusters`` and ``draws``
    have the totals of clusters of trials and of batches of draws as cells (``draws`` around the mean of its trial).
    """

    n: float
    noise: np.ndarray  # (n_features,) sum
    noise2: np.ndarray
    change: np.ndarray  # (n_outputs,)
    change2: np.ndarray
    product: np.ndarray  # (n_outputs, n_features)
    output2: np.ndarray  # (n_outputs,) sum of squared sizes of the unperturbed, for what counts as rounding
    clusters: InfluenceSums
    draws: InfluenceSums
    n_rounds: float = 0  # passes over all trials; set when a pass is complete

    def correlation(self, eps):
        """Correlation ``(n_outputs, n_features)``; 0 where noise or change is constant up to rounding."""
        noise, change, covariance = self._variances(eps)
        return np.clip(_ratio(covariance, np.sqrt(noise * change)), -1, 1)

    def draw_error(self, eps):
        """Standard error over draws of noise with the trials fixed."""
        noise, change, _ = self._variances(eps)
        return np.sqrt(np.maximum(self.draws.variance(self.correlation(eps), noise, change), 0)) / self.n

    def trial_error(self, eps):
        """Standard error over trials (clusters), which contains that over draws."""
        noise, change, _ = self._variances(eps)
        r, n_clusters = self.correlation(eps), self.clusters.n_cells / self.n_rounds
        if n_clusters < 2:
            return np.full(r.shape, np.nan)
        # within rounds each cluster shows its own share and the round's draws, so that draws are counted n_rounds times
        observed = self.clusters.variance(r, noise, change) * self.n_rounds * n_clusters / (n_clusters - 1)
        drawn = np.nan_to_num(self.draws.variance(r, noise, change))
        return np.sqrt(np.maximum(observed - (self.n_rounds - 1) * drawn, np.maximum(drawn, 0))) / self.n

    def change_size(self):
        """Root mean square change of each output, ``(n_outputs,)``."""
        return np.sqrt(self.change2 / self.n)

    def _variances(self, eps):
        noise = self.noise2 / self.n - (self.noise / self.n) ** 2
        change = self.change2 / self.n - (self.change / self.n) ** 2
        covariance = self.product / self.n - np.outer(self.change, self.noise) / self.n**2
        floor = (ROUNDING * eps) ** 2 * np.maximum(self.output2, self.change2) / self.n
        change = np.where(change <= floor, 0.0, change)[:, None]
        least = (ROUNDING * np.finfo(float).eps) ** 2 * self.noise2 / self.n
        return Variances(np.where(noise <= least, 0.0, noise), change, covariance)


@dataclass(frozen=True)
class Estimate:
    """What some trials say: their sums (without those over clusters), and the totals of each of them."""

    sums: CorrelationSums
    totals: Totals
    outputs: np.ndarray  # (n_trials, n_outputs) of the unperturbed trials


class ClusterTotals:
    """Totals per cluster of one block of trials, filled part by part; clusters without any do not count."""

    def __init__(self, n_clusters):
        self._seen = np.zeros(n_clusters, dtype=bool)
        self._totals = None

    def add(self, clusters, totals):
        """Add the totals of consecutive trials; `clusters` are non-decreasing."""
        totals = (totals.product, totals.noise2, totals.change2)
        if self._totals is None:
            self._totals = tuple(np.zeros((len(self._seen), *total.shape[1:])) for total in totals)
        starts = np.flatnonzero(np.diff(clusters, prepend=-1))
        self._seen[clusters] = True
        for mine, total in zip(self._totals, totals, strict=True):
            summed = total if len(starts) == len(total) else np.add.reduceat(total, starts, axis=0, dtype=float)
            mine[clusters[starts]] += summed

    def influence_sums(self):
        """Sums over the clusters."""
        if self._totals is None:
            return InfluenceSums.none()
        return InfluenceSums.of(Totals(*(total[self._seen] for total in self._totals)))


def _ratio(numerator, denominator):
    """Quotient, zero where the denominator is."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
