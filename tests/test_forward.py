"""The lead field against closed forms, symmetry, potential theory and MNE's sphere model."""

import numpy as np
import pytest

from eegexplain._forward import electrode_positions, lead_field, scalp_gains
from eegexplain.datasets import Dipole

LOCATION = np.array([0.2, -0.3, 0.5])


def sphere_points(n, seed=0):
    points = np.random.default_rng(seed).standard_normal((n, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_equal_shells_are_one_sphere():
    n = np.arange(1, 11)
    np.testing.assert_allclose(scalp_gains(10, (0.5, 0.8, 1.0), (0.33, 0.33, 0.33)), (2 * n + 1) / n, rtol=1e-12)


def test_homogeneous_sphere_has_its_closed_form():
    # Potential of a current monopole at a in a unit sphere, seen on its surface at r (Neumann function, up to a
    # constant): 2/d - log(d + 1 - r.a); a dipole is its gradient in a.
    def neumann(electrodes, a):
        d = np.linalg.norm(electrodes - a, axis=1)
        return 2 / d - np.log(d + 1 - electrodes @ a)

    electrodes, step = sphere_points(20), 1e-5
    expected = np.stack(
        [
            (neumann(electrodes, LOCATION + step * axis) - neumann(electrodes, LOCATION - step * axis)) / (2 * step)
            for axis in np.eye(3)
        ],
        axis=-1,
    )
    field = lead_field(electrodes, LOCATION[None], radii=(1.0,), conductivities=(1.0,))[:, 0]
    np.testing.assert_allclose(4 * np.pi * field, expected, rtol=1e-6, atol=1e-8)


def test_reciprocal_field_is_a_potential_without_sources():
    """By reciprocity the lead field is the current field of the electrode: no divergence, no curl inside the brain."""
    electrodes, step = sphere_points(5), 1e-4
    slopes = np.array(
        [
            (
                lead_field(electrodes, (LOCATION + step * axis)[None])
                - lead_field(electrodes, (LOCATION - step * axis)[None])
            )
            / (2 * step)
            for axis in np.eye(3)
        ]
    )[:, :, 0]  # derivative axis, electrode, component
    scale = np.abs(slopes).max()
    assert np.abs(np.einsum("iei->e", slopes)).max() < 1e-5 * scale
    assert np.abs(slopes - slopes.transpose(2, 1, 0)).max() < 1e-5 * scale


def test_radial_is_one_blob_and_tangential_two():
    angle = np.linspace(-np.pi, np.pi, 73)
    ring = np.column_stack([np.sin(angle), np.zeros(73), np.cos(angle)])
    radial, along, across = lead_field(ring, np.array([[0.0, 0.0, 0.7]]))[:, 0][:, [2, 0, 1]].T
    np.testing.assert_allclose(radial, radial[::-1], atol=1e-9)
    np.testing.assert_allclose(along, -along[::-1], atol=1e-9)
    np.testing.assert_allclose(across, 0, atol=1e-12)
    assert radial.argmax() == 36 and (np.diff(radial[:37]) > 0).sum() > 25
    assert abs(along[36]) < 1e-9 and abs(angle[along.argmax()]) < 0.8


def test_reference_free_potential_has_no_mean_over_the_scalp():
    nodes, weights = np.polynomial.legendre.leggauss(100)
    azimuth = np.arange(100) * 2 * np.pi / 100
    x = np.sqrt(1 - nodes**2)
    grid = np.stack([np.outer(x, np.cos(azimuth)), np.outer(x, np.sin(azimuth)), np.outer(nodes, np.ones(100))], -1)
    field = lead_field(grid.reshape(-1, 3), LOCATION[None])[:, 0]
    mean = np.repeat(weights, 100) @ field
    assert np.abs(mean).max() < 1e-8 * np.abs(field).max()


def test_agrees_with_mne_sphere_model():
    mne = pytest.importorskip("mne")
    names = ["Fp1", "F3", "Cz", "T7", "P4", "O2", "Oz", "C3"]
    electrodes = electrode_positions(names)
    montage = mne.channels.make_dig_montage(dict(zip(names, 0.09 * electrodes, strict=True)), coord_frame="head")
    info = mne.create_info(names, 100.0, "eeg", verbose=False).set_montage(montage, verbose=False)
    sphere = mne.make_sphere_model(
        (0, 0, 0), 0.09, relative_radii=(0.87, 0.92, 1.0), sigmas=(0.33, 0.0042, 0.33), verbose=False
    )
    source = {"rr": 0.09 * np.repeat(LOCATION[None], 3, 0), "nn": np.eye(3)}
    space = mne.setup_volume_source_space(pos=source, sphere=(0, 0, 0, 0.09), verbose=False)
    forward = mne.make_forward_solution(info, None, space, sphere, meg=False, mindist=0, verbose=False)
    theirs = forward["sol"]["data"].reshape(len(names), 3, 3)[:, 0]
    ours = lead_field(electrodes, LOCATION[None])[:, 0]
    for axis in range(3):
        a, b = ours[:, axis] - ours[:, axis].mean(), theirs[:, axis] - theirs[:, axis].mean()
        assert np.corrcoef(a, b)[0, 1] > 0.9999
    np.testing.assert_allclose(ours.std(0) / ours.std(), theirs.std(0) / theirs.std(), rtol=0.02)


def test_electrodes_have_standard_directions_under_any_case():
    cz, oz, nose, left, right = electrode_positions(["cz", "OZ", "Fpz", "T7", "T8"])
    assert cz[2] > 0.99 and oz[1] < -0.95 and nose[1] > 0.95 and left[0] < -0.95 and right[0] > 0.95
    with pytest.raises(ValueError, match="'TP77'.*Did you mean 'TP7'"):
        electrode_positions(["TP77"])


def test_dipole_directions():
    radial, tangential = Dipole("C3"), Dipole("C3", "tangential")
    np.testing.assert_allclose(np.linalg.norm(radial.location()), 0.7)
    np.testing.assert_allclose(radial.moment() @ tangential.moment(), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(Dipole("Fz", (0, 3.0, 4.0)).moment()), 1)
    names = ["F3", "C3", "P3", "O1"]
    assert radial.topography(names).argmax() == 1
    assert tangential.topography(names)[0] > 0 > tangential.topography(names)[2]


@pytest.mark.parametrize(
    ("dipole", "message"),
    [
        (Dipole((0, 0, 0.95)), "inside the brain"),
        (Dipole("Cz", eccentricity=0.0), "inside the brain"),
        (Dipole((0.1, 0.2)), "inside the brain"),
        (Dipole("Cz", (0, 0, 0)), "not all 0"),
        (Dipole("Cz", "radical"), "Did you mean 'radial'"),
    ],
)
def test_bad_dipoles(dipole, message):
    with pytest.raises(ValueError, match=message):
        dipole.moment()
