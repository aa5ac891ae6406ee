"""Quadrature on the path from baseline to input: Gauss-Legendre rules, and nested rules on a stretched path."""

from dataclasses import dataclass
from functools import cache

import numpy as np

# Nodes of 47 points on [-1, 1] up to the centre, the last of five rules of 2, 5, 11, 23, 47 points. Each holds every
# node of the one before and is of the highest degree that this allows: 3, 7, 17, 35, 71 (Patterson 1968, The optimum
# addition of points to quadrature formulae, Math. Comp. 22, 847-856, https://doi.org/10.1090/S0025-5718-1968-99866-9).
_PATTERSON = np.array([
    -0.9994073121541607, -0.9978962932950101, -0.9943548302018226, -0.9878536828526118, -0.9782996867794967,
    -0.9650264310393076, -0.9476239440454307, -0.9258200997725514, -0.8993377019156051, -0.8679482860280389,
    -0.8315302917318168, -0.7900832234011937, -0.7437145801067924, -0.6926188473346906, -0.6370585789068436,
    -0.5773502691896257, -0.5138543585095378, -0.44696796404999667, -0.3771191758151618, -0.3047621691527629,
    -0.2303727040539011, -0.15444378242844442, -0.0774813507619401, 0.0,
])  # fmt: skip

# Up to which each of the six rules is exact.
_DEGREES = (3, 7, 17, 35, 71, 71)

# Where outputs are looked at to find how close to the baseline they still change.
PROBES = 10.0 ** -np.arange(1.0, 12.0, 1.5)
# The share of the change of the output that lies below the stretch.
BELOW = 0.1


@dataclass(frozen=True, eq=False)
class NestedRules:
    """Rules on [0, 1], each of which uses all nodes of the one before.

    Attributes
    ----------
    nodes : ndarray of shape (n_nodes,)
        Those of the last rule.
    level : int ndarray of shape (n_nodes,)
        The first rule that uses each node.
    weights : ndarray of shape (n_rules, n_nodes)
        Zero for nodes that a rule does not use.
    """

    nodes: np.ndarray
    level: np.ndarray
    weights: np.ndarray

    def __len__(self):
        return len(self.weights)

    def count(self, level):
        """Nodes of a rule."""
        return int(np.count_nonzero(self.level <= level))

    def brought(self, lowest, level):
        """Which nodes the rules from `lowest` to `level` bring."""
        return np.flatnonzero((self.level >= lowest) & (self.level <= level))

    def place(self, stretch):
        """Nodes on the stretched paths of some trials.

        The rule runs over u in [0, 1], the position is ``a = s sinh(u asinh(1 / s))``: even steps up to the stretch s,
        even steps of log(a) above it. Where outputs follow the logarithm of power, that is where they change.

        Parameters
        ----------
        stretch : ndarray of shape (n_trials,)

        Returns
        -------
        nodes : ndarray of shape (n_trials, n_nodes)
        weights : ndarray of shape (n_trials, n_rules, n_nodes)
        """
        stretch = stretch[:, None]
        rate = np.arcsinh(1 / stretch)
        nodes = stretch * np.sinh(self.nodes * rate)
        slope = stretch * rate * np.cosh(self.nodes * rate)
        weights = self.weights * slope[:, None]
        return nodes, weights / weights.sum(2, keepdims=True)  # a constant gradient is integrated exactly


@cache
def nested_rules():
    """Return Patterson's rules of 2, 5, 11, 23 and 47 points, and one of 95 for gradients with many jumps.

    The last has a point in each of the 48 gaps (by angle): the sixth of Patterson's rules has no place for all of its
    points, and jumps gain nothing from its degree.
    """
    angles = np.arccos(np.concatenate([_PATTERSON, -_PATTERSON[-2::-1]]))
    between = np.convolve(np.concatenate([[np.pi], angles, [0.0]]), [0.5, 0.5], "valid")
    nodes = np.cos(np.concatenate([angles, between]))
    nodes.sort()
    place = np.arange(1, len(nodes) + 1)
    level = 5 - np.minimum(np.log2(place & -place), 5).astype(int)  # every 32nd node is of the first rule
    weights = np.zeros((6, len(nodes)))
    for number in range(6):
        inside, degree = level <= number, _DEGREES[number]
        # exact for Legendre polynomials up to its degree, of which only the first has an integral
        basis = np.polynomial.legendre.legvander(nodes[inside], degree)
        weights[number, inside] = np.linalg.lstsq(basis.T, np.eye(basis.shape[1])[0])[0]
    return NestedRules((nodes + 1) / 2, level, weights)


def gauss_legendre(n_nodes):
    """Nodes and weights of the Gauss-Legendre rule on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return (nodes + 1) / 2, weights / 2


def share(moved):
    """Changes of the output as shares of the largest, that of the target where it is largest.

    Parameters
    ----------
    moved : ndarray of shape (n_positions, n_trials, n_targets)

    Returns
    -------
    ndarray of shape (n_positions, n_trials)
    """
    largest = np.broadcast_to(moved.max(0), moved.shape)
    return np.divide(moved, largest, out=np.zeros_like(moved), where=largest > 0).max(2)


def stretch(moved):
    """Return the position up to which steps are even: below it lies a tenth of the change of the output.

    It is taken larger where it is large: a path along which the output changes evenly needs no stretch.

    Parameters
    ----------
    moved : ndarray of shape (9, n_trials, n_targets)
        ``|F(b + a d) - F(b)|`` at a = 1 and at `PROBES`; a power of `a` between them.

    Returns
    -------
    ndarray of shape (n_trials,)
        1 where nothing changes.
    """
    found = share(moved)
    positions, trial = np.concatenate([[1.0], PROBES, [PROBES[-1]]]), np.arange(found.shape[1])
    above = len(found) - 1 - np.argmax(found[::-1] > BELOW, axis=0)  # the probe next to the baseline that moved
    found = np.vstack([found, np.zeros(len(trial))])
    high, low = np.maximum(found[above, trial], BELOW), np.clip(found[above + 1, trial], 1e-6, 0.99 * BELOW)
    part = np.log(high / BELOW) / np.log(high / low)
    tenth = positions[above] ** (1 - part) * positions[above + 1] ** part
    return np.where(found.max(0) > 0, tenth + 20 * tenth**2, 1.0)
