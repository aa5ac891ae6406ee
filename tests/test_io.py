"""Files are written whole or not at all, and explanations come back as they were."""

import os
import pathlib
import warnings

import numpy as np
import pytest
import xarray as xr

import eegexplain
from eegexplain import _io
from eegexplain._explanation import make_explanation


def explanation():
    rng = np.random.default_rng(0)
    return make_explanation(
        rng.standard_normal((2, 3)),
        ("output", "channel"),
        {"output": ["left", "right"], "channel": np.array(["C3", "Cz", "C4"], dtype=object)},
        standard_error=rng.random((2, 3)),
        method="gradient",
        n=3,
        sfreq=np.float64(128.0),
    )


@pytest.mark.parametrize("ending", [".nc", ".npz"])
def test_round_trip(tmp_path, ending):
    dataset = explanation()
    path = tmp_path / f"e{ending}"
    _io.save_explanation(dataset, path)
    back = _io.load_explanation(path)
    np.testing.assert_array_equal(back["value"], dataset["value"])
    np.testing.assert_array_equal(back["standard_error"], dataset["standard_error"])
    assert back["value"].dims == ("output", "channel")
    assert list(back.channel.values) == ["C3", "Cz", "C4"] and list(back.output.values) == ["left", "right"]
    assert back.attrs["method"] == "gradient" and isinstance(back, xr.Dataset)
    assert back.attrs["n"] == 3 and back.attrs["sfreq"] / 2 == 64.0  # numbers stay numbers
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(("version", "told"), [("99.0", True), ("0.1.1", True), ("0.1.0", False), ("0.0.9", False)])
def test_what_a_later_version_wrote_is_read_with_a_warning(tmp_path, version, told):
    given = xr.Dataset({"value": ("channel", [1.0, 2.0])}, attrs={"version": version})
    _io.save_explanation(given, tmp_path / "e.nc")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = _io.load_explanation(tmp_path / "e.nc")
    xr.testing.assert_identical(found, given)
    assert [f"by eegexplain {version}, later than this" in str(one.message) for one in caught] == [True] * told


def test_an_interrupt_leaves_the_old_file(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), _io.atomic_write(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    with _io.atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o444 == 0o444


def test_what_killed_processes_left_is_removed(tmp_path):
    fresh, dead = tmp_path / ".eegexplain-fresh.gif", tmp_path / ".eegexplain-dead.gif"
    for file in (fresh, dead):
        file.write_text("half")
    os.utime(dead, (0, 0))
    with _io.atomic_write(tmp_path / "slow.gif") as slow:
        os.utime(slow, (0, 0))
        with _io.atomic_write(tmp_path / "map.gif") as temporary:
            assert slow.exists() and temporary.suffix == ".gif"
    assert {file.name for file in tmp_path.iterdir()} == {fresh.name, "slow.gif", "map.gif"}


def test_clear_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist: create it"), _io.atomic_write(tmp_path / "no" / "x"):
        pass
    with pytest.raises(IsADirectoryError, match="is a folder"), _io.atomic_write(tmp_path):
        pass
    with pytest.raises(ValueError, match=r"'.nc', '.npz'"):
        _io.save_explanation(explanation(), tmp_path / "x.csv")
    (tmp_path / "bad.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not an explanation"):
        _io.load_explanation(tmp_path / "bad.npz")


STORED = sorted((pathlib.Path(__file__).parent / "stored").glob("*/explanation.*"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name}{path.suffix}")
def test_what_earlier_releases_stored_is_read(path):
    found = _io.load_explanation(path)
    assert dict(found["value"].sizes) == {"output": 2, "channel": 3, "band": 2}
    assert found["channel"].values.tolist() == ["ch0", "ch1", "ch2"]
    assert found["band"].values.tolist() == ["alpha", "beta"]
    np.testing.assert_allclose(found["value"].sel(output="right", channel="ch0"), [0.4532649449, 0.4390361829])
    assert found.attrs["version"] == path.parent.name and found.attrs["degrees_of_freedom"] == 11
    assert "PerturbationCorrelator" in found.attrs["parameters"] and len(found.attrs["data_hash"]) == 32


def test_every_release_has_its_stored_files():
    """Before a release: store an explanation by `save_explanation` under tests/stored/<version>."""
    assert {path.parent.name for path in STORED} >= {eegexplain.__version__}
