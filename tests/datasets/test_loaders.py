"""Loaders: what was written comes back, and every damaged file is named."""

import gzip
import pathlib
import tarfile
import zipfile

import mne
import numpy as np
import pandas as pd
import pytest

from eegexplain.datasets import fetch_uci_eeg, from_epochs, load_trials, load_uci_eeg
from eegexplain.datasets.uci import read_uci_trial

CHANNELS = ["C3", "Cz", "C4"]


def archive(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {"X": rng.standard_normal((6, 3, 20)).astype(np.float16), "y": np.arange(6) % 2, "ch_names": CHANNELS,
              "sfreq": 100.0, "subject": np.array(list("aabbcc")), "condition": np.arange(6)} | changes  # fmt: skip
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return arrays


def make_epochs(n=6, metadata=None, types="eeg"):
    info = mne.create_info([*CHANNELS, "EOG"], 100.0, [types] * 3 + ["eog"])
    data = 1e-6 * np.random.default_rng(1).standard_normal((n, 4, 50))
    events = np.column_stack([np.arange(n) * 60, np.zeros(n, int), np.arange(n) % 2 + 1])
    return mne.EpochsArray(data, info, events, event_id={"left": 1, "right": 2}, metadata=metadata, verbose=False)


def uci_text(subject="co2a0000364", trial=7, names=("FP1", "OZ"), n=5, seed=0):
    values = np.random.default_rng(seed).normal(0, 10, (len(names), n)).round(3)
    lines = [f"# {subject}.rd", "# 120 trials, 64 chans, 416 samples 368 post_stim samples", "# 3.906000 msecs uV",
             f"# S2 nomatch, trial {trial}"]  # fmt: skip
    for c, name in enumerate(names):
        lines += [f"# {name} chan {c}", *(f"{trial} {name} {t} {values[c, t]:.3f}" for t in range(n))]
    return "\n".join(lines) + "\n", values


def test_npz_comes_back(tmp_path):
    arrays = archive(tmp_path / "eeg.npz")
    data = load_trials(tmp_path / "eeg.npz")
    np.testing.assert_array_equal(data.X, arrays["X"].astype(np.float32))
    assert data.X.dtype == np.float32 and data.ch_names == CHANNELS and data.sfreq == 100.0
    np.testing.assert_array_equal(data.subject, arrays["subject"])
    np.testing.assert_array_equal(data.condition, arrays["condition"])
    assert data.classes.tolist() == [0, 1]
    archive(tmp_path / "alone.npz", subject=None)
    assert load_trials(str(tmp_path / "alone.npz")).subject is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": None}, "lacks y"),
        ({"X": np.ones((6, 60))}, "X must be real numbers"),
        ({"X": np.ones((6, 3, 20), complex)}, "X must be real numbers"),
        ({"y": np.zeros(5)}, r"y has shape \(5,\)"),
        ({"ch_names": ["a", "b"]}, "2 names"),
        ({"ch_names": ["a", "b", "b"]}, "unique"),
        ({"sfreq": 0.0}, "sfreq"),
        ({"sfreq": [1.0, 2.0]}, "one number"),
        ({"subject": np.zeros(4)}, "subject has shape"),
        ({"X": np.full((6, 3, 20), np.nan)}, "trial 0 holds NaN"),
        ({"ch_names": np.array(CHANNELS, dtype=object)}, "not a readable"),
    ],
)
def test_bad_npz_is_named(tmp_path, changes, message):
    archive(tmp_path / "eeg.npz", **changes)
    with pytest.raises(ValueError, match=message) as caught:
        load_trials(tmp_path / "eeg.npz")
    assert "eeg.npz" in str(caught.value)


