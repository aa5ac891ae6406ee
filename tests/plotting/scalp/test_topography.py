import mne
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mne.viz.topomap import _check_sphere, _plot_topomap
from scipy.interpolate import LinearNDInterpolator
from scipy.special import eval_legendre

from eegexplain.plotting.scalp.positions import HEAD_RADIUS, channel_positions
from eegexplain.plotting.scalp.topography import interpolation_matrix, map_radius, topography

METHODS = ["cloughtocher", "spherical", "linear"]
MONTAGE = mne.channels.make_standard_montage("biosemi32")
NAMES = MONTAGE.ch_names
POSITIONS = channel_positions(NAMES, MONTAGE)


def some_points(n=200, seed=0):
    rng = np.random.default_rng(seed)
    angle, radius = rng.uniform(0, 2 * np.pi, n), HEAD_RADIUS * np.sqrt(rng.uniform(0, 1, n))
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def mne_map(names, montage, values):
    """The map MNE draws, and the points where it is evaluated."""
    import matplotlib.pyplot as plt

    info = mne.create_info(names, 1.0, "eeg").set_montage(montage, on_missing="ignore")
    figure, ax = plt.subplots()
    image, _, _ = _plot_topomap(values, info, ax, sphere=_check_sphere(None), show=False)
    left, right, _, _ = image.get_extent()
    plt.close(figure)
    axis = np.linspace(left, right, 64)
    return image.get_array().filled(np.nan), np.column_stack([c.ravel() for c in np.meshgrid(axis, axis)])


@pytest.mark.parametrize("montage", ["biosemi64", "easycap-M1", "colin27_1020", "spherical_1010", "biosemi160"])
def test_cloughtocher_equals_the_map_of_mne(montage):
    montage = mne.channels.make_standard_montage(montage)
    names = [name for name in montage.ch_names if name not in "T3 T4 T5 T6 A1 A2 M1 M2".split()]
    values = np.random.default_rng(0).standard_normal(len(names))
    expected, points = mne_map(names, montage, values)
    ours = (interpolation_matrix(channel_positions(names, montage), points) @ values).reshape(64, 64)
    inside = np.hypot(*points.T).reshape(64, 64) <= map_radius(channel_positions(names, montage))
    assert np.isfinite(ours[inside]).all()
    assert np.allclose(ours[inside], expected[inside], atol=1e-6)


def test_maps_of_any_unit_are_the_same_map():
    values = np.random.default_rng(0).standard_normal(32)
    operator = topography(POSITIONS, resolution=32)
    assert np.allclose(operator(values * 1e-7) / 1e-7, operator(values), atol=1e-12, equal_nan=True)


def test_cloughtocher_and_linear_are_exact_at_electrodes():
    for method in ("cloughtocher", "linear"):
        assert np.allclose(interpolation_matrix(POSITIONS, POSITIONS, method=method), np.eye(32), atol=1e-9)


def test_linear_equals_the_triangles_of_scipy():
    values, points = np.random.default_rng(0).standard_normal(32), some_points()
    expected = LinearNDInterpolator(POSITIONS, values)(points)
    ours = interpolation_matrix(POSITIONS, points, method="linear", extrapolate="hull") @ values
    assert np.isnan(expected).any()
    assert np.allclose(ours, expected, atol=1e-12, equal_nan=True)


def test_spherical_equals_the_formula_written_out():
    """Spline of Perrin et al.: series summed term by term, system solved for one vector of values."""

    def sphere(plane):
        angle, azimuth = np.hypot(*plane) / HEAD_RADIUS * np.pi / 2, np.arctan2(plane[1], plane[0])
        return np.array([np.sin(angle) * np.cos(azimuth), np.sin(angle) * np.sin(azimuth), np.cos(angle)])

    def kernel(first, second):
        cosine = np.clip(sphere(first) @ sphere(second), -1, 1)
        return sum((2 * n + 1) / (n * (n + 1)) ** 4 * eval_legendre(n, cosine) for n in range(1, 51)) / (4 * np.pi)

    values, points = np.random.default_rng(0).standard_normal(32), some_points(20)
    gram = np.array([[kernel(a, b) for b in POSITIONS] for a in POSITIONS]) + 1e-6 * np.eye(32)
    system = np.block([[gram, np.ones((32, 1))], [np.ones((1, 32)), np.zeros((1, 1))]])
    solved = np.linalg.solve(system, np.append(values, 0))
    expected = [sum(w * kernel(p, e) for w, e in zip(solved, POSITIONS, strict=False)) + solved[-1] for p in points]
    ours = interpolation_matrix(POSITIONS, points, method="spherical") @ values
    assert np.allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("extrapolate", ["head", "hull"])
