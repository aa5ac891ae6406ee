"""Windows of recordings: those that MNE cuts, and nothing is copied on the way."""

import pickle

import mne
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from eegexplain._lazy import LazyTrials, StoredRecording, StoredTrials, kept_lazy
from eegexplain.datasets import windows
from tests.estimators import closed_classifier

SFREQ = 100.0
RECORDING = np.random.default_rng(0).standard_normal((3, 1000))


def cut(recording, starts, n_times):
    return np.stack([recording[:, start : start + n_times] for start in starts])


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A recording in a file, with rhythms of its own, an EOG channel and marks; not loaded, and not from sample 0."""
    info = mne.create_info(["C3", "Cz", "C4", "EOG"], SFREQ, ["eeg"] * 3 + ["eog"])
    data = mne.io.RawArray(1e-6 * np.vstack([RECORDING, RECORDING[:1]]), info, first_samp=250, verbose=False)
    names = ["left", "BAD_jump", "right", "bad stamp", "left"]
    data.set_annotations(mne.Annotations([1.0, 4.0, 6.0, 7.5, 9.5], [2.0, 0.5, 1.0, 0.0, 0.5], names))
    path = tmp_path_factory.mktemp("raw") / "one_raw.fif"
    data.save(path, fmt="double", verbose=False)
    return mne.io.read_raw_fif(path, preload=False, verbose=False)


@pytest.mark.parametrize("step", [None, 0.1, 1.7])
def test_windows_of_an_array_are_views_of_it(step):
    data = windows(RECORDING, 0.5, step=step, sfreq=SFREQ, y="rest", subject="anna", ch_names=["C3", "Cz", "C4"])
    starts = np.arange(0, 951, round(100 * (step or 0.5)))
    np.testing.assert_array_equal(data.X, cut(RECORDING, starts, 50))
    np.testing.assert_allclose(data.onset, starts / 100)
    for some in (np.asarray(data.X), data.X[1:], data.X[0], np.asarray(data.X[np.arange(len(data.X))[::-1]])):
        assert np.shares_memory(some, RECORDING) and not some.flags.writeable
    assert set(data.y) == {"rest"} and set(data.subject) == {"anna"} and data.ch_names == ["C3", "Cz", "C4"]
    assert data.X.shape == (len(starts), 3, 50) and data.X.nbytes == len(starts) * 3 * 50 * 8
    assert not any(data.dropped.values())


@pytest.mark.parametrize("step", [0.5, 0.2])
def test_windows_of_a_raw_are_the_epochs_of_mne(raw, step):
    epochs = mne.make_fixed_length_epochs(raw, 0.5, overlap=0.5 - step, reject_by_annotation=True, verbose=False)
    data = windows(raw, 0.5, step=step)
    expected = 1e6 * epochs.get_data(picks="eeg", verbose=False)
    np.testing.assert_allclose(data.X, expected, rtol=1e-9)
    np.testing.assert_allclose(data.X[np.array([5, 0, 5])], expected[[5, 0, 5]], rtol=1e-9)
    np.testing.assert_array_equal(np.round(data.onset * SFREQ), epochs.events[:, 0] - raw.first_samp)
    assert not raw.preload and data.dropped.bad > 0 and data.ch_names == ["C3", "Cz", "C4"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(data.X)), data.X)


def test_windows_around_events_are_the_epochs_of_mne(raw):
    events = np.array([[260, 0, 1], [400, 0, 2], [660, 0, 1], [700, 0, 2], [860, 0, 3], [1249, 0, 1]])
    epochs = mne.Epochs(raw, events, tmin=-0.2, tmax=0.29, baseline=None, preload=True, verbose=False)
    expected = 1e6 * epochs.get_data(picks="eeg", verbose=False)
    data = windows(raw, 0.5, events=events, tmin=-0.2)
    np.testing.assert_allclose(data.X, expected, rtol=1e-9)
    assert data.y.tolist() == epochs.events[:, 2].tolist() == [2, 3]
    assert data.dropped == {"bad": 2, "outside": 2}
    onsets = (events[:, 0] - raw.first_samp) / SFREQ
    named = windows(raw, 0.5, events=onsets, tmin=-0.2, y=list("abcdef"))
    np.testing.assert_array_equal(named.X, data.X)
    assert named.y.tolist() == ["b", "e"]


def test_annotations_that_last_are_filled(raw):
    data = windows(raw, 0.5, events="annotations")
    assert data.y.tolist() == ["left", "right", "left"] and data.onset.tolist() == [1.0, 6.0, 9.5]
    filled = windows(raw, 0.5, step=0.5, events="annotations")
    assert filled.y.tolist() == ["left"] * 4 + ["right"] * 2 + ["left"]
    np.testing.assert_allclose(filled.onset, [1, 1.5, 2, 2.5, 6, 6.5, 9.5])


def test_no_window_crosses_a_seam_a_gap_or_a_block(raw):
    joined = mne.concatenate_raws([raw.copy().load_data(verbose=False) for _ in range(2)], verbose=False)
    seam = joined.n_times / 2 / SFREQ
    onset = windows(joined, 0.7, step=0.1).onset
    assert not ((onset < seam - 1e-9) & (onset + 0.7 > seam + 1e-9)).any()
    holes = windows(RECORDING, 0.5, step=0.1, sfreq=SFREQ, bad=[(2.0, 3.0), (5.0, 5.0)])
    assert 1.5 in holes.onset and 1.6 not in holes.onset.round(9) and 3.0 in holes.onset.round(9)
    assert 4.5 in holes.onset and 5.0 in holes.onset and 4.8 not in holes.onset.round(9)
    pieces = windows([RECORDING, RECORDING[:, :450]], 0.7, sfreq=SFREQ, block=2.0, y=["a", "b"], subject=[7, 8])
    assert pieces.block.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    np.testing.assert_allclose(pieces.onset[-4:], [0, 0.7, 2, 2.7])
    assert pieces.y.tolist() == ["a"] * 10 + ["b"] * 4 and pieces.subject.tolist() == [7] * 10 + [8] * 4
    alone = windows(RECORDING, 0.7, sfreq=SFREQ, events=[0.2, 1.5, 1.2], block=2.0)
    assert alone.onset.tolist() == [0.2, 1.2] and alone.dropped == {"bad": 0, "outside": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step": 0.001}, "step is 0.001 s, less than one sample at 100 Hz"),
        ({"step": 0.0}, "step must be a finite number above 0"),
        ({"length": 11.0}, r"recording has 1000 samples \(10 s\), a window has 1100"),
        ({"sfreq": None}, "give sfreq in Hz"),
        ({"recording": RECORDING[0]}, r"must be \(n_channels, n_samples\)"),
        ({"recording": RECORDING[:, :0]}, r"must be \(n_channels, n_samples\)"),
        ({"recording": [RECORDING, RECORDING[:2]]}, "pick the same ones"),
        ({"recording": []}, "at least one recording"),
        ({"recording": [RECORDING, RECORDING], "y": "rest"}, "y must be a list with an entry for each of 2"),
        ({"events": [0.2, np.nan]}, "events contains NaN"),
        ({"events": [[3, 0]]}, "whole numbers"),
        ({"events": "annotations"}, "those of an mne.io.Raw"),
        ({"events": [0.2, 1.0], "y": ["a"]}, "has 2 events"),
        ({"events": [0.2], "step": 0.1}, "leave step out"),
        ({"events": [20.0]}, "No window is left: 0 touch what is bad, 1 are not inside"),
        ({"bad": [(2.0, 1.0)]}, "a later end"),
        ({"bad": [(0.0, 10.0)]}, "No window is left: 20 touch"),
        ({"block": 0.3}, "shorter than a window"),
    ],
)
def test_what_cannot_be_cut_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        windows(**{"recording": RECORDING, "length": 0.5, "sfreq": SFREQ, **settings})


def test_recordings_of_different_kinds_are_refused(raw):
    other = raw.copy().load_data(verbose=False).resample(50, verbose=False)
    with pytest.raises(ValueError, match="recording 0 was sampled at 100 Hz and recording 1 at 50 Hz: resample"):
        windows([raw, other], 0.5)
    with pytest.raises(ValueError, match="sampled at 100 Hz: leave sfreq out"):
        windows(raw, 0.5, sfreq=128.0)
    with pytest.raises(TypeError, match="from_epochs"):
        windows(mne.make_fixed_length_epochs(raw, 0.5, verbose=False), 0.5)
    with pytest.raises(TypeError, match="got str"):
        windows("recording.fif", 0.5)
    with pytest.raises(ValueError, match="recording: No channel holds brain signals"):
        windows(raw.copy().pick("eog"), 0.5)


def test_nan_is_refused_where_windows_are_used_and_a_marked_gap_is_not():
    recording = RECORDING.copy()
    recording[1, 333] = np.nan
    y = np.arange(20) % 2
    with pytest.raises(ValueError, match=r"contains NaN \(first in trial 6, position \(1, 33\)\)"):
        closed_classifier().fit(windows(recording, 0.5, sfreq=SFREQ).X, y)
    data = windows(recording, 0.5, sfreq=SFREQ, bad=[(3.3, 3.4)])
    assert len(data.X) == 19
    closed_classifier().fit(data.X, y[:19])


KEYS = [3, -1, np.int64(4), slice(2, 9, 2), slice(None, None, -1), slice(0, 0), (slice(None), 0), (2, 1),
        (slice(1, 4), slice(None), 3), (Ellipsis, 0), (slice(None), [0, 2]), (np.array([1, 5, 2]), slice(None), 3),
        None, (), np.array([[0, 1], [2, 3]])]  # fmt: skip
SELECTIONS = [np.array([3, 1, 1]), [0, 5], np.arange(12) % 2 == 0, np.array([], dtype=int), [4, 3, 2], [7]]


def lazy_kinds(tmp_path):
    starts = np.arange(0, 600, 50)
    full = cut(RECORDING, starts, 50)
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=full.shape)
    mapped[:] = full
    halves = [StoredRecording(RECORDING, 50), StoredRecording(RECORDING[:, 300:], 50)]
    several = LazyTrials(halves, np.concatenate([starts[:6], starts[6:] - 300]), np.repeat([0, 1], 6))
    whole = LazyTrials(halves[:1], starts), LazyTrials([StoredTrials(full)], np.arange(12))
    return full, [*whole, kept_lazy(mapped), several]


def test_lazy_trials_are_indexed_like_arrays(tmp_path):
    full, kinds = lazy_kinds(tmp_path)
    for X in kinds:
        for key in KEYS:
            np.testing.assert_array_equal(X[key], full[key], err_msg=str(key))
            assert not isinstance(X[key], LazyTrials)
        for key in SELECTIONS:
            assert isinstance(X[key], LazyTrials)
            np.testing.assert_array_equal(X[key], full[key], err_msg=str(key))
        np.testing.assert_array_equal(X - full[:1], full - full[:1])
        np.testing.assert_array_equal(full[:1] * X, full[:1] * full)
        assert np.isclose(X.mean(), full.mean()) and len(list(X)) == 12
        assert np.array(X, dtype=np.float32).dtype == np.float32
        with pytest.raises(IndexError):
            X[12]
        with pytest.raises(IndexError):
            X[[3, 12]]
        assert not hasattr(X, "iloc")


def test_whole_numbers_become_floats_by_block(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.int16, "w+", shape=(6, 2, 10))
    mapped[:] = np.arange(120).reshape(6, 2, 10)
    X = kept_lazy(mapped)
    assert X.dtype == X[:2].dtype == np.float64 and np.array_equal(X, mapped)
    assert kept_lazy(np.asarray(mapped).copy()).__class__ is np.ndarray  # in memory: nothing to spare


def test_pickles_hold_the_recording_once():
    X = windows(RECORDING, 0.5, step=0.01, sfreq=SFREQ).X
    assert len(pickle.dumps(X)) < 1.5 * RECORDING.nbytes < X.nbytes / 20
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(X)), X)


def test_searches_and_folds_take_windows_as_arrays():
    data = windows(RECORDING, 0.32, step=0.16, sfreq=SFREQ, block=1.0)
    y = np.arange(len(data.X)) % 2
    power = make_pipeline(FunctionTransformer(lambda X: np.log(np.asarray(X).var(axis=-1))), LogisticRegression())
    for model, grid in ((closed_classifier(), {"num_filters": [1, 2]}), (power, {"logisticregression__C": [0.1, 1.0]})):
        found = [
            GridSearchCV(model, grid, cv=GroupKFold(3)).fit(X, y, groups=data.block).cv_results_["mean_test_score"]
            for X in (data.X, np.array(data.X))
        ]
        np.testing.assert_array_equal(*found)
        assert cross_val_score(model, data.X, y, cv=3).shape == (3,)