def test_truncated_foreign_and_missing_files_are_named(tmp_path):
    archive(tmp_path / "eeg.npz")
    whole = (tmp_path / "eeg.npz").read_bytes()
    for name, content in [("cut.npz", whole[:-300]), ("foreign.npz", b"hello"), ("empty.npz", b""),
                          ("cut-epo.fif", b"\0\0\0d" * 3), ("cut.set", b"MATLAB 5.0")]:  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name):
            load_trials(tmp_path / name)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    (tmp_path / "bits.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"bits\.npz"):
        load_trials(tmp_path / "bits.npz")
    with pytest.raises(FileNotFoundError, match=r"egg\.npz.*Did you mean 'eeg\.npz'"):
        load_trials(tmp_path / "egg.npz")
    (tmp_path / "eeg.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"\.npz, -epo\.fif, \.set"):
        load_trials(tmp_path / "eeg.csv")


def test_epochs_come_back_in_microvolts_without_bad_and_other_channels(tmp_path):
    epochs = make_epochs(metadata=pd.DataFrame({"subject": list("aabbcc")}))
    epochs.info["bads"] = ["Cz"]
    data = from_epochs(epochs)
    np.testing.assert_allclose(data.X, 1e6 * epochs.get_data(picks=["C3", "C4"]))
    assert data.y.tolist() == ["left", "right"] * 3 and data.ch_names == ["C3", "C4"]
    assert data.info.ch_names == ["C3", "C4"] and "".join(data.subject) == "aabbcc"
    make_epochs().save(tmp_path / "s-epo.fif", verbose=False)
    loaded = load_trials(tmp_path / "s-epo.fif")
    np.testing.assert_allclose(loaded.X, 1e6 * make_epochs().get_data(picks=CHANNELS), rtol=1e-6)
    assert loaded.subject is None and loaded.sfreq == 100.0


def test_bad_epochs():
    with pytest.raises(TypeError, match="Raw"):
        from_epochs(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="set_channel_types"):
        from_epochs(make_epochs(types="misc"))
    broken = make_epochs()
    broken._data[3, 1, 5] = np.nan
    with pytest.raises(ValueError, match="trial 3 holds NaN"):
        from_epochs(broken)


def test_uci_text_comes_back(tmp_path):
    text, values = uci_text()
    (tmp_path / "co2a0000364.rd.007").write_text(text)
    trial = read_uci_trial(tmp_path / "co2a0000364.rd.007")
    np.testing.assert_array_equal(trial.X, values)
    assert (trial.y, trial.subject, trial.condition, trial.trial) == (1, "co2a0000364", "S2 nomatch", 7)
    assert trial.sfreq == 256.0 and trial.ch_names == ["FP1", "OZ"]
    text, _ = uci_text("co2c0000337")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "co2c0000337.rd.007.gz").write_bytes(gzip.compress(text.encode()))
    data = load_trials(tmp_path)
    assert data.X.shape == (2, 2, 5) and data.y.tolist() == [1, 0] and data.flat == []
    assert load_uci_eeg([tmp_path / "co2a0000364.rd.007"]).X.shape == (1, 2, 5)


def damage(line, new):
    def change(text):
        lines = text.splitlines()
        lines[line - 1 : line] = new
        return "\n".join(lines) + "\n"

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-40], "truncated"),
        (lambda text: text[:-3], "line 16: the last line has no end"),
        (lambda text: "\n".join(text.splitlines()[:-2]) + "\n", "truncated or damaged"),
        (damage(7, ["7 FP1 1 nan"]), "line 7: expected"),
        (damage(7, ["7 FP1 1"]), "line 7: expected"),
        (damage(7, ["7 FP1 1 8,5"]), "line 7: expected"),
        (damage(7, ["8 FP1 1 8.5"]), "line 7: .*out of order"),
        (damage(7, ["7 FP2 1 8.5"]), "line 7: .*out of order"),
        (damage(7, []), "truncated or damaged"),
        (damage(1, ["# co2c0000001.rd"]), "line 1: the file holds subject co2c0000001, but its name says co2a0000364"),
        (damage(1, ["# something"]), "lacks a subject"),
        (damage(3, ["# no period"]), "lacks a sampling period"),
        (damage(4, ["# no condition"]), "lacks a condition"),
        (lambda text: "", "is empty"),
        (lambda text: "Trials: é\n", "is not a text file"),
    ],
)
def test_damaged_uci_text_is_named(tmp_path, change, message):
    file = tmp_path / "co2a0000364.rd.007"
    file.write_bytes(change(uci_text()[0]).encode("utf-8"))
    with pytest.raises(ValueError, match=message) as caught:
        load_uci_eeg(tmp_path)
    assert str(file) in str(caught.value)


