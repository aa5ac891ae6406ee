"""The convex hull of electrodes: which points lie within, and the nearest places for those that do not."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def near_hull(positions: NDArray[Any], points: NDArray[Any], margin: float = 0.0) -> NDArray[np.bool_]:
    """Points inside the convex hull, on its border, or within a margin; SciPy searches long for points outside.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        Corners.
    points : ndarray of shape (..., 2)
    margin : float
        Distance beyond the hull that still counts.

    Returns
    -------
    ndarray of bool, shape (...)
    """
    border = margin + 1e-9 * np.ptp(positions, axis=0).max()
    inside = np.ones(points.shape[:-1], dtype=bool)
    for a, b, c in convex_hull(positions).equations:
        inside &= points[..., 0] * a + points[..., 1] * b + c <= border
    return inside


def pull_into_hull(positions, points):
    """Move points beyond the hull to its border, side by side; at corners they end close to it, within the hull."""
    centre = positions.mean(axis=0)
    points = points.copy()
    for a, b, c in convex_hull(positions).equations:
        beyond = np.maximum(points @ [a, b] + c, 0.0)
        points -= beyond[:, None] * [a, b]
    outside = ~near_hull(positions, points)
    for _ in range(20):  # corners: step towards the centre
        if not outside.any():
            break
        points[outside] += 0.02 * (centre - points[outside])
        outside = ~near_hull(positions, points)
    return points


def convex_hull(positions):
    """SciPy's hull: its ``equations`` hold the outward normal and the offset of each side."""
    from scipy.spatial import ConvexHull

    return ConvexHull(positions)


def on_a_line(positions):
    """Whether the electrodes span no area: the second singular value of the centered positions is rounding."""
    if len(positions) < 3:
        return True
    singular = np.linalg.svd(positions - positions.mean(axis=0), compute_uv=False)
    return bool(singular[1] < 1e-9 * singular[0])
