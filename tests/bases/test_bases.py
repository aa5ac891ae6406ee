"""Bases: reconstruction, adjointness, completeness, and each map against a naive re-derivation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eegexplain._bands import bin_weights
from eegexplain.bases import (
    BASES,
    STFT,
    Bands,
    Fourier,
    Spatial,
    TimeBands,
    Wavelet,
    Windows,
    as_basis,
    spatial,
)
from eegexplain.bases._basis import cell_labels

BANDS = {"low": (2.0, 8.0), "high": (8.0, 20.0)}
NAMES = sorted(BASES)


def make(name, n_times, n_channels=2):
    """A bound basis by name, spatial products included."""
    if name.startswith("spatial"):
        patterns = np.random.default_rng(3).normal(size=(n_channels, n_channels - 1))
        return spatial(patterns, as_basis(name.split("_", 1)[1], BANDS)).bind(n_times, 50.0)
    return as_basis(name, BANDS).bind(n_times, 50.0)


def signals(seed, n_times, dtype, n_channels=2):
    rng = np.random.default_rng(seed)
    pair = rng.normal(size=(2, 3, n_channels, n_times)).astype(dtype)
    return pair[0], pair[1]


lengths = st.integers(20, 75)
seeds = st.integers(0, 1000)
dtypes = st.sampled_from([np.float32, np.float64])


@pytest.mark.parametrize("name", [name for name in NAMES if BASES[name].complete])
@given(n_times=lengths, seed=seeds, dtype=dtypes)
def test_complete_bases_give_the_signal_back(name, n_times, seed, dtype):
    x, _ = signals(seed, n_times, dtype)
    basis = make(name, n_times)
    back = basis.synthesize(basis.analyze(x))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, x, atol=200 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", [*NAMES, "spatial_time", "spatial_stft", "spatial_bands"])
@given(n_times=lengths, seed=seeds, dtype=dtypes)
def test_adjoint_is_the_transpose_of_the_synthesis(name, n_times, seed, dtype):
    x, gradient = signals(seed, n_times, dtype)
    basis = make(name, n_times)
    coefficients = basis.analyze(x)
    left = np.sum(basis.synthesize(coefficients) * gradient)
    right = np.sum(np.real(np.conj(coefficients) * basis.adjoint(gradient)))
    assert abs(left - right) < 2e4 * np.finfo(dtype).eps


@pytest.mark.parametrize("name", [*NAMES, "spatial_time", "spatial_fourier", "spatial_bands"])
@given(n_times=lengths, seed=seeds)
def test_attributions_sum_to_the_whole_in_every_basis(name, n_times, seed):
    change, gradient = signals(seed, n_times, np.float64)
    basis = make(name, n_times)
    parts = basis.attribute(change, gradient)
    assert parts.shape[-1] == len(cell_labels(basis))
    assert parts.shape[-2] == len(basis.rows(["C3", "C4"])[1])
    np.testing.assert_allclose(parts.sum((-2, -1)), (change * gradient).sum((-2, -1)), atol=1e-10)


@given(n_times=lengths, seed=seeds)
def test_parseval(n_times, seed):
    x, _ = signals(seed, n_times, np.float64)
    fourier, wavelet, stft = make("fourier", n_times), make("wavelet", n_times), make("stft", n_times)
    power = (np.abs(fourier.analyze(x)) ** 2 * bin_weights(n_times)).sum(-1) / n_times
    np.testing.assert_allclose(power, (x**2).sum(-1))
    np.testing.assert_allclose((wavelet.analyze(x) ** 2).sum(-1), (x**2).sum(-1))
    np.testing.assert_allclose(stft.attribute(x, x).sum(-1), (x**2).sum(-1))


@pytest.mark.parametrize("name", [*NAMES, "spatial_bands"])
def test_removing_cells(name):
    """Removing every cell leaves what the basis does not span; removing none changes nothing."""
    x, filling = signals(0, 41, np.float64)
    basis = make(name, 41)
    n_rows = 1 if name.startswith("spatial") else 2
    n_cells = len(cell_labels(basis)) - (not basis.complete)
    mask = np.ones((3, n_rows, n_cells), bool)
    np.testing.assert_allclose(basis.remove(x, filling, ~mask), x)
    everything = basis.remove(x, filling, mask)
    np.testing.assert_allclose(everything, x + basis.synthesize(basis.analyze(filling - x)))
    mask[..., ::2] = False
    partial = basis.remove(basis.remove(x, filling, mask), filling, ~mask)
    if name not in ("stft", "wavelet", "time_bands"):  # redundant frames are no projections: order matters
        np.testing.assert_allclose(partial, everything, atol=1e-12)


def test_fourier_against_an_explicit_matrix():
    """Attribution by the chain rule through the inverse transform, written as a matrix."""
    for n_times in (8, 9):
        change, gradient = signals(1, n_times, np.float64)
        n_bins = n_times // 2 + 1
        columns = []
        for unit in (1.0, 1j):
            columns.append([np.fft.irfft(unit * np.eye(n_bins)[k], n=n_times) for k in range(n_bins)])
        real, imaginary = np.array(columns)
        spectrum = np.fft.rfft(change)
        expected = spectrum.real * (gradient @ real.T) + spectrum.imag * (gradient @ imaginary.T)
        np.testing.assert_allclose(make("fourier", n_times).attribute(change, gradient), expected, atol=1e-12)


def test_bands_are_sums_over_bins_and_marginals_of_the_joint_map():
    change, gradient = signals(2, 60, np.float64)
    bins = make("fourier", 60).attribute(change, gradient)
    frequencies = np.fft.rfftfreq(60, 1 / 50.0)
    bands = make("bands", 60)
    parts = bands.attribute(change, gradient)
    assert list(cell_labels(bands)) == ["low", "high", "residual"]
    for number, (low, high) in enumerate(BANDS.values()):
        inside = (frequencies >= low) & (frequencies < high)
        np.testing.assert_allclose(parts[..., number], bins[..., inside].sum(-1), atol=1e-12)
    joint = make("time_bands", 60)
    map_ = joint.attribute(change, gradient).reshape(3, 2, 3, 60)
    np.testing.assert_allclose(map_.sum(-1), parts, atol=1e-12)
    np.testing.assert_allclose(map_.sum(-2), change * gradient, atol=1e-12)
    assert joint.cells()["band"][60] == "high" and joint.cells()["time"][61] == 1 / 50


@pytest.mark.parametrize("name", [*NAMES, "spatial_time", "spatial_bands"])
@pytest.mark.parametrize("n_times", [40, 41])
def test_sensitivity_is_the_size_of_the_gradient_over_each_cell(name, n_times):
    """Column by column: the change of the synthesised signal per coefficient, against the gradient."""
    _, gradient = signals(5, n_times, np.float64)
    basis = make(name, n_times)
    found = basis.sensitivity(gradient)
    assert found.shape == basis.attribute(gradient, gradient).shape
    parts = basis.pool(np.abs(basis.adjoint(gradient)))
    rest = found.copy()
    rest[..., : parts.shape[-2], : parts.shape[-1]] -= parts
    np.testing.assert_allclose(rest, 0, atol=1e-12)
    assert np.all(found[..., : parts.shape[-2], : parts.shape[-1]] > 0)


def test_where_the_cells_lie():
    """Times in seconds and frequencies in Hz, of a signal of 40 samples at 50 Hz; cycles per sample without a rate."""
    np.testing.assert_allclose(make("time", 40).cells()["time"], np.arange(40) / 50)
    np.testing.assert_allclose(make("fourier", 40).cells()["frequency"], 50 / 40 * np.arange(21))
    np.testing.assert_allclose(Fourier(n_times=8).cells()["frequency"], [0, 0.125, 0.25, 0.375, 0.5])
    cells = make("time_bands", 40).cells()
    assert list(dict.fromkeys(cells["band"])) == ["low", "high", "residual"]
    np.testing.assert_allclose(cells["time"], np.tile(np.arange(40) / 50, 3))
    cells = STFT(window=0.2, hop=0.08).bind(40, 50.0).cells()  # 10 samples every 4, until sample 39 is covered
    np.testing.assert_allclose(cells["time"], np.repeat(np.arange(11) * 0.08, 6))
    np.testing.assert_allclose(cells["frequency"], np.tile([0, 5, 10, 15, 20, 25], 11))
    cells = Wavelet().bind(40, 50.0).cells()  # 3 octaves in steps of 2, 4, 8 samples, and the rest in steps of 8
    starts = [(first, width) for width in (2, 4, 8, 8) for first in range(0, 40, width)]
    np.testing.assert_allclose(cells["time"], [(first + (width - 1) / 2) / 50 for first, width in starts])
    octaves = np.sqrt([25 * 12.5, 12.5 * 6.25, 6.25 * 3.125])
    np.testing.assert_allclose(cells["frequency"], np.repeat([*octaves, 3.125 / 2], [20, 10, 5, 5]))
    last = Wavelet().bind(43, 50.0).cells()["time"]  # the last cell of an octave may be shorter
    np.testing.assert_allclose(last[[21, 32]], [42 / 50, (40 + 42) / 2 / 50])


@pytest.mark.parametrize(("window", "hop", "n_times", "expected"), [
    (None, None, 100, (12, 6, 18)), (None, None, 20, (8, 4, 6)), (None, None, 64, (8, 4, 17)),
    (10, None, 41, (10, 5, 9)),
    (10, 9, 46, (10, 9, 6)), (1, None, 5, (1, 1, 5)), (2, 1, 1, (2, 1, 1)), (0.5, 0.1, 100, (25, 5, 21)),
])  # fmt: skip
def test_sizes_of_frames(window, hop, n_times, expected):
    basis = STFT(window=window, hop=hop).bind(n_times, 50.0)
    assert basis.sizes() == expected
    centers = np.arange(expected[2]) * expected[1]
    assert centers[-1] >= n_times - 1 and (len(centers) == 1 or centers[-2] < n_times - 1)


def test_frames_are_windowed_spectra_around_their_centers():
    x, _ = signals(6, 50, np.float64)
    basis = STFT(window=9, hop=4).bind(50, 50.0)
    spectra = basis.analyze(x).reshape(3, 2, 14, 5)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(9) / 9)
    padded = np.pad(x, [(0, 0), (0, 0), (4, 20)])
    for number in range(14):
        frame = padded[..., number * 4 : number * 4 + 9] * window
        np.testing.assert_allclose(spectra[:, :, number], np.fft.rfft(frame), atol=1e-12)


def test_octaves_of_the_meyer_frame():
    """Each octave passes from a third to 4 thirds of its upper edge, with half the power at the edges between."""
    basis = Wavelet().bind(3 * 64, 1.0)
    power, frequencies = basis.filters() ** 2, np.fft.rfftfreq(3 * 64)
    assert len(power) == basis.levels() + 1 == 6
    np.testing.assert_allclose(power.sum(0), 1, atol=1e-12)
    for level in range(5):
        top = 0.5 / 2**level
        outside = (frequencies <= top / 3) | (frequencies >= 4 / 3 * top)
        np.testing.assert_allclose(power[level][outside], 0, atol=1e-12)
        np.testing.assert_allclose(power[level][np.isclose(frequencies, top / 2)], 0.5)
        np.testing.assert_allclose(power[level][np.isclose(frequencies, top * 2 / 3)], 1)
    assert Wavelet(n_levels=2).bind(192, 1.0).levels() == 2 and Wavelet(n_levels=9).bind(192, 1.0).levels() == 5
    assert [Wavelet().bind(n, 1.0).levels() for n in (1, 15, 16, 31, 32)] == [1, 1, 2, 2, 3]


def test_cells_of_the_meyer_frame_are_sums_over_neighbours():
    basis = Wavelet().bind(43, 50.0)
    values = np.random.default_rng(0).normal(size=(2, 4 * 43))
    octaves = values.reshape(2, 4, 43)
    expected = [octaves[:, level, first : first + width].sum(-1)
                for level, width in enumerate((2, 4, 8, 8)) for first in range(0, 43, width)]  # fmt: skip
    np.testing.assert_allclose(basis.pool(values), np.stack(expected, -1))
    np.testing.assert_array_equal(basis.spread(basis.pool(values))[:, 40:43], basis.pool(values)[:, [20, 20, 21]])


def test_a_band_may_reach_the_highest_frequency():
    x, _ = signals(7, 40, np.float64)
    basis = as_basis("bands", {"top": (20, 25)}).bind(40, 50.0)
    spectrum = np.fft.rfft(x)
    spectrum[..., :16] = spectrum[..., 20:] = 0
    np.testing.assert_allclose(basis.synthesize(basis.analyze(x)), np.fft.irfft(spectrum, n=40), atol=1e-12)


def test_a_bin_on_a_limit_belongs_to_the_band_that_begins_there():
    """Bins at 0, 2, ..., 20 Hz: of two neighbours the upper one has the bin between, and none the bin at Nyquist."""
    basis = as_basis("bands", {"low": (0, 8), "high": (8, 20)}).bind(20, 40.0)
    membership = basis.pool(np.ones((1, 10))), basis.spread(np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(membership[0], [[4, 6]])
    np.testing.assert_array_equal(membership[1], [[1, 1, 1, 1, 2, 2, 2, 2, 2, 2]])
    times = np.arange(20) / 40.0
    for frequency, owner in [(8, 1), (6, 0), (18, 1), (20, 2)]:
        wave = np.cos(2 * np.pi * frequency * times)[None]
        parts = basis.attribute(wave, wave)[0]
        np.testing.assert_allclose(parts, np.where(np.arange(3) == owner, (wave**2).sum(), 0), atol=1e-12)


def test_stft_and_wavelet_find_a_burst():
    """A short 12 Hz burst at 1.5 s is where the maps peak."""
    times = np.arange(301) / 100.0
    burst = np.exp(-(((times - 1.5) / 0.1) ** 2)) * np.cos(2 * np.pi * 12 * times)
    for basis, tolerance in [(STFT(window=0.5, hop=0.1), 1.0), (Wavelet(), 5.0)]:
        basis = basis.bind(301, 100.0)
        peak = np.argmax(basis.attribute(burst[None], burst[None])[0])
        cells = basis.cells()
        assert abs(cells["time"][peak] - 1.5) < 0.1
        assert abs(cells["frequency"][peak] - 12) <= tolerance


def test_spatial_bases_from_fitted_decompositions():
    from sklearn.decomposition import PCA, FastICA

    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(4, 4))
    sources = rng.laplace(size=(2000, 4))
    data = sources @ mixing.T
    for source, prefix in [(PCA(4).fit(data), "PC"), (FastICA(4, random_state=0).fit(data), "IC"),
                           ((np.linalg.inv(mixing), mixing), "component")]:
        basis = spatial(source, "fourier").bind(50, 100.0)
        assert basis.spans and basis.rows(list("abcd")) == ("component", [f"{prefix}{k}" for k in range(4)])
        x = rng.normal(size=(2, 4, 50))
        np.testing.assert_allclose(basis.synthesize(basis.analyze(x)), x, atol=1e-8)
    ica = spatial(FastICA(4, random_state=0).fit(data))
    overlap = np.abs(np.corrcoef(np.c_[data @ ica.filters.T, sources].T)[:4, 4:])
    assert np.all(overlap.max(0) > 0.95)


def test_a_component_takes_exactly_what_runs_through_it():
    """A net that reads one source through its filter: all attribution goes to that component, none to the rest."""
    rng = np.random.default_rng(1)
    filters = np.linalg.inv(rng.normal(size=(3, 3)))
    patterns = np.linalg.inv(filters)
    change = rng.normal(size=(3, 30))
    gradient = filters[1][:, None] * rng.normal(size=30)
    parts = spatial((filters[:2], patterns[:, :2])).bind(30, 1.0).attribute(change, gradient)
    np.testing.assert_allclose(parts[[0, 2]], 0, atol=1e-12)
    np.testing.assert_allclose(parts[1].sum(), (change * gradient).sum())


def test_mne_ica_and_csp():
    import mne

    rng = np.random.default_rng(0)
    info = mne.create_info(4, 100.0, "eeg")
    data = rng.laplace(size=(4, 4)) @ rng.laplace(size=(4, 3000)) * 1e-5
    raw = mne.io.RawArray(data, info, verbose="error")
    ica = mne.preprocessing.ICA(3, max_iter="auto", random_state=0, verbose="error").fit(raw, verbose="error")
    basis = spatial(ica)
    activities = basis.filters @ data
    expected = ica.get_sources(raw).get_data()
    np.testing.assert_allclose(activities - activities.mean(1, keepdims=True),
                               expected - expected.mean(1, keepdims=True), atol=1e-8)
    np.testing.assert_allclose(basis.filters @ basis.patterns, np.eye(3), atol=1e-8)
    cleaned = ica.apply(raw.copy(), exclude=[0], verbose="error").get_data()
    centred = data - data.mean(1, keepdims=True)
    removed = centred - basis.patterns[:, [0]] @ (basis.filters[[0]] @ centred)
    np.testing.assert_allclose(cleaned - cleaned.mean(1, keepdims=True), removed, atol=1e-12)

    trials, labels = rng.normal(size=(40, 4, 60)), np.repeat([0, 1], 20)
    trials[labels == 1, 0] *= 3
    with mne.use_log_level("error"):
        csp = mne.decoding.CSP(n_components=2).fit(trials, labels)
    basis = spatial(csp)
    np.testing.assert_allclose(basis.filters @ basis.patterns, np.eye(2), atol=1e-8)
    assert basis.names == ("CSP0", "CSP1") and not basis.spans


@pytest.mark.parametrize("n_times", [1, 2, 3, 5])
def test_very_short_signals(n_times):
    x = np.random.default_rng(0).normal(size=(2, 1, n_times))
    for name in ("time", "fourier", "stft", "wavelet"):
        basis = as_basis(name).bind(n_times, 1.0)
        np.testing.assert_allclose(basis.synthesize(basis.analyze(x)), x, atol=1e-12)
        assert basis.attribute(x, x).shape[-1] == len(cell_labels(basis))


def test_labels_are_unique():
    for name in NAMES:
        labels = cell_labels(make(name, 61))
        assert len(set(np.asarray(labels).tolist())) == len(labels)


@pytest.mark.parametrize("build, message", [
    (lambda: as_basis("furier"), "Did you mean 'fourier'"),
    (lambda: as_basis(3), "name"),
    (lambda: Fourier().bind(0, 1.0), "at least one sample"),
    (lambda: STFT(window=10, hop=10).bind(50, 1.0).sizes(), "shorter than the window"),
    (lambda: STFT(window=0.001).bind(50, 100.0).sizes(), "shorter than one sample"),
    (lambda: Bands(bands={"a": (1, 5), "b": (4, 9)}).bind(100, 50.0).cells(), "overlap at 4 Hz"),
    (lambda: TimeBands(bands={"a": (1, 50)}).bind(100, 50.0).cells(), "Nyquist"),
    (lambda: spatial(object()), "is it fitted"),
    (lambda: spatial((np.ones((2, 3)), np.ones((2, 3)))), r"\(n_channels, n_components\)"),
    (lambda: spatial(np.ones((3, 1)), names=["a", "b"]), "distinct names"),
    (lambda: spatial(np.ones((3, 1))).bind(5, 1.0).attribute(np.ones((2, 5)), np.ones((2, 5))), "3 channels"),
    (lambda: spatial(np.ones((3, 1))).bind(5, 1.0).rows(["a"]), "3 channels"),
])
def test_bad_input(build, message):
    with pytest.raises((ValueError, TypeError), match=message):
        build()


def test_a_basis_survives_pickling_and_cloning():
    import copy
    import pickle

    x, gradient = signals(0, 30, np.float64)
    for name in [*NAMES, "spatial_bands"]:
        basis = make(name, 30)
        for other in (pickle.loads(pickle.dumps(basis)), copy.deepcopy(basis)):
            np.testing.assert_array_equal(other.attribute(x, gradient), basis.attribute(x, gradient))
    assert isinstance(make("spatial_bands", 30), Spatial)


def test_windows_cut_a_trial_into_equal_parts():
    """Of 41 samples three windows take 13, 14, 14; a trial of fewer samples than windows has one per sample."""
    basis = Windows(windows=3).bind(41, 50.0)
    values = np.arange(41.0)
    expected = [values[:13].sum(), values[13:27].sum(), values[27:].sum()]
    np.testing.assert_allclose(basis.pool(values), expected)
    np.testing.assert_array_equal(basis.spread(np.arange(3)), np.repeat([0, 1, 2], [13, 14, 14]))
    assert basis.cells()["window"].tolist() == ["0-0.26 s", "0.26-0.54 s", "0.54-0.82 s"]
    np.testing.assert_allclose(basis.cells()["time"], [0.13, 0.4, 0.68])
    assert [len(Windows(windows=n).bind(5, 1.0).cells()["window"]) for n in (1, 8)] == [1, 5]
