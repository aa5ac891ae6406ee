"""The interpolation operator: electrode values to the pixels of the head disc, as one cached matrix.

Interpolation is linear in the values for fixed electrodes. So the matrix is built once, and every map, frame and panel
is a matrix product.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eegexplain._validation import check_array_like, check_option, lookup
from eegexplain.plotting.scalp._hull import convex_hull, near_hull, on_a_line, pull_into_hull
from eegexplain.plotting.scalp.positions import HEAD_RADIUS

_CHUNK = 4096  # pixels evaluated at once
MOST_RING_POINTS = 1000  # of the ring outside the map, however close electrodes are
_HAIR = 1.03  # a map that reaches beyond the head by less than this is cut at the head


@dataclass(frozen=True, eq=False)
class Topography:
    """Interpolation from electrodes to a square grid of pixels around the head.

    Parameters
    ----------
    matrix : ndarray of shape (n_inside, n_channels)
        Weights of the electrodes at each pixel inside the map.
    inside : ndarray of bool, shape (resolution, resolution)
        Pixels with values: those of the map and a margin that its outline hides; first row at the back of the head.
    visible : ndarray of bool, shape (resolution, resolution)
        Pixels whose centres lie within the outline.
    outline : ndarray of shape (n_corners, 2)
        Polygon at which the map is cut, in metres.
    radius : float
        Half the side of the square, in metres; at least the head's radius.
    """

    matrix: np.ndarray
    inside: np.ndarray
    visible: np.ndarray
    outline: np.ndarray
    radius: float

    @property
    def extent(self):
        """Left, right, bottom and top edge, in metres."""
        return (-self.radius, self.radius, -self.radius, self.radius)

    @property
    def centres(self):
        """Coordinates of the pixel centres along one axis, in metres."""
        return pixel_centres(len(self.inside), self.radius)

    def __call__(self, values):
        """Interpolate values of shape (..., n_channels) to maps of shape (..., resolution, resolution).

        Pixels outside the map are NaN.
        """
        values = np.asarray(values)
        maps = np.full(values.shape[:-1] + self.inside.shape, np.nan, dtype=self.matrix.dtype)
        maps[..., self.inside] = values @ self.matrix.T
        return maps


def topography(
    positions: ArrayLike,
    *,
    method: str = "cloughtocher",
    extrapolate: str = "head",
    resolution: int = 128,
    dtype: str = "float64",
) -> Topography:
    """Build the operator for these electrodes, or take it from the cache.

    Parameters
    ----------
    positions : array of shape (n_channels, 2)
        Electrodes on the plane, in metres.
    method : {"cloughtocher", "spherical", "linear"}
        ``"cloughtocher"`` is piecewise cubic, smooth, and exact at electrodes; ``"spherical"`` is the spherical spline
        of order 4 with smoothing 1e-6 [1]_, the best estimate of a potential; ``"linear"`` is piecewise linear.
    extrapolate : {"head", "hull"}
        Fill the head disc, or stop at the convex hull of the electrodes.
    resolution : int
        Pixels along each side.
    dtype : {"float64", "float32"}
        Precision of the matrix.

    Returns
    -------
    Topography

    References
    ----------
    .. [1] Perrin, F., Pernier, J., Bertrand, O., Echallier, J. F. (1989). Spherical splines for scalp potential and
           current density mapping. Electroencephalography and Clinical Neurophysiology 72(2), 184-187.
           https://doi.org/10.1016/0013-4694(89)90180-6
    """
    positions = np.ascontiguousarray(positions, dtype=float)
    return _build(positions.tobytes(), len(positions), method, extrapolate, int(resolution), str(dtype))


@functools.lru_cache(maxsize=6)
def _build(buffer, n_channels, method, extrapolate, resolution, dtype):
    positions = np.frombuffer(buffer).reshape(n_channels, 2)
    radius = map_radius(positions)
    axis = pixel_centres(resolution, radius)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    margin = 4 * radius / resolution  # two pixels, hidden by the outline, keep the edge of the picture smooth
    if extrapolate == "hull" and not on_a_line(positions):
        inside, visible = near_hull(positions, points, margin), near_hull(positions, points)
        outline = positions[convex_hull(positions).vertices]
        points = pull_into_hull(positions, points[inside])
    else:
        cut = map_cut(radius)
        distance = np.hypot(points[..., 0], points[..., 1])
        inside, visible = distance <= radius + margin, distance <= cut
        angle = np.linspace(0, 2 * np.pi, 181)
        outline = cut * np.column_stack([np.cos(angle), np.sin(angle)])
        points = points[inside]
    matrix = interpolation_matrix(positions, points, method=method, extrapolate=extrapolate, dtype=dtype)
    for array in (matrix, inside, visible, outline):
        array.flags.writeable = False
    return Topography(matrix, inside, visible, outline, radius)


def map_radius(positions: NDArray[Any]) -> float:
    """Return the radius of the map: the head, or the outermost electrode where that lies beyond.

    Parameters
    ----------
    positions : ndarray of shape (n_channels, 2)
        Electrodes, in metres.

    Returns
    -------
    float
        In metres; 1 % more than the outermost electrode's distance, at least 0.095.
    """
    return max(HEAD_RADIUS, 1.01 * float(np.linalg.norm(positions, axis=1).max()))


def map_cut(radius: float) -> float:
    """Return where a map of this radius is cut: at the head, but for electrodes beyond it.

    Parameters
    ----------
    radius : float
        As `map_radius` returns it.

    Returns
    -------
    float
        In metres.
    """
    return HEAD_RADIUS if radius <= _HAIR * HEAD_RADIUS else radius


def pixel_centres(resolution: int, radius: float) -> NDArray[np.float64]:
    """Return the coordinates of pixel centres along one axis.

    Parameters
    ----------
    resolution : int
        Pixels along the axis.
    radius : float
        Half the length of the axis, in metres.

    Returns
    -------
    ndarray of shape (resolution,)
        Ascending, half a pixel within ``-radius`` and ``radius``.
    """
    return radius * ((2 * np.arange(resolution) + 1) / resolution - 1)


def interpolation_matrix(
    positions: ArrayLike,
    points: ArrayLike,
    *,
    method: str = "cloughtocher",
    extrapolate: str = "head",
    dtype: str = "float64",
) -> NDArray[np.floating]:
    """Weights of the electrodes at any points of the plane.

    Parameters
    ----------
    positions : ndarray of shape (n_channels, 2)
        Electrodes, in metres.
    points : ndarray of shape (n_points, 2)
        Where to interpolate, in metres.
    method, extrapolate, dtype
        See `topography`.

    Returns
    -------
    ndarray of shape (n_points, n_channels)
        Rows of points that cannot be reached (outside the hull, or far outside the head) are NaN.

    Raises
    ------
    ValueError
        For positions and points with NaN or infinities, electrodes at the same place, and a hull of electrodes on a
        line.
    """
    positions = _on_plane("positions", positions)
    points = _on_plane("points", points)
    gap = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    np.fill_diagonal(gap, np.inf)
    if gap.min() <= 1e-6 * np.abs(positions).max():
        raise ValueError("positions must differ: two electrodes lie at the same place.")
    prepare = lookup(_METHODS, method, "method")
    check_option("extrapolate", extrapolate, ("head", "hull"))
    if extrapolate == "hull" and on_a_line(positions):
        raise ValueError("extrapolate='hull' needs three electrodes that are not on a line; use extrapolate='head'.")
    weigh = prepare(positions, extrapolate)
    matrix = np.empty((len(points), len(positions)), dtype=dtype)
    for start in range(0, len(points), _CHUNK):
        matrix[start : start + _CHUNK] = weigh(points[start : start + _CHUNK])
    return matrix


def _on_plane(name: str, given: ArrayLike) -> NDArray[np.float64]:
    """Points of the plane, as floats."""
    given = check_array_like(name, given, ndim=2, dtype=float)
    if given.shape[1] != 2:
        raise ValueError(f"{name} must be (n, 2), got shape {given.shape}.")
    return given


# -- piecewise polynomials on the triangles between electrodes


def _triangle_method(make_interpolator):
    """Method whose weights are an interpolator's values for the unit vectors of the electrodes."""

    def prepare(positions, extrapolate):
        """Return the function from points to weights ``(n_points, n_channels)``, for these electrodes."""
        if extrapolate == "hull":
            return _within_hull(positions, make_interpolator)
        triangles = triangulate(positions)
        return make_interpolator(triangles, _ring_values(triangles, len(positions)))

    return prepare