def test_a_constant_stays_constant(method, extrapolate):
    matrix = interpolation_matrix(POSITIONS, some_points(), method=method, extrapolate=extrapolate)
    outside = np.isnan(matrix[:, 0])
    assert outside.any() == (extrapolate == "hull")
    assert np.allclose(matrix[~outside].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("method", ["cloughtocher", "spherical"])
def test_a_smooth_field_is_recovered(method):
    """A field with two poles, sampled at the electrodes, comes back between them."""

    def field(plane):
        x, y = (plane / HEAD_RADIUS).T
        return x + 0.5 * y - 0.4 * x * y

    points = some_points()
    points = points[np.hypot(*points.T) < 0.8 * HEAD_RADIUS]
    ours = interpolation_matrix(POSITIONS, points, method=method) @ field(POSITIONS)
    assert np.abs(ours - field(points)).max() < 0.06


@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 1000))
def test_maps_are_linear(a, b, seed):
    first, second = np.random.default_rng(seed).standard_normal((2, 32))
    operator = topography(POSITIONS, resolution=24)
    together = operator(a * first + b * second)
    assert np.allclose(together, a * operator(first) + b * operator(second), atol=1e-10, equal_nan=True)


def test_frames_are_maps_one_by_one():
    values = np.random.default_rng(0).standard_normal((4, 32))
    operator = topography(POSITIONS, resolution=32)
    assert np.allclose(operator(values), np.stack([operator(v) for v in values]), equal_nan=True, atol=1e-12)
    assert operator(values).shape == (4, 32, 32) and np.isnan(operator(values)[:, 0, 0]).all()


def test_the_operator_is_built_once():
    first = topography(POSITIONS, resolution=30)
    assert topography(POSITIONS.copy(), resolution=30) is first
    assert topography(POSITIONS, resolution=30, method="linear") is not first
    with pytest.raises(ValueError, match="read-only"):
        first.matrix[0] = 0


def test_hull_maps_stop_at_the_hull():
    operator = topography(0.5 * POSITIONS, resolution=40, extrapolate="hull")
    y, x = (operator.centres[k] for k in np.nonzero(operator.visible))
    assert 0 < np.hypot(x, y).max() <= 0.51 * HEAD_RADIUS
    assert (operator.inside >= operator.visible).all() and operator.inside.sum() > operator.visible.sum()
    rows = np.flatnonzero(operator.visible[operator.inside])
    expected = interpolation_matrix(0.5 * POSITIONS, np.column_stack([x, y]), extrapolate="hull")
    assert np.allclose(operator.matrix[rows], expected, atol=1e-9)
    assert np.isfinite(operator.matrix).all()


@pytest.mark.parametrize("names", ["Cz", "C3 C4", "C3 Cz C4", "Fz Cz Pz Oz", "C3 C4 Oz", "C3 C4 Fz Pz", "F3 F4 P3 P4"])
@pytest.mark.parametrize("method", METHODS)
def test_few_collinear_or_cocircular_electrodes(names, method):
    names = names.split()
    operator = topography(channel_positions(names), resolution=32, method=method)
    assert np.isfinite(operator(np.arange(1.0, 1 + len(names)))[operator.inside]).all()
    assert np.allclose(operator(np.ones(len(names)))[operator.inside], 1, atol=1e-6)


def test_collinear_electrodes_have_no_hull():
    with pytest.raises(ValueError, match="not on a line"):
        topography(channel_positions(["C3", "Cz", "C4"]), extrapolate="hull")


@pytest.mark.parametrize(("option", "value"), [("method", "cubic"), ("extrapolate", "box")])
def test_unknown_options_are_named(option, value):
    with pytest.raises(ValueError, match=f"{option}='{value}'"):
        topography(POSITIONS, **{option: value})


@pytest.mark.parametrize("apart", [0.0, 1e-9])
def test_electrodes_at_one_place_are_refused(apart):
    with pytest.raises(ValueError, match="two electrodes lie at the same place"):
        interpolation_matrix([[0.01, 0.0], [0.01 + apart, 0.0]], [[0.0, 0.0]])


def test_close_electrodes_do_not_take_the_memory_of_their_distance():
    weights = interpolation_matrix([[0.01, 0.0], [0.01 + 1e-6, 0.0]], [[0.0, 0.0], [0.01, 0.0]])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
