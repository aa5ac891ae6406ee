"""Pooled correlation of noise with the change of outputs, its two errors, from sums that merge exactly.

A *cell* is the unit whose totals are independent of those of other units: one cluster of trials (a trial, or a group of
trials) for the error over trials, one batch of draws for the error over draws. From a cell come three totals: ``a``,
the products noise x change; ``q``, the squared noise; ``v``, the squared change. The correlation is
``r = E[a] / sqrt(E[q] E[v])`` and its influence function ``a / sqrt(E[q] E[v]) - r/2 (q / E[q] + v / E[v])`` is linear
in the totals, so its variance follows from their six second moments.
"""

from dataclasses import dataclass, fields

import numpy as np

ROUNDING = 64  # in machine epsilons: changes below are rounding, and what has no others is constant


class _Additive:
    """A record of arrays that is merged by adding field to field."""

    def __add__(self, other):
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class SecondMoments(_Additive):
    """Second moments of cell totals; ``(n_outputs, n_features)`` or broadcastable to it."""

    aa: np.ndarray
    aq: np.ndarray
    av: np.ndarray
    qq: np.ndarray
    qv: np.ndarray
    vv: np.ndarray
    n_cells: float

    @classmethod
    def of(cls, a, q, v):
        """From totals ``a`` (n_cells, n_outputs, n_features), ``q`` (n_cells, n_features) and ``v``.

        The latter is (n_cells, n_outputs). Sums are float64.
        """
        a, q, v = (np.asarray(total, dtype=float) for total in (a, q, v))
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
        return SecondMoments(*(getattr(self, f.name) * factor for f in fields(self)[:-1]), self.n_cells)

    def variance(self, r, noise, change):
        """Sum over cells of the squared influence, given the variances of noise and change."""
        scale = np.sqrt(noise * change)
        return (
            _ratio(self.aa, scale**2)
            + r**2 / 4 * (_ratio(self.qq, noise**2) + 2 * _ratio(self.qv, scale**2) + _ratio(self.vv, change**2))
            - r * (_ratio(self.aq, noise * scale) + _ratio(self.av, change * scale))
        )


@dataclass(frozen=True)
class Moments(_Additive):
    """Sums over trials (and draws) from which correlation and errors follow.

    Noise has ``n_features`` values, the change ``n_outputs``; ``n`` counts trials x draws. ``clusters`` and ``draws``
    are second moments of totals per cluster of trials and per batch of draws (``draws`` around the mean of its trial).
    """

    n: float
    noise: np.ndarray  # (n_features,) sum
    noise2: np.ndarray
    change: np.ndarray  # (n_outputs,)
    change2: np.ndarray
    product: np.ndarray  # (n_outputs, n_features)
    output2: np.ndarray  # (n_outputs,) sum of squared sizes of the unperturbed, for what counts as rounding
    clusters: SecondMoments
    draws: SecondMoments
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
        return np.where(noise <= least, 0.0, noise), change, covariance


@dataclass(frozen=True)
class Block:
    """Trials that are worked on together: their positions and, locally numbered, their clusters."""

    index: int
    trials: np.ndarray
    clusters: np.ndarray

    @property
    def n_clusters(self):
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


class ClusterTotals:
    """Totals per cluster of one block of trials, filled part by part; clusters without any do not count."""

    def __init__(self, n_clusters):
        self._seen = np.zeros(n_clusters, dtype=bool)
        self._totals = None

    def add(self, clusters, *totals):
        """Add totals per trial ``(n_trials, ...)`` of consecutive trials; `clusters` are non-decreasing."""
        if self._totals is None:
            self._totals = tuple(np.zeros((len(self._seen), *total.shape[1:])) for total in totals)
        starts = np.flatnonzero(np.diff(clusters, prepend=-1))
        self._seen[clusters] = True
        for mine, total in zip(self._totals, totals, strict=True):
            summed = total if len(starts) == len(total) else np.add.reduceat(total, starts, axis=0, dtype=float)
            mine[clusters[starts]] += summed

    def second_moments(self):
        """Second moments over the clusters."""
        if self._totals is None:
            return SecondMoments.none()
        return SecondMoments.of(*(total[self._seen] for total in self._totals))


def correlate_positions(x, y, constant):
    """Correlation over the last axis; `constant` where x or y does not vary by more than rounding."""
    means = [np.mean(part, axis=-1, keepdims=True, dtype=float) for part in (x, y)]
    centred = [part - mean for part, mean in zip((x, y), means, strict=True)]
    powers = [np.square(part).mean(axis=-1) for part in centred]
    varies = True
    for part, mean, power in zip((x, y), means, powers, strict=True):
        eps = np.finfo(np.result_type(np.asarray(part).dtype, np.float32)).eps
        varies = varies & (power > (ROUNDING * eps * mean[..., 0]) ** 2)
    product = (centred[0] * centred[1]).mean(axis=-1)
    return np.divide(product, np.sqrt(powers[0] * powers[1]), out=np.full(product.shape, float(constant)), where=varies)


def rounding_of(difference, old, step):
    """Change of a difference of activations by relative steps, up or down at each position as in rounding."""
    steps = np.where(np.random.default_rng(0).random(old.shape) < 0.5, -step, step)
    return np.abs(difference(old * (1 + steps), old) - difference(old, old))


def _ratio(numerator, denominator):
    """Quotient, zero where the denominator is."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
