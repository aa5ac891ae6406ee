"""Answers in the user's own tools: the same numbers on the same channels, and what cannot be said is refused."""

import json
import pickle

import mne
import numpy as np
import pytest
import xarray as xr

from eegexplain import PerturbationCorrelator, to_bids_sidecar, to_dataframe, to_mne
from eegexplain.inspection import cross_validate_explanations
from eegexplain.plotting import TopomapDisplay
from tests.estimators import fast_classifier
from tests.test_containers import FOLDS, explainer, many

NAMES = ["Pz", "C3", "C4"]
AXES = {
    "output": ["left", "right"],
    "band": ["alpha", "beta"],
    "filter": [0, 1],
    "trial": [0, 1, 2, 3],
    "channel": NAMES,
    "frequency": np.array([0.0, 5.0, 10.0, 15.0]),
    "time": np.arange(6) / 50 - 0.02,
    "lag": np.arange(-2, 3) / 100,
}


def explained(*dims, **axes):
    coords = {dim: axes.get(dim, AXES[dim]) for dim in dims}
    values = np.random.default_rng(0).standard_normal([len(coords[dim]) for dim in dims])
    variables = {"value": (dims, values), "standard_error": (dims, np.abs(values) / 2)}
    attrs = {"label": "correlation", "method": "a method", "version": "1", "libraries": "numpy 2.0, torch 2.4"}
    return xr.Dataset({**variables, "n": ("extra", [1.0])}, coords, attrs)


@pytest.mark.parametrize(
    ("dims", "kind", "shape"),
    [
        (("channel", "time"), mne.Evoked, (3, 6)),
        (("time", "channel"), mne.Evoked, (3, 6)),
        (("channel", "lag"), mne.Evoked, (3, 5)),
        (("channel",), mne.Evoked, (3, 1)),
        (("channel", "frequency"), mne.time_frequency.Spectrum, (3, 4)),
        (("channel", "frequency", "time"), mne.time_frequency.AverageTFR, (3, 4, 6)),
        (("time", "frequency", "channel"), mne.time_frequency.AverageTFR, (3, 4, 6)),
        (("trial", "channel", "time"), mne.BaseEpochs, (4, 3, 6)),
        (("trial", "channel"), mne.BaseEpochs, (4, 3, 1)),
        (("trial", "channel", "frequency"), mne.time_frequency.EpochsSpectrum, (4, 3, 4)),
        (("trial", "channel", "frequency", "time"), mne.time_frequency.EpochsTFR, (4, 3, 4, 6)),
    ],
)
def test_the_numbers_are_those_of_the_explanation(dims, kind, shape):
    given = explained(*dims)
    found = to_mne(given)
    assert isinstance(found, kind) and found.ch_names == NAMES
    order = [dim for dim in ("trial", "channel", "frequency", "time", "lag") if dim in dims]
    np.testing.assert_array_equal(found.get_data(), given["value"].transpose(*order).values.reshape(shape))
    if "time" in dims or "lag" in dims:
        np.testing.assert_allclose(found.times, AXES["time" if "time" in dims else "lag"], atol=1e-9)
    if "frequency" in dims:
        np.testing.assert_array_equal(found.freqs, AXES["frequency"])


def test_axes_that_mne_has_not_are_keys():
    given = explained("output", "channel", "band", "filter")
    found = to_mne(given)
    assert set(found) == {(a, b, c) for a in AXES["output"] for b in AXES["band"] for c in AXES["filter"]}
    one = found["right", "alpha", 1]
    wanted = given["value"].sel(output="right", band="alpha", filter=1)
    np.testing.assert_array_equal(one.data[:, 0], wanted)
    assert one.comment == "correlation (right, alpha, 1)"
    only = to_mne(explained("output", "channel"), output="right", variable="standard_error")
    np.testing.assert_array_equal(only.data[:, 0], explained("output", "channel")["standard_error"].sel(output="right"))
    assert only.comment == "standard_error"


def test_channels_are_the_users():
    info = mne.create_info(["C3", "EOG", "C4", "Pz"], 200.0, ["eeg", "eog", "eeg", "eeg"])
    sites = {"C3": [-0.05, 0, 0.08], "C4": [0.05, 0, 0.08], "Pz": [0, -0.05, 0.08]}
    info.set_montage(mne.channels.make_dig_montage(sites, coord_frame="head"))
    found = to_mne(explained("channel", "time"), info)
    assert found.ch_names == NAMES and found.info["sfreq"] == 50.0 and info["sfreq"] == 200.0
    places = {channel["ch_name"]: channel["loc"][:3] for channel in info["chs"]}
    for channel in found.info["chs"]:
        np.testing.assert_array_equal(channel["loc"][:3], places[channel["ch_name"]])
    with pytest.raises(ValueError, match="info lacks the channels Pz"):
        to_mne(explained("channel", "time"), mne.pick_info(info, [0, 2]))