def _within_hull(positions, make_interpolator):
    from scipy.spatial import Delaunay

    interpolate = make_interpolator(Delaunay(positions), np.eye(len(positions)))

    def weigh(points):
        """Weights of the electrodes at points; NaN beyond the hull."""
        near = near_hull(positions, points)
        weights = np.full((len(points), len(positions)), np.nan)
        weights[near] = interpolate(points[near])
        return weights

    return weigh


def _smooth(triangles, values):
    from scipy.interpolate import CloughTocher2DInterpolator

    # The tolerance on gradients is absolute: columns of the identity make it relative to the data, whatever their unit.
    return CloughTocher2DInterpolator(triangles, values, tol=1e-9, maxiter=2000)


def _linear(triangles, values):
    from scipy.interpolate import LinearNDInterpolator

    return LinearNDInterpolator(triangles, values)


def triangulate(positions: NDArray[Any]) -> Any:
    """Triangles between the electrodes and a ring of points outside the map.

    Parameters
    ----------
    positions : ndarray of shape (n_channels, 2)
        In metres.

    Returns
    -------
    scipy.spatial.Delaunay
        Its points are the electrodes, then the ring.
    """
    from scipy.spatial import Delaunay, QhullError

    flat = on_a_line(positions) or len(positions) < 4
    try:
        triangles = None if flat else Delaunay(positions, incremental=True)
    except QhullError:  # all on one circle, as C3, C4, Fz and Pz are: Qhull adds no points to such a triangulation
        triangles, flat = Delaunay(positions), True
    spacing = _spacing_in_order(positions) if triangles is None else _typical_side(triangles)
    radius = map_radius(positions)
    n_points = int(np.round(2 * np.pi / np.arcsin(np.clip(spacing / radius, 2 * np.pi / MOST_RING_POINTS, 1))))
    n_points = max(12, n_points)
    angles = np.linspace(0, 2 * np.pi, n_points, endpoint=False)
    ring = (1.1 * radius + spacing) * np.column_stack([np.cos(angles), np.sin(angles)])
    if flat:
        return Delaunay(np.concatenate([positions, ring]))
    triangles.add_points(ring)  # electrodes first: ties between equal diagonals fall as in MNE
    triangles.close()
    return triangles


