"""Quadrature rules for the path from baseline to input: Gauss-Legendre, nested Gauss-Kronrod, logarithmic panels."""

import numpy as np

# Kronrod's extension of the 3-point Gauss rule: 7 nodes, exact for polynomials of degree 11.
_KRONROD_NODES = np.array([0.960491268708020283, 0.774596669241483377, 0.434243749346802558, 0.0])
_KRONROD_WEIGHTS = np.array([0.104656226026467265, 0.268488089868333441, 0.401397414775962223, 0.450916538658474142])
_GAUSS_WEIGHTS = np.array([0.0, 5 / 9, 0.0, 8 / 9])

NESTED_NODES = np.concatenate([-_KRONROD_NODES, _KRONROD_NODES[-2::-1]])
NESTED_WEIGHTS = np.stack([np.concatenate([half, half[-2::-1]]) for half in (_KRONROD_WEIGHTS, _GAUSS_WEIGHTS)])

# A panel on the logarithmic part of a path spans a factor of about twenty.
_LOG_PANEL = 3.0


def gauss_legendre(n_nodes):
    """Nodes and weights of the Gauss-Legendre rule on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return (nodes + 1) / 2, weights / 2


def nested_rule(low, high, logarithmic):
    """Nodes and weights of the 7-point rule and the 3-point rule inside it, per panel.

    Parameters
    ----------
    low, high : ndarray of shape (n_panels,)
        Ends of the panels on the path, in [0, 1].
    logarithmic : bool ndarray of shape (n_panels,)
        Whether nodes are spread over the logarithm of the position.

    Returns
    -------
    nodes : ndarray of shape (n_panels, 7)
    weights : ndarray of shape (2, n_panels, 7)
        Those of the 7-point rule, then those of the 3-point rule.
    """
    first = np.where(logarithmic, np.log(np.where(logarithmic, low, 1.0)), low)
    last = np.where(logarithmic, np.log(np.where(logarithmic, high, 1.0)), high)
    half = ((last - first) / 2)[:, None]
    positions = ((last + first) / 2)[:, None] + half * NESTED_NODES
    nodes = np.where(logarithmic[:, None], np.exp(positions), positions)
    scale = half * np.where(logarithmic[:, None], nodes, 1.0)
    return nodes, NESTED_WEIGHTS[:, None] * scale


def middle(low, high, logarithmic):
    """Where a panel is bisected: at its geometric centre when it is logarithmic."""
    return np.where(logarithmic, np.sqrt(low * high), (low + high) / 2)


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
