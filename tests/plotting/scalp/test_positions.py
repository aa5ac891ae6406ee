import mne
import numpy as np
import pytest
from mne.channels.layout import _find_topomap_coords

from eegexplain.plotting.scalp.positions import HEAD_RADIUS, channel_positions, project

NAMES = ["Fz", "C3", "Cz", "C4", "Pz", "Oz"]


def test_names_lie_where_they_should():
    x, y = channel_positions(["Fz", "C3", "Cz", "C4", "Oz"]).T
    assert y[0] > 0 > y[4] and x[1] < 0 < x[3]
    assert np.hypot(x[2], y[2]) < 1e-9
    assert np.allclose(x[1], -x[3]) and np.allclose(np.hypot(x[4], y[4]), 0.8 * HEAD_RADIUS, rtol=1e-3)


@pytest.mark.parametrize("montage", ["biosemi64", "easycap-M1", "colin27_1020"])
def test_montage_and_info_equal_mne_to_the_bit(montage):
    montage = mne.channels.make_standard_montage(montage)
    names = [name for name in montage.ch_names if name not in "T3 T4 T5 T6 A1 A2 M1 M2".split()]
    info = mne.create_info(names, 1.0, "eeg").set_montage(montage, on_missing="ignore")
    expected = _find_topomap_coords(info, None)
    assert np.array_equal(channel_positions(names, montage), expected)
    assert np.array_equal(channel_positions(names, info), expected)


def test_case_dots_and_old_names():
    assert np.array_equal(channel_positions(["FZ", "fc5.", " oz "]), channel_positions(["Fz", "FC5", "Oz"]))
    assert np.array_equal(
        channel_positions(["T3", "T4", "T5", "T6"]), channel_positions(["T7", "T8", "P7", "P8"])
    )
    assert np.array_equal(channel_positions(["A1", "M2"]), channel_positions(["TP9", "TP10"]))


def test_renamed_montages_work_without_a_warning():
    assert np.array_equal(channel_positions(NAMES, "standard_1020"), channel_positions(NAMES, "colin27_1020"))


def test_arrays_in_any_unit():
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((6, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    plane = channel_positions(NAMES, directions)
    assert np.allclose(plane, channel_positions(NAMES, 80 * directions))
    assert np.allclose(plane, project(HEAD_RADIUS * directions))
    angle = np.arccos(directions[:, 2])
    assert np.allclose(np.linalg.norm(plane, axis=1), HEAD_RADIUS * angle / (np.pi / 2))
    flat = rng.standard_normal((6, 2))
    assert np.allclose(np.linalg.norm(channel_positions(NAMES, flat), axis=1).max(), HEAD_RADIUS)
    assert np.allclose(channel_positions(NAMES, flat, head_radius=2.0), flat * HEAD_RADIUS / 2)


def test_every_unknown_name_is_listed_once():
    with pytest.raises(ValueError, match=r"2 of 4 channels.*'Q9'.*'Czz'.*Did you mean 'cz'") as error:
        channel_positions(["Cz", "Q9", "Czz", "Pz"])
    assert "'Pz'" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "positions", "message"),
    [
        (["Cz", "CZ"], None, "more than once"),
        (["T3", "T7"], None, "same place: T3, T7"),
        (["Cz", "Pz"], np.zeros((2, 2)), "same place"),
        (["Cz", "Pz"], np.eye(3), "shape"),
        (["Cz", "Pz"], [[0, 0], [np.nan, 1]], "finite"),
        (["Cz", "Pz"], "biosem64", "Did you mean 'biosemi64'"),
    ],
)
def test_bad_input_is_named(names, positions, message):
    with pytest.raises(ValueError, match=message):
        channel_positions(names, positions)


def test_info_without_positions_is_an_error():
    with pytest.raises(ValueError, match="No position in the Info for 2 of 2"):
        channel_positions(["Cz", "Pz"], mne.create_info(["Cz", "Pz"], 1.0, "eeg"))


def test_names_of_a_real_recording(real_data):
    with np.load(real_data / "uci_eeg_train.npz") as archive:
        names = [str(name) for name in archive["ch_names"]]
    with pytest.raises(ValueError, match="3 of 64 channels: 'X'.*'nd'.*'Y'"):
        channel_positions(names)
    scalp = [name for name in names if name not in ("X", "Y", "nd")]
    assert channel_positions(scalp).shape == (61, 2)
