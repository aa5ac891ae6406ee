"""Parts of time and frequency: what they take, and that together they are the trial."""

import numpy as np
import pytest

from eegexplain.bases import STFT, Bands, Fourier, Time, TimeBands, Wavelet, spatial
from eegexplain.information._parts import band_parts, bin_parts, find_parts, window_parts

RNG = np.random.default_rng(0)


def test_bands_take_their_bins():
    t = np.arange(128) / 128
    slow, fast = np.sin(2 * np.pi * 10 * t), np.cos(2 * np.pi * 20 * t)
    alpha, beta = band_parts({"alpha": (8, 13), "beta": (13, 30)}, 128.0, 128)
    np.testing.assert_allclose(alpha.of(slow + fast + 3), slow, atol=1e-12)
    np.testing.assert_allclose(beta.of(slow + fast + 3), fast, atol=1e-12)


def test_bins_are_neighbors_without_gaps():
    parts = bin_parts(128.0, 256)
    assert [part.name for part in parts][:2] == ["2", "4"] and len(parts) == 22
    total = np.sum([part.bins for part in parts], axis=0)
    frequencies = np.fft.rfftfreq(256, 1 / 128)
    np.testing.assert_array_equal(total, (frequencies >= 1) & (frequencies < 45))
    with pytest.raises(ValueError, match="would be empty"):
        bin_parts(128.0, 32)


@pytest.mark.parametrize("windows", [4, [0.0, 0.1, 0.3, 0.5]])
def test_windows_add_up_to_the_trial(windows):
    parts = window_parts(windows, 128.0, 64)
    assert len(parts) == (4 if windows == 4 else 3)
    np.testing.assert_allclose(np.sum([part.weights for part in parts], axis=0), 1.0, atol=1e-12)
    for part in parts:
        assert part.weights.min() > -1e-12 and part.weights.max() > 0.99
    assert parts[0].name.startswith("0-0.1")
    with pytest.raises(ValueError, match="rise from 0 to at most 0.5"):
        window_parts([0.0, 0.6], 128.0, 64)


def test_bands_between_bins_are_refused():
    with pytest.raises(ValueError, match="contains no frequency bin"):
        find_parts("bands", {"narrow": (10.1, 10.4)}, 4, 128.0, 128)


@pytest.mark.parametrize("basis", [Time(), Fourier(), Bands(bands={"a": (4, 9), "b": (9, 20)}), STFT(), Wavelet(),
                                   TimeBands(bands={"a": (4, 9), "b": (9, 20)})])  # fmt: skip
def test_cells_of_a_basis_add_up_to_what_it_spans(basis):
    """By one coefficient at a time, and as the basis itself exchanges them."""
    signal, other = RNG.standard_normal((2, 3, 64))
    moments = find_parts(basis, "eeg", 4, 64.0, 64)
    assert len(moments.values) == len(moments.parts) == len({part.name for part in moments.parts})
    bound = basis.bind(64, 64.0)
    total = sum(part.of(signal) for part in moments.parts)
    if isinstance(basis, TimeBands):  # what lies outside the bands is among the cells
        assert moments.values[-1].startswith("residual")
    np.testing.assert_allclose(total, bound.synthesize(bound.analyze(signal)), atol=1e-10)
    number = len(moments.parts) // 2
    mask = np.arange(len(moments.parts)) == number
    expected = bound.remove(signal, other, np.tile(mask, (3, 1)))
    np.testing.assert_allclose(signal + moments.parts[number].of(other - signal), expected, atol=1e-10)
    for dim, values in moments.beside.values():
        assert dim == moments.dim and len(values) == len(moments.values)


def test_what_is_no_part_of_time_is_refused_with_the_cure():
    with pytest.raises(ValueError, match="give cells='bands' and space='channels'"):
        find_parts("bands x channels", "eeg", 4, 64.0, 64)
    with pytest.raises(ValueError, match="Did you mean 'bands'"):
        find_parts("band", "eeg", 4, 64.0, 64)
    with pytest.raises(TypeError, match="give it as space="):
        find_parts(spatial(np.eye(5)[:, :2]), "eeg", 4, 64.0, 64)
