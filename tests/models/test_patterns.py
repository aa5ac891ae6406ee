"""Patterns of filters: the planted topography, the definition in loops, the output of the network itself."""

import pickle

import numpy as np
import pytest
import torch

from eegexplain._module import capture
from eegexplain.datasets import Dipole, Source, make_oscillatory_eeg
from eegexplain.models import SyncNetClassifier, filter_patterns
from tests.estimators import closed_classifier, fast_classifier, trials

SFREQ = 128.0


def complex_columns(table, prefix=""):
    """Amplitudes and phases of a filter table as complex numbers, ``(n_filters, n_channels)``."""
    amplitude, phase = (table.filter(regex=f"^{prefix}{name}_").to_numpy() for name in ("amplitude", "phase"))
    return amplitude * np.exp(1j * phase)


def likeness(found, planted):
    """Absolute correlation of two complex topographies up to one factor."""
    return abs(np.vdot(found, planted)) / np.linalg.norm(found) / np.linalg.norm(planted)


def leading(net, label, frequency):
    """The filter near a frequency with the largest weight for a class."""
    near = (net.filter_table_["peak_frequency"] - frequency).abs().to_numpy() < 4
    return int(np.where(near, net.net_.module_.final_layer.weight[label].detach().numpy(), -np.inf).argmax())


THREE = [Source(p, 10.0, dipole=Dipole(p), stronger_in=k) for k, p in enumerate(("Oz", "C3", "C4"))]


@pytest.mark.parametrize(
    ("options", "frequencies"),
    [({}, (10.0, 22.0)), ({"reference": "average"}, (10.0, 22.0)), ({"sources": THREE}, (10.0, 10.0, 10.0))],
)
def test_patterns_are_the_planted_topographies_and_filters_are_not(options, frequencies):
    eeg = make_oscillatory_eeg(300, random_state=1, **options)
    net = SyncNetClassifier(readout="log_power", training="closed", sfreq=SFREQ, random_state=0).fit(eeg.X, eeg.y)
    for label, (frequency, planted) in enumerate(zip(frequencies, eeg.truth.patterns, strict=True)):
        lead = leading(net, label, frequency)
        assert likeness(net.patterns_[lead], planted) > 0.97
        assert likeness(complex_columns(net.filter_table_)[lead], planted) < 0.8


def two_sources(n_trials=40, n_times=512, seed=0):
    """Two rhythms of 8 and 10 Hz, each with an amplitude and a phase per channel, and noise."""
    rng = np.random.default_rng(seed)
    t, columns = np.arange(n_times) / SFREQ, rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))
    start = np.exp(2j * np.pi * rng.uniform(size=(2, n_trials)))
    waves = np.exp(2j * np.pi * np.array([8.0, 10.0])[:, None] * t)
    X = np.einsum("sn,sc,st->nct", start, columns, waves).real + 0.1 * rng.standard_normal((n_trials, 3, n_times))
    return X, columns


def damped(columns, frequency, decay=0.002, width=51):
    """Templates of damped oscillations with complex weights."""
    tau = np.arange(width) - width // 2
    wave = np.exp(2j * np.pi * frequency * tau / SFREQ - decay * tau**2)
    return (np.asarray(columns)[..., None] * wave).real


def test_patterns_are_regressions_of_the_channels_on_the_output():
    """Frequency by frequency, channel by channel, from the definition."""
    X, _ = two_sources()
    filters = damped(np.array([[1.0, 0.3j, -0.5], [0.2 - 1j, 1.0, 0.0]]), 9.0)
    filters[1] = damped([0.2 - 1j, 1.0, 0.0], 20.0)
    spectra = np.fft.rfft((X - X.mean(-1, keepdims=True)) * np.hanning(513)[:-1])
    for k, pattern in enumerate(filter_patterns(filters, X)):
        answer = [
            [sum(filters[k, c, i] * np.exp(-2j * np.pi * f / 512 * (i - 25)) for i in range(51)) for c in range(3)]
            for f in range(257)
        ]
        gain = np.linalg.norm(answer, axis=1)
        top, bottom = np.zeros(3, dtype=complex), 0.0
        for f in range(1, 256):
            output = spectra[:, :, f] @ np.conj(answer[f])
            top += gain[f] / gain.max() * (spectra[:, :, f] * output.conj()[:, None]).sum(axis=0)
            bottom += np.square(np.abs(output)).sum()
        np.testing.assert_allclose(pattern, top / bottom, rtol=2e-3, atol=1e-4 * np.abs(pattern).max())


