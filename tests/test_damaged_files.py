"""No damaged file raises anything but a ValueError that names it, takes much memory, or never ends."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from eegexplain import _reading
from eegexplain._io import load_explanation
from eegexplain._reading import check_seal, check_unpacked, read_npz, reading, seal
from eegexplain.datasets import fetch_uci_eeg, load_trials

from . import damage

ROOT = pathlib.Path(__file__).resolve().parents[1]


def judge(folder, n_files):
    """Try files in a process that may not take much memory, with warnings as errors."""
    pytest.importorskip("resource")
    command = [sys.executable, "-W", "error", "-m", "tests.damage", str(folder), str(n_files)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == 0, process.stderr[-2000:]
    found = json.loads(process.stdout)
    assert found["examples"] == {}
    assert found["megabytes"] < 200
    return found


def test_some_damaged_files(tmp_path):
    found = judge(tmp_path, 0)
    assert found["n_files"] > 250
    assert {key.split()[1] for key in found["counts"]} == {
        ".npz",
        "-epo.fif",
        "-epo.fif.gz",
        ".rd",
        ".rd.gz",
        ".set",
        "explanation.nc",
        "explanation.npz",
    }


@pytest.mark.slow
def test_many_damaged_files(tmp_path):
    assert judge(tmp_path, 2000)["n_files"] >= 2000


@pytest.mark.parametrize("ending", [".nc", ".npz"])
def test_no_byte_of_an_explanation_changes_unnoticed(tmp_path, ending):
    whole = damage.explanation(tmp_path, ending)
    path, good = tmp_path / f"changed{ending}", load_explanation(tmp_path / f"whole{ending}")
    for at in np.random.default_rng(0).permutation(len(whole))[:150]:
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        try:
            found = load_explanation(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:  # only the words around the checksum were hit: nothing is compared, and nothing else has changed
            assert at >= len(whole) - _reading._SEAL_BYTES and found.identical(good)


@pytest.mark.parametrize("ending", [".nc", ".npz"])
def test_files_of_others_have_no_checksum_and_are_read(tmp_path, ending):
    import xarray as xr

    whole = damage.explanation(tmp_path, ending)
    (tmp_path / f"plain{ending}").write_bytes(whole[: -_reading._SEAL_BYTES])
    if ending == ".nc":
        found = load_explanation(tmp_path / "plain.nc")
        assert found.identical(load_explanation(tmp_path / "whole.nc"))
        assert xr.load_dataset(tmp_path / "whole.nc").identical(found), "others read ours"
    else:
        with np.load(tmp_path / "whole.npz") as archive:
            assert {"header", "v/value"} <= set(archive)


def test_seals(tmp_path):
    path = tmp_path / "x"
    for content in (b"", b"x", bytes(3 * 2**20 + 1)):
        path.write_bytes(content)
        check_seal(path)
        seal(path)
        check_seal(path)
        assert path.read_bytes().startswith(content) and len(path.read_bytes()) == len(content) + _reading._SEAL_BYTES
    with open(path, "r+b") as file:
        file.seek(2**20)
        file.write(b"x")
    with pytest.raises(ValueError, match="checksum"):
        check_seal(path)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        IndexError(),
        RecursionError(),
        MemoryError(),
        ZeroDivisionError(),
        OverflowError("big"),
        OSError(5, "I/O"),
        UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"),
        AssertionError(),
        NotImplementedError(),
    ],
)
def test_the_door_names_the_file_whatever_happens(error):
    with pytest.raises(ValueError, match=r"^eeg\.npz is damaged \(.+\)$") as caught, reading("eeg.npz", "is damaged"):
        raise error
    assert caught.value.__cause__ is error


def test_the_door_lets_pass_what_is_no_damage(tmp_path):
    for error in (KeyboardInterrupt, SystemExit):
        with pytest.raises(error), reading("eeg.npz", "is damaged"):
            raise error
    with pytest.raises(FileNotFoundError), reading(tmp_path / "x", "is damaged"):
        open(tmp_path / "x")
    with pytest.raises(ValueError, match=r"^eeg\.npz, line 3: no$"), reading("eeg.npz", "is damaged"):
        raise ValueError("eeg.npz, line 3: no")


def test_limits(tmp_path):
    check_unpacked(2**26, 1, 2**30)
    check_unpacked(2**29, 2**29 // 100 + 1, 2**30)
    with pytest.raises(ValueError, match="100 times"):
        check_unpacked(2**26 + 1, 1, 2**30)
    with pytest.raises(ValueError, match="limit"):
        check_unpacked(2**30 + 1, 2**30, 2**30)
    (tmp_path / "eeg.npz").write_bytes(damage.npz())
    assert load_trials(tmp_path / "eeg.npz", max_bytes=10_000).X.shape == (6, 3, 20)
    with pytest.raises(ValueError, match=r"eeg\.npz .*more than the limit of 1e\+03"):
        load_trials(tmp_path / "eeg.npz", max_bytes=1000)
    with pytest.raises(ValueError, match="holds 2944 bytes|declares"):
        read_npz(save(tmp_path, X=(damage.describe((6, 3, 21)), bytes(2880))), list)


def save(folder, **changes):
    (folder / "changed.npz").write_bytes(damage.npz(**changes))
    return folder / "changed.npz"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (damage.uci(value="1e39"), "no EEG in any unit"),
        (damage.uci(period="99999999"), "sampling period is 1e"),
        (damage.uci(period="0"), "sampling period is 0 msecs"),
        (damage.uci(period="2500"), "sfreq"),
        (b"\n" * (2**23 + 1), "limit of 8.39e"),
    ],
)
def test_trials_of_the_database_pass_the_same_checks(tmp_path, content, message):
    (tmp_path / "co2a0000364.rd.007").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load_trials(tmp_path)
    assert "co2a0000364.rd.007" in str(caught.value)


def test_a_damaged_download_is_named_and_not_vouched_for(tmp_path, monkeypatch):
    monkeypatch.setattr("pooch.core.stream_download", lambda *args, **kwargs: pytest.fail("no network in tests"))
    for content in (b"no archive", b"PK\5\6" + bytes(10)):
        (tmp_path / "uci_eeg.zip").write_bytes(content)
        with pytest.raises(ValueError, match=r"uci_eeg\.zip is no archive.*delete it"):
            fetch_uci_eeg(tmp_path)
        assert not (tmp_path / "uci_eeg.zip.sha256").exists() and not (tmp_path / "uci_eeg").exists()
    (tmp_path / "uci_eeg.zip.sha256").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"sha256 holds no checksum"):
        fetch_uci_eeg(tmp_path)
