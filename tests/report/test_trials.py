"""What the report makes of the data it is given."""

import numpy as np
import pytest
import xarray as xr
from sklearn.utils import Bunch

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.report._trials import find_identities, inside_passband, pick_groups, prepare_trials

BANDS = {"delta": (1.0, 4.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}
RNG = np.random.default_rng(0)
DATA = Bunch(
    X=RNG.standard_normal((6, 2, 64)), y=np.arange(6) % 2, sfreq=128.0, ch_names=["C3", "C4"],
    subject=np.arange(6) // 2, session=["a", "b"] * 3,
)  # fmt: skip


def test_groups_are_a_column_and_leave_the_identities_alone():
    found = prepare_trials(DATA, group_by="session")
    assert found.groups.tolist() == ["a", "b"] * 3
    assert {name: values.tolist() for name, values in found.identities.items()} == {
        "subject": list("001122"),
        "session": ["a", "b"] * 3,
    }
    assert prepare_trials(DATA).groups is None and "subject" in prepare_trials(DATA).identities


def test_a_thousand_classes_are_refused():
    with pytest.raises(ValueError, match="at most 64 classes, these trials have 1000 labels: merge or choose some"):
        prepare_trials(Bunch(X=np.ones((1000, 2, 8)), y=np.arange(1000), sfreq=128.0, ch_names=["C3", "C4"]))


def test_columns_that_cannot_be_groups_are_named():
    with pytest.raises(ValueError, match="Did you mean 'subject'"):
        pick_groups(DATA, "subjct")
    for missing in (np.nan, None):
        holes = Bunch(**DATA | {"session": np.array(["a", "a", missing, "b", "b", "b"], dtype=object)})
        with pytest.raises(ValueError, match="trial 2 has no group"):
            pick_groups(holes, "session")


def test_bins_outside_of_the_passband_are_left_out_of_maps():
    frequencies = np.arange(0, 65.0, 2)
    whole = xr.Dataset({"value": ("frequency", frequencies)}, {"frequency": frequencies})
    cases = [((None, None), (0, 64)), ((8.0, 30.0), (8, 30)), ((None, 31.0), (0, 30)), ((7.9, None), (8, 64))]
    for limits, kept in cases:
        found = prepare_trials(Bunch(**DATA, highpass=limits[0], lowpass=limits[1])).inside_passband(whole)
        assert (found["value"].values.min(), found["value"].values.max()) == kept
        assert (np.diff(found["frequency"]) == 2).all()


def test_columns_that_say_where_trials_come_from():
    column = np.array(["a", "b", "a", "b"])
    names = ["stimulus", "condition", "recording", "participant_id", "Session", "subject", "daylight", "event"]
    data = Bunch(y=np.arange(4), X=np.zeros((4, 2, 2)), **dict.fromkeys(names, column))
    assert list(find_identities(data)) == ["subject", "recording", "participant_id", "Session"]
    data = Bunch(y=np.arange(2), subject=None, session=np.array([1.0, np.nan]), run=np.array([1, "x"], dtype=object))
    assert list(find_identities(data)) == ["run"]


def test_channels_of_an_own_montage_lie_where_the_file_says():
    mne = pytest.importorskip("mne")
    names = ["E1", "E2", "Cz", "X9"]
    places = dict(zip(names, 0.09 * np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [-1, 0, 0.0]]), strict=True))
    info = mne.create_info(names, 128.0, "eeg")
    data = Bunch(**DATA | {"X": RNG.standard_normal((6, 4, 64)), "ch_names": names, "info": info})
    assert prepare_trials(data).montage is None and not prepare_trials(data).on_scalp
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    found = prepare_trials(data)
    assert found.on_scalp and found.montage is info and found.ch_names == names and not found.left_out
    info["chs"][1]["loc"][:3] = np.nan
    assert prepare_trials(data).left_out == ["E2"] and prepare_trials(data).on_scalp
    known = prepare_trials(Bunch(**DATA | {"info": mne.create_info(["C3", "C4"], 128.0, "eeg")}))
    assert known.montage is None and known.on_scalp


@pytest.mark.parametrize(
    ("limits", "left_out"),
    [
        ((None, None), []),
        ((0.5, 50.0), []),
        ((8.0, 30.0), ["delta", "gamma"]),
        ((2.4, 38.0), []),
        ((2.6, 37.0), ["delta", "gamma"]),
        ((None, 30.0), ["gamma"]),
    ],
)
def test_bands_outside_of_the_passband_are_left_out(limits, left_out):
    kept, out = inside_passband(BANDS, *limits)
    assert out == left_out and [*kept] == [name for name in BANDS if name not in left_out]


def test_a_passband_without_any_band_is_named():
    with pytest.raises(ValueError, match="filtered to 50-60 Hz, which leaves none of the bands"):
        inside_passband(BANDS, 50.0, 60.0)


def test_channels_that_are_no_electrodes_are_left_out():
    data = make_oscillatory_eeg(4, ["Fz", "C3", "C4", "Pz", "O1", "O2"], duration=1.0, random_state=0)
    named = {"FZ": True, "X": False, "oz.": True, "nd": False, "C3": True, "C4": True}
    found = prepare_trials(Bunch(**data | {"ch_names": [*named]}))
    assert found.ch_names == ["FZ", "oz.", "C3", "C4"] and found.left_out == ["X", "nd"] and found.simulation is None
    assert (found.X == data.X[:, [*named.values()]]).all()
    unnamed = prepare_trials(Bunch(**data | {"ch_names": ["ch0", "ch1", "Oz", "ch3", "ch4", "ch5"]}))
    assert unnamed.ch_names[:3] == ["ch0", "ch1", "Oz"] and unnamed.left_out == [] and unnamed.X.shape == data.X.shape