def test_the_description_of_epochs_is_kept():
    held = many()
    sites = dict(zip(["C3", "C4", "Pz"], np.eye(3) / 10, strict=True))
    held.info.set_montage(mne.channels.make_dig_montage(sites, coord_frame="head"))
    fitted = PerturbationCorrelator(fast_classifier(sfreq=None), bands="eeg", random_state=0).fit(held)
    crossed = cross_validate_explanations(explainer(), held, **FOLDS)
    for found in (fitted, pickle.loads(pickle.dumps(fitted)), crossed):
        maps = found.to_mne(output="right")
        for band in found.explanation_["band"].values:
            one = maps[band]
            np.testing.assert_array_equal(one.data[:, 0], found.explanation_["value"].sel(output="right", band=band))
            np.testing.assert_allclose([channel["loc"][:3] for channel in one.info["chs"]], np.eye(3) / 10)
    frame = fitted.to_dataframe()
    np.testing.assert_array_equal(frame["value"], fitted.explanation_["value"].values.ravel())


def test_scalp_pictures_of_both_are_of_the_same_numbers():
    given = explained("output", "channel", "band")
    ours = TopomapDisplay.from_explanation(given, output="right", band="beta").plot()
    theirs = to_mne(given, output="right")["beta"]
    np.testing.assert_array_equal(np.ravel(ours.values), theirs.data[:, 0])
    figure = theirs.plot_topomap(times=[0.0], scalings=1, units="", colorbar=False, show=False)
    assert len(figure.axes[0].images) == 1


@pytest.mark.filterwarnings("ignore")
def test_files_of_mne_keep_them(tmp_path):
    given = explained("channel", "time")
    to_mne(given).save(tmp_path / "map-ave.fif", verbose="error")
    again = mne.read_evokeds(tmp_path / "map-ave.fif", 0, verbose="error")
    np.testing.assert_allclose(again.data, given["value"], rtol=1e-6)
    assert again.comment == "correlation"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: to_mne(explained("output", "frequency")), ValueError, "axes output, frequency: MNE's objects are by"),
        (lambda: to_mne(explained("channel", "time", time=[0, 0.1, 0.3])), ValueError, "not evenly spaced"),
        (lambda: to_mne(explained("output", "channel"), output="rigth"), ValueError, "none of left, right.*'right'"),
        (lambda: to_mne(explained("channel"), variable="values"), ValueError, "variable='values'.*'value'"),
        (lambda: to_mne(explained("channel").drop_vars("channel")), ValueError, "no names: explain with ch_names"),
        (lambda: to_mne(np.ones(3)), TypeError, "ndarray holds no explanation"),
        (lambda: to_dataframe(fast_classifier()), TypeError, "SyncNetClassifier holds no explanation"),
        (lambda: to_bids_sidecar(explained("channel"), "map.nc"), ValueError, r"is a \.json file, got map.nc"),
    ],
)
def test_what_cannot_be_said_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_table_has_a_row_for_each_cell():
    given = explained("output", "channel", "band")
    found = to_dataframe(given)
    assert found.columns.tolist() == ["output", "channel", "band", "value", "standard_error"] and len(found) == 12
    row = found[(found["output"] == "right") & (found["channel"] == "C3") & (found["band"] == "beta")]
    cell = given.sel(output="right", channel="C3", band="beta")
    assert row["value"].item() == cell["value"].item() and row["standard_error"].item() == cell["standard_error"].item()
    assert found.attrs["label"] == "correlation"


def test_the_description_beside_a_file(tmp_path):
    found = to_bids_sidecar(explained("output", "channel"), tmp_path / "map.json", sources=["bids::sub-01/eeg/a.edf"])
    assert json.loads((tmp_path / "map.json").read_text()) == found
    assert found["GeneratedBy"][0] == {"Name": "eegexplain", "Version": "1"}
    assert found["GeneratedBy"][1:] == [{"Name": "numpy", "Version": "2.0"}, {"Name": "torch", "Version": "2.4"}]
    assert found["Sources"] == ["bids::sub-01/eeg/a.edf"] and found["Axes"]["channel"] == NAMES
    fitted = PerturbationCorrelator(fast_classifier(sfreq=None), random_state=0).fit(many())
    told = to_bids_sidecar(fitted)
    assert told["Parameters"].startswith("PerturbationCorrelator(") and told["DataHash"]
    assert [one["Name"] for one in told["GeneratedBy"]][:2] == ["eegexplain", "numpy"]