def _ring_values(triangles, n_channels):
    """Identity for the electrodes; each ring point is the mean of the electrodes it is joined to."""
    n_ring = len(triangles.points) - n_channels
    values = np.concatenate([np.eye(n_channels), np.zeros((n_ring, n_channels))])
    starts, neighbours = triangles.vertex_neighbor_vertices
    for point in range(n_channels, n_channels + n_ring):
        electrodes = neighbours[starts[point] : starts[point + 1]]
        electrodes = electrodes[electrodes < n_channels]
        values[point, electrodes] = 1 / max(len(electrodes), 1)
    ring = values[n_channels:]
    joined = ring.any(axis=1)
    ring[~joined] = ring[joined].mean(axis=0)
    return values


def _typical_side(triangles):
    """Typical distance between neighbouring electrodes."""
    first, second, third = triangles.points[triangles.simplices].transpose(1, 0, 2)
    sides = np.concatenate([np.linalg.norm(first - second, axis=1), np.linalg.norm(second - third, axis=1)])
    return float(np.median(sides))


def _spacing_in_order(positions):
    """Typical distance between successive electrodes, for too few of them to make triangles."""
    if len(positions) == 1:
        return HEAD_RADIUS
    along = np.argmax(np.ptp(positions, axis=0))
    ordered = positions[np.argsort(positions[:, along])]
    return float(np.median(np.linalg.norm(np.diff(ordered, axis=0), axis=1)))


# -- spherical splines

_ORDER = 4
_SMOOTHING = 1e-6
_N_TERMS = 50


def _spherical(positions, extrapolate):
    n_channels = len(positions)
    directions = _to_sphere(positions)
    system = np.ones((n_channels + 1, n_channels + 1))
    system[-1, -1] = 0
    system[:-1, :-1] = _spline_kernel(directions @ directions.T) + _SMOOTHING * np.eye(n_channels)
    # Spline and constant that belong to each unit vector of values: (n_channels + 1, n_channels).
    coefficients = np.linalg.solve(system, np.eye(n_channels + 1)[:, :n_channels])

    def weigh(points):
        """Weights of the electrodes at points: kernels of their distances times coefficients, and the constant."""
        weights = _spline_kernel(_to_sphere(points) @ directions.T) @ coefficients[:-1] + coefficients[-1]
        if extrapolate == "hull":
            weights[~near_hull(positions, points)] = np.nan
        return weights

    return weigh


def _to_sphere(plane):
    """Unit vectors of points of the disc: the inverse of the azimuthal equidistant projection."""
    quarter = np.pi / 2 / HEAD_RADIUS  # the head circle is the equator
    angle = np.hypot(*plane.T) * quarter
    stretch = np.sinc(angle / np.pi) * quarter  # sin(angle) / distance
    return np.column_stack([plane * stretch[:, None], np.cos(angle)])


def _spline_kernel(cosine):
    grid, table = _kernel_table()
    return np.interp(np.clip(cosine, -1, 1), grid, table)


@functools.cache
def _kernel_table():
    """Values of the spline kernel on a fine grid of cosines; a Legendre series per pixel would be far slower."""
    degree = np.arange(1, _N_TERMS + 1)
    series = np.concatenate([[0.0], (2 * degree + 1) / (degree * (degree + 1.0)) ** _ORDER / (4 * np.pi)])
    grid = np.linspace(-1, 1, 20001)
    return grid, np.polynomial.legendre.legval(grid, series)


_METHODS = {
    "cloughtocher": _triangle_method(_smooth),
    "spherical": _spherical,
    "linear": _triangle_method(_linear),
}
