"""Quadrature rules for the path from baseline to input: Gauss-Legendre, nested Gauss-Kronrod, logarithmic panels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class NestedRule:
    """A Gauss rule inside Kronrod's extension of it, on [-1, 1].

    Attributes
    ----------
    nodes : ndarray of shape (n_nodes,)
    weights : ndarray of shape (2, n_nodes)
        Those of the fine rule, then those of the coarse one.
    share : float
        Coarse over fine nodes. Where gradients jump (ReLU), errors fall with the number of nodes, so that the fine
        rule is wrong by this share of the difference of the two; on smooth paths by far less.
    """

    nodes: np.ndarray
    weights: np.ndarray
    share: float


def _mirrored(half, fine, coarse, share):
    """Rule from its nodes from -1 to the centre."""
    nodes = np.concatenate([half, -np.asarray(half)[-2::-1]])
    return NestedRule(nodes, np.stack([np.concatenate([w, w[-2::-1]]) for w in (fine, coarse)]), share)


# 2 inside 5 points for whole paths (exact to degree 7), 3 inside 7 for pieces (degree 11).
WHOLE = _mirrored([-np.sqrt(6 / 7), -np.sqrt(1 / 3), 0.0], [98 / 495, 27 / 55, 28 / 45], [0.0, 1.0, 0.0], 2 / 5)
PIECE = _mirrored(
    [-0.960491268708020283, -0.774596669241483377, -0.434243749346802558, 0.0],
    [0.104656226026467265, 0.268488089868333441, 0.401397414775962223, 0.450916538658474142],
    [0.0, 5 / 9, 0.0, 8 / 9], 3 / 7,
)

# A panel on the logarithmic part of a path spans a factor of about twenty.
_LOG_PANEL = 3.0


def gauss_legendre(n_nodes):
    """Nodes and weights of the Gauss-Legendre rule on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return (nodes + 1) / 2, weights / 2


def place(rule, low, high, logarithmic):
    """Nodes and weights of a nested rule on panels.

    Parameters
    ----------
    rule : NestedRule
    low, high : ndarray of shape (n_panels,)
        Ends of the panels on the path, in [0, 1].
    logarithmic : bool ndarray of shape (n_panels,)
        Whether nodes are spread over the logarithm of the position.

    Returns
    -------
    nodes : ndarray of shape (n_panels, n_nodes)
    weights : ndarray of shape (2, n_panels, n_nodes)
    """
    first = np.where(logarithmic, np.log(np.where(logarithmic, low, 1.0)), low)
    last = np.where(logarithmic, np.log(np.where(logarithmic, high, 1.0)), high)
    half = ((last - first) / 2)[:, None]
    positions = ((last + first) / 2)[:, None] + half * rule.nodes
    nodes = np.where(logarithmic[:, None], np.exp(positions), positions)
    scale = half * np.where(logarithmic[:, None], nodes, 1.0)
    return nodes, rule.weights[:, None] * scale


def cut(low, high, logarithmic, count):
    """Ends of `count` equal pieces of a panel, equal in the logarithm when it is logarithmic."""
    return np.geomspace(low, high, count + 1) if logarithmic else np.linspace(low, high, count + 1)


PROBES = 10.0 ** -np.arange(1.0, 13.0)


def first_panels(remainder):
    """Lay out the panels of one path from what is left of the output's change close to the baseline.

    Parameters
    ----------
    remainder : ndarray of shape (12,)
        ``|F(b + a d) - F(b)|`` at the positions ``a = 0.1, 0.01, ...``, relative to the change over the whole path.

    Returns
    -------
    edges : ndarray
        Ends of the panels, from 0 to 1. The first panel is linear.
    logarithmic : bool ndarray
        Which panels are logarithmic. A path that is regular at the baseline has two linear halves.
    """
    if remainder[0] < 0.25 and remainder[1] < 0.05:
        return np.array([0.0, 0.5, 1.0]), np.zeros(2, bool)
    small = np.maximum.accumulate(remainder[::-1])[::-1] < 3e-3
    limit = PROBES[np.argmax(small)] if small.any() else PROBES[-1]
    count = int(np.ceil(-np.log(limit) / _LOG_PANEL))
    return np.concatenate([[0.0], np.geomspace(limit, 1.0, count + 1)]), np.arange(count + 1) > 0