def test_flat_channels_are_reported_and_strangers_refused(tmp_path):
    text, _ = uci_text()
    flat = "\n".join(line.rsplit(" ", 1)[0] + " 1.0" if " OZ " in line and line[0] != "#" else line
                     for line in text.splitlines())  # fmt: skip
    (tmp_path / "co2a0000364.rd.007").write_text(flat + "\n")
    with pytest.warns(UserWarning, match=r"1 trial-channels are flat: co2a0000364\.rd\.007 OZ"):
        assert load_uci_eeg(tmp_path).flat == ["co2a0000364.rd.007 OZ"]
    (tmp_path / "co2a0000364.rd.008").write_text(uci_text(n=6)[0])
    with pytest.raises(ValueError, match=r"rd\.008 has other channels, another length"):
        load_uci_eeg(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"No \.rd"):
        load_uci_eeg(tmp_path / "none")
    (tmp_path / "co2a0000364.rd.009.gz").write_bytes(b"not gzip")
    with pytest.raises(ValueError, match=r"rd\.009\.gz is damaged"):
        read_uci_trial(tmp_path / "co2a0000364.rd.009.gz")


def test_download_is_unpacked_once_and_held_to_its_checksum(tmp_path, monkeypatch):
    for name in ("co2a0000364", "co2c0000337"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.rd.007").write_text(uci_text(name)[0])
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / name, name)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for name in ("co2a0000364", "co2c0000337"):
            packed.write(tmp_path / f"{name}.tar.gz", f"inside/{name}.tar.gz")
    home = tmp_path / "home"
    home.mkdir()
    (home / "uci_eeg.zip").write_bytes((tmp_path / "all.zip").read_bytes())
    monkeypatch.setattr("pooch.core.stream_download", lambda *args, **kwargs: pytest.fail("no network in tests"))
    assert fetch_uci_eeg(home, known_hash=None).y.tolist() == [1, 0]
    assert (home / "uci_eeg.zip.sha256").read_text().startswith("sha256:")
    assert fetch_uci_eeg(home).X.shape == (2, 2, 5)


def test_raw_files_equal_the_packed_data(real_data):
    raw = load_trials(pathlib.Path(real_data) / "uci_eeg_raw")
    packed = load_trials(pathlib.Path(real_data) / "uci_eeg_train.npz")
    assert raw.X.shape == (8, 64, 256) and raw.ch_names == packed.ch_names and packed.X.shape == (600, 64, 256)
    for i in range(len(raw.y)):
        same = np.flatnonzero((packed.subject == raw.subject[i]) & (packed.trial == raw.trial[i]))
        for j in same:
            np.testing.assert_allclose(raw.X[i], packed.X[j], atol=0.2)
            assert raw.y[i] == packed.y[j]
    assert len(np.unique(packed.subject)) == 20


def test_classes_in_bytes_become_strings(tmp_path):
    y = np.array([b"left", b"right"])
    np.savez(tmp_path / "eeg.npz", X=np.eye(6).reshape(2, 3, 6), y=y, ch_names=["C3", "Cz", "C4"], sfreq=100.0)
    assert load_trials(tmp_path / "eeg.npz").y.tolist() == ["left", "right"]


def test_every_column_and_the_passband_of_epochs_come_along():
    columns = {"recording": list("aabbcc"), "age": [1.5, None] * 3, "X": range(6), "sfreq": range(6)}
    epochs = make_epochs(metadata=pd.DataFrame(columns))
    with epochs.info._unlock():
        epochs.info.update(highpass=8.0, lowpass=30.0)
    data = from_epochs(epochs)
    assert data.recording.tolist() == list("aabbcc") and data.subject is None and data.age.shape == (6,)
    assert data.X.ndim == 3 and isinstance(data.sfreq, float)
    assert (data.highpass, data.lowpass) == (8.0, 30.0)
    plain = from_epochs(make_epochs())
    assert plain.highpass is None and plain.lowpass is None, "MNE writes 0 and Nyquist where nothing was filtered"


def test_the_passband_of_an_archive(tmp_path):
    arrays = {"X": np.random.default_rng(0).standard_normal((4, 2, 8)), "y": [0, 1, 0, 1], "ch_names": ["C3", "C4"]}
    np.savez(tmp_path / "a.npz", **arrays, sfreq=100.0, highpass=8, lowpass=50.0)
    data = load_trials(tmp_path / "a.npz")
    assert data.highpass == 8.0 and data.lowpass is None
    np.savez(tmp_path / "b.npz", **arrays, sfreq=100.0, lowpass=np.nan)
    with pytest.raises(ValueError, match="b.npz: lowpass must be one number in Hz"):
        load_trials(tmp_path / "b.npz")
