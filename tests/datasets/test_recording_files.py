"""Trials cut from recordings of every format: what was written comes back, around the events, in microvolts."""

import struct

import mne
import numpy as np
import pytest
from scipy.io import savemat

from eegexplain.datasets import load_trials, read_trials

SFREQ, N_TIMES = 100.0, 2000
NAMES = ["C3", "Cz", "C4", "EOG1"]
ONSETS = np.arange(100, 1900, 300)  # samples: every three seconds
WORDS = ["left", "right"] * 3
STEP = 0.1  # microvolts per integer of the files
COUNTS = np.random.default_rng(0).integers(-500, 500, (4, N_TIMES)).astype(np.int16)
CUT = {"tmin": -0.5, "tmax": 1.0}


def raw(stim=False, words=WORDS):
    info = mne.create_info(NAMES, SFREQ, ["eeg"] * 3 + ["eog"])
    made = mne.io.RawArray(1e-6 * STEP * COUNTS, info, verbose="error")
    if stim:
        codes = np.zeros((1, N_TIMES))
        for onset, word in zip(ONSETS, words, strict=True):
            codes[0, onset : onset + 5] = 1 if word == "left" else 2
        trigger = mne.io.RawArray(codes, mne.create_info(["STI"], SFREQ, "stim"), verbose="error")
        return made.add_channels([trigger])
    return made.set_annotations(mne.Annotations(ONSETS / SFREQ, 0.0, words))


def write_fif(folder):
    raw().save(folder / "eeg_raw.fif", verbose="error")
    return folder / "eeg_raw.fif"


def write_fif_with_triggers(folder):
    raw(stim=True).save(folder / "eeg.fif", verbose="error")
    return folder / "eeg.fif"


def write_brainvision(folder):
    """A header of text, a list of markers and samples in turns."""
    channels = "\n".join(f"Ch{k + 1}={name},,{STEP},µV" for k, name in enumerate(NAMES))
    markers = "\n".join(
        f"Mk{k + 2}=Comment,{word},{at + 1},1,0" for k, (at, word) in enumerate(zip(ONSETS, WORDS, strict=True))
    )
    (folder / "rec.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=rec.eeg\n"
        f"MarkerFile=rec.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels={len(NAMES)}\n"
        f"SamplingInterval={1e6 / SFREQ:g}\n[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\n{channels}\n",
        encoding="utf-8",
    )
    (folder / "rec.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=rec.eeg\n"
        f"[Marker Infos]\nMk1=New Segment,,1,1,0,20200101000000000000\n{markers}\n",
        encoding="utf-8",
    )
    (folder / "rec.eeg").write_bytes(COUNTS.T.astype("<i2").tobytes())
    return folder / "rec.vhdr"


def fields(width, *values):
    """Fields of ASCII, filled with blanks."""
    return b"".join(str(value).ljust(width)[:width].encode() for value in values)


def head(version, reserved, labels, lows, highs, digital_lows, digital_highs, n_records, per_record):
    """Header of an EDF or BDF file, of records of one second."""
    n = len(labels)
    return b"".join((
        version, fields(80, "X X X X", "Startdate 01-JAN-2020 X X X"), fields(8, "01.01.20", "00.00.00"),
        fields(8, 256 * (n + 1)), fields(44, reserved), fields(8, n_records, 1), fields(4, n), fields(16, *labels),
        fields(80, *[""] * n), fields(8, *["uV"] * n), fields(8, *lows), fields(8, *highs), fields(8, *digital_lows),
        fields(8, *digital_highs), fields(80, *[""] * n), fields(8, *per_record), fields(32, *[""] * n),
    ))  # fmt: skip


def write_edf(folder):
    """EDF+, whose last signal holds annotations."""
    n_records, width = int(N_TIMES / SFREQ), 30
    low, high = -32768 * STEP, 32767 * STEP
    records = []
    for second in range(n_records):
        samples = COUNTS[:, int(second * SFREQ) : int((second + 1) * SFREQ)].astype("<i2").tobytes()
        told = f"+{second}\x14\x14\x00"
        for at, word in zip(ONSETS / SFREQ, WORDS, strict=True):
            told += f"+{at:g}\x14{word}\x14\x00" if second <= at < second + 1 else ""
        records.append(samples + told.encode().ljust(2 * width, b"\0"))
    labels = ["EEG C3", "EEG Cz", "EEG C4", "EOG 1", "EDF Annotations"]
    header = head(b"0       ", "EDF+C", labels, [*[f"{low:.1f}"] * 4, -1], [*[f"{high:.1f}"] * 4, 1],
                  [-32768] * 5, [32767] * 5, n_records, [int(SFREQ)] * 4 + [width])  # fmt: skip
    (folder / "eeg.edf").write_bytes(header + b"".join(records))
    return folder / "eeg.edf"