@pytest.mark.parametrize("width", [50, 51])
def test_pattern_times_output_is_what_the_channels_do(width):
    """One noiseless rhythm: the network's own output, turned and scaled by the pattern, is each channel."""
    n, t = 20, np.arange(512)
    X, y = two_sources(n)[0], np.arange(n) % 2
    net = fast_classifier(filter_width=width, num_filters=2, sfreq=SFREQ).fit(X, y)
    module, frequency = net.net_.module_, 10.0 / SFREQ
    column = np.array([1.0, 0.5j, -0.8 + 0.1j])
    start = np.exp(1j * np.linspace(0, 6, n))
    X = np.einsum("n,c,t->nct", start, column, np.exp(2j * np.pi * frequency * t)).real
    with torch.no_grad():
        module.omega.fill_(2 * np.pi * frequency), module.beta.fill_(0.002), module.bias.fill_(0)
        patterns = filter_patterns(module.filters().numpy(), X)
        with capture(module, ["conv_out"]) as seen:
            module(torch.from_numpy(X).float())
    inside, early = slice(100, 400), (width + 1) % 2  # the middle of an even window is a sample after its output
    for output, pattern in zip(seen["conv_out"][0].numpy().swapaxes(0, 1), patterns, strict=True):
        wave = np.exp(2j * np.pi * frequency * (t + early)[inside])
        phasor = 2 * (output[:, inside] * wave.conj()).mean(axis=-1)
        found = np.einsum("n,c,t->nct", phasor, pattern, np.exp(2j * np.pi * frequency * t[inside])).real
        np.testing.assert_allclose(found, X[..., inside], atol=0.05)


def test_unit_memory_map_and_silence(tmp_path):
    X, columns = two_sources()
    X = np.concatenate([X, np.zeros_like(X[:, :1]), np.full_like(X[:, :1], 7.0)], axis=1)
    filters = damped(np.array([[1, 0.3j, -0.5, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]), 9.0)
    found = filter_patterns(filters, X)
    assert not found[1:3].any() and not found[:, 3:].any() and found[[0, 3], :3].all()
    np.testing.assert_allclose(filter_patterns(filters * 1e25, X * 1e-25), found * 1e-25, rtol=1e-3, atol=1e-40)
    doubled = np.stack([X[:, 0], X[:, 0] * (1 + 1e-9)], axis=1)
    assert not filter_patterns(damped([[1, -1]], 9.0), doubled).any()  # its output is rounding error
    np.save(tmp_path / "X.npy", X)
    np.testing.assert_array_equal(filter_patterns(filters, np.load(tmp_path / "X.npy", mmap_mode="r")), found)
    assert not filter_patterns(filters, X[..., :2]).any()  # no rhythm has a phase in two samples
    with pytest.raises(ValueError, match=r"\(n_trials, 5, n_times\)"):
        filter_patterns(filters, X[:, :4])


@pytest.mark.parametrize("make", [fast_classifier, closed_classifier])
def test_patterns_are_in_the_table_and_survive_pickling(make):
    X, y = trials()
    net = make(ch_names=["Cz", "Pz", "Oz"]).fit(X, y)
    assert net.patterns_.shape == (2, 3) and np.iscomplexobj(net.patterns_) and net.patterns_.any()
    np.testing.assert_allclose(complex_columns(net.filter_table_, "pattern_"), net.patterns_)
    assert "pattern_phase_Oz" in net.filter_table_
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.patterns_, net.patterns_)
    with pytest.raises(ValueError, match=r"patterns must have shape \(2, 3\), got \(2, 2\)"):
        net.net_.module_.filter_table(patterns=net.patterns_[:, :2])
    del again.patterns_  # a network of before there were any
    assert list(again.filter_table_) == [name for name in net.filter_table_ if not name.startswith("pattern")]