def write_bdf(folder):
    """BDF, whose last signal is the status channel with its triggers; three bytes a sample."""
    status = np.zeros((1, N_TIMES), int)
    for onset, word in zip(ONSETS, WORDS, strict=True):
        status[0, onset : onset + 5] = 1 if word == "left" else 2
    per_record = int(SFREQ)
    samples = np.concatenate([COUNTS.astype(int), status]).reshape(5, -1, per_record).transpose(1, 0, 2)
    packed = samples.astype("<i4").reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    most = 100_000  # 10 mV
    largest = np.array([STEP * most] * 4 + [most])
    header = head(b"\xffBIOSEMI", "24BIT", [*NAMES, "Status"], -largest, largest, [-most] * 5, [most] * 5,
                  N_TIMES // per_record, [per_record] * 5)  # fmt: skip
    (folder / "eeg.bdf").write_bytes(header + packed)
    return folder / "eeg.bdf"


def write_eeglab(folder):
    """EEG as EEGLAB stores it, samples in the file, with places of electrodes."""
    fields_of_places = [("labels", object), *((axis, float) for axis in "XYZ")]
    places = np.array([(name, 50.0 + k, 10.0, 20.0) for k, name in enumerate(NAMES)], dtype=fields_of_places)
    marks = [(word, at + 1.0, 0.0) for at, word in zip(ONSETS, WORDS, strict=True)]
    events = np.array(marks, dtype=[("type", object), ("latency", float), ("duration", float)])
    eeg = {"setname": "eeg", "nbchan": 4, "trials": 1, "pnts": N_TIMES, "srate": SFREQ, "xmin": 0.0,
           "xmax": (N_TIMES - 1) / SFREQ, "data": (STEP * COUNTS).astype(np.float32), "chanlocs": places,
           "event": events, "epoch": [], "ref": "common"}  # fmt: skip
    savemat(folder / "eeg.set", {"EEG": eeg}, appendmat=False)
    return folder / "eeg.set"


def write_gdf(folder):
    """GDF 1.25: types of samples in the header, events in a table at the end."""
    n, n_records = 4, int(N_TIMES / SFREQ)
    low, high = [-32768 * STEP] * n, [32767 * STEP] * n
    header = b"".join((
        b"GDF 1.25", fields(80, "X", "X"), fields(16, "2020010100000000"), struct.pack("<q", 256 * (n + 1)),
        struct.pack("<QQQ", 0, 0, 0), fields(20, ""), struct.pack("<q", n_records), struct.pack("<II", 1, 1),
        struct.pack("<I", n), fields(16, *NAMES), fields(80, *[""] * n), fields(8, *["uV"] * n),
        struct.pack(f"<{n}d", *low), struct.pack(f"<{n}d", *high), struct.pack(f"<{n}q", *[-32768] * n),
        struct.pack(f"<{n}q", *[32767] * n), fields(80, *[""] * n), struct.pack(f"<{n}i", *[int(SFREQ)] * n),
        struct.pack(f"<{n}i", *[3] * n), fields(32, *[""] * n),
    ))  # fmt: skip
    samples = COUNTS.reshape(n, n_records, -1).transpose(1, 0, 2).astype("<i2").tobytes()
    codes = [769 if word == "left" else 770 for word in WORDS]
    table = struct.pack("<B", 1) + struct.pack("<I", int(SFREQ))[:3] + struct.pack("<I", len(codes))
    table += struct.pack(f"<{len(codes)}I", *(ONSETS + 1)) + struct.pack(f"<{len(codes)}H", *codes)
    (folder / "eeg.gdf").write_bytes(header + samples + table)
    return folder / "eeg.gdf"


def expected(tmin=-0.5, tmax=1.0):
    """As MNE cuts it."""
    events = np.column_stack([ONSETS, np.zeros(6, int), [1, 2] * 3])
    settings = {"baseline": None, "preload": True, "verbose": "error"}
    return 1e6 * mne.Epochs(raw(), events, tmin=tmin, tmax=tmax, picks=["C3", "Cz", "C4"], **settings).get_data()


WRITERS = {
    write_fif: {},
    write_fif_with_triggers: {"event_id": {"left": 1, "right": 2}},
    write_brainvision: {"event_id": {"left": "Comment/left", "right": "Comment/right"}},
    write_edf: {},
    write_bdf: {"event_id": {"left": 1, "right": 2}},
    write_eeglab: {},
    write_gdf: {"event_id": {"left": 769, "right": 770}},
}


@pytest.mark.parametrize("write", WRITERS)
def test_what_was_written_comes_back(write, tmp_path):
    found = load_trials(write(tmp_path), **CUT, **WRITERS[write])
    np.testing.assert_allclose(found.X, expected(), atol=0.01 * STEP)
    assert found.y.tolist() == WORDS and found.sfreq == SFREQ and found.classes.tolist() == ["left", "right"]
    assert found.ch_names == ["C3", "Cz", "C4"] and "EOG" in found.notes[0] or "1 (eog)" in found.notes[0]
    np.testing.assert_allclose(found.onset, (ONSETS - 50) / SFREQ)
    assert found.info["ch_names"] == found.ch_names and found.subject is None


def test_positions_of_the_file_are_kept(tmp_path):
    found = read_trials(load_trials(write_eeglab(tmp_path), **CUT))
    assert list(found.positions) == ["C3", "Cz", "C4"]
    written = mne.io.read_raw_eeglab(tmp_path / "eeg.set", verbose="error").info
    for name, place in found.positions.items():
        np.testing.assert_array_equal(place, written["chs"][NAMES.index(name)]["loc"][:3])


def test_several_recordings_are_trials_of_one_set(tmp_path):
    (tmp_path / "a").mkdir()
    files = [write_fif(tmp_path), write_brainvision(tmp_path / "a")]
    names = ["left", "right", "Comment/left", "Comment/right"]
    with pytest.raises(
        ValueError, match=r"eeg_raw\.fif: event_id asks for Comment/left, Comment/right, the events are: l"
    ):
        load_trials(files, **CUT, event_id=names)
    other = load_trials([files[0], write_edf(tmp_path)], **CUT, event_id=["right"])
    assert other.recording.tolist() == [0] * 3 + [1] * 3 and set(other.y) == {"right"}
    np.testing.assert_allclose(other.X[:3], other.X[3:], atol=0.01 * STEP)
    assert explained_groups(other) == [0, 1]


def explained_groups(found):
    return np.unique(read_trials(found, groups="recording").groups).tolist()


def test_events_that_are_given(tmp_path):
    file = write_fif_with_triggers(tmp_path)
    marked = np.column_stack([ONSETS[:3], np.zeros(3, int), [7, 8, 7]])
    found = load_trials(file, events=marked, **CUT)
    assert found.y.tolist() == ["7", "8", "7"]
    np.testing.assert_allclose(found.X, expected()[:3], atol=0.01 * STEP)
    by_name = load_trials(file, events="STI", **CUT)
    assert by_name.y.tolist() == ["1", "2"] * 3


def test_what_is_bad_or_outside_gives_no_trial(tmp_path):
    made = raw()
    made.annotations.append([1.2, 10.0, 19.9], [0.1, 0.0, 0.0], ["BAD blink", "boundary", "left"])
    made.save(tmp_path / "eeg_raw.fif", verbose="error")
    with pytest.warns(UserWarning, match="3 of 7 events gave no trial: 2 touch what is marked as bad, 1 reach beyond"):
        found = load_trials(tmp_path / "eeg_raw.fif", **CUT)
    assert found.onset.tolist() == [3.5, 6.5, 12.5, 15.5] and dict(found.dropped) == {"bad": 2, "outside": 1}


def test_trials_that_share_samples_are_told(tmp_path):
    with pytest.warns(UserWarning, match="5 of 6 trials share samples with the one before.*tmax"):
        found = load_trials(write_fif(tmp_path), tmin=0.0, tmax=3.0)
    assert found.X.shape == (6, 3, 301)
    assert load_trials(write_fif_with_triggers(tmp_path), tmin=0.0, tmax=2.99).X.shape[-1] == 300  # end to end


def two_at_one_sample(folder):
    raw(words=WORDS).save(folder / "eeg_raw.fif", verbose="error")
    made = mne.io.read_raw_fif(folder / "eeg_raw.fif", verbose="error")
    made.annotations.append([1.0], [0.0], ["cue"])
    made.save(folder / "two_raw.fif", verbose="error")
    return folder / "two_raw.fif"


def without_samples(folder):
    write_brainvision(folder)
    (folder / "rec.eeg").unlink()
    return folder / "rec.vhdr"


def without_events(folder):
    raw(words=WORDS).set_annotations(None).save(folder / "none_raw.fif", verbose="error")
    return folder / "none_raw.fif"


def no_brain(folder):
    raw().set_channel_types(dict.fromkeys(NAMES[:3], "misc"), verbose="error").save(
        folder / "a_raw.fif", verbose="error"
    )
    return folder / "a_raw.fif"


@pytest.mark.parametrize(
    ("write", "settings", "message"),
    [
        (write_fif, {}, r"eeg_raw\.fif is a continuous recording: say where trials end, tmax="),
        (write_fif, {"tmin": 1.0, "tmax": 0.5}, "they end before"),
        (without_events, CUT, r"none_raw\.fif: it has no events, neither annotations nor a trigger channel"),
        (write_fif, {**CUT, "events": "STI"}, "neither 'annotations' nor a channel"),
        (write_fif, {**CUT, "events": [1.0, 2.0]}, "events in seconds have no labels"),
        (write_edf, {**CUT, "event_id": ["lft"]}, r"asks for lft, the events are: left \(3\), right \(3\).*'left'"),
        (two_at_one_sample, CUT, r"'left' and 'cue' are at one sample \(1 such pairs\): choose with event_id"),
        (without_samples, CUT, r"rec\.vhdr cannot be read as a recording .*rec\.eeg"),
        (no_brain, CUT, "No channel holds brain signals"),
        (write_fif, {"tmin": 0.0, "tmax": 60.0}, r"recording 0 has 2000 samples \(20 s\), a window has 6001"),
        (write_fif, {**CUT, "max_bytes": 2000}, "more than the limit of 2e"),
    ],
)  # fmt: skip
def test_errors_name_the_file_and_the_cure(write, settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_trials(write(tmp_path), **settings)


def test_epochs_are_cut_already(tmp_path):
    mne.Epochs(raw(), tmin=0.0, tmax=1.0, baseline=None, verbose="error").save(tmp_path / "e-epo.fif", verbose="error")
    assert load_trials(tmp_path / "e-epo.fif").X.shape == (6, 3, 101)
    with pytest.raises(ValueError, match=r"e-epo\.fif holds epochs, which are cut already: leave events"):
        load_trials(tmp_path / "e-epo.fif", tmax=0.5)
    with pytest.raises(FileNotFoundError, match=r"egg\.edf\.* Did you mean 'eeg\.edf'"):
        load_trials(write_edf(tmp_path).with_name("egg.edf"), **CUT)


def test_tables_of_bids_without_their_reader(tmp_path, monkeypatch):
    file = write_brainvision(tmp_path).rename(tmp_path / "sub-01_task-x_eeg.vhdr")
    assert load_trials(file, **CUT).subject.tolist() == ["01"] * 6
    (tmp_path / "sub-01_task-x_events.tsv").write_text("onset\tduration\ttrial_type\n1.0\t0\tleft\n")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="sub-01_task-x_eeg.*pip install mne-bids"):
        load_trials(file, **CUT)


@pytest.mark.braindecode
@pytest.mark.filterwarnings("ignore")
def test_a_bids_data_set(tmp_path):
    mne_bids = pytest.importorskip("mne_bids")
    paths = []
    for subject in ("01", "02"):
        made = mne.io.read_raw_brainvision(write_brainvision(tmp_path), eog=["EOG1"], verbose="error")
        made.info["line_freq"] = 50
        made.info["bads"] = ["Cz"]
        paths.append(mne_bids.BIDSPath(subject=subject, task="x", root=tmp_path / "bids", datatype="eeg"))
        mne_bids.write_raw_bids(made, paths[-1], verbose="error")
    names = {"left": "Comment/left", "right": "Comment/right"}
    for given in (paths, tmp_path / "bids"):
        found = load_trials(given, **CUT, event_id=names)
        assert found.ch_names == ["C3", "C4"] and found.y.tolist() == WORDS * 2
        assert found.subject.tolist() == ["01"] * 6 + ["02"] * 6
        np.testing.assert_allclose(found.X[:6], expected()[:, [0, 2]], atol=0.01 * STEP)
