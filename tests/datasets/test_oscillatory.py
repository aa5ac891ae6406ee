"""Simulated rhythms: their truth is derived again from large samples, trial by trial."""

import pickle

import numpy as np
import pytest

from eegexplain.datasets import Dipole, Source, ideal_observer_accuracy, make_oscillatory_eeg

CHANNELS = ["F3", "C3", "P3", "O1", "Oz", "O2", "T8"]
SIZES = {"ch_names": CHANNELS, "sfreq": 128.0, "duration": 1.0}


def periodogram(X):
    """Variance in each bin, by the definition."""
    n_times = X.shape[-1]
    waves = np.exp(-2j * np.pi * np.outer(np.arange(n_times), np.arange(n_times // 2 + 1)) / n_times)
    power = np.abs(X @ waves) ** 2 / n_times**2
    power[..., 1 : n_times // 2] *= 2
    return power


VARIANTS = {
    "default": {},
    "average": {"reference": "average", "suppressor": True},
    "nuisances": {"artefact": "blink", "line_noise": 1.0, "suppressor": True},
    "muscle": {"artefact": "muscle", "n_subjects": 2},
    "windows": {
        "sources": [
            Source("early", 10.0, 4.0, Dipole("Oz"), stronger_in=0, onset=0.2, length=0.4),
            Source("evoked", 20.0, 6.0, Dipole("C3", "tangential"), stronger_in=1, phase="locked", onset=0.5),
            Source("echo", 10.0, 4.0, Dipole("T8"), phase="lagged", leader="early", lag=(0.02, 0.05, 0.0)),
            Source("third", 30.0, dipole=Dipole("P3"), stronger_in=(1, 2)),
        ]
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_effect_and_power_are_those_of_a_large_sample(variant):
    eeg = make_oscillatory_eeg(6000, **SIZES, n_background=50, random_state=3, **VARIANTS[variant])
    measured = np.array([periodogram(eeg.X[eeg.y == k]).mean(axis=0) for k in eeg.classes])
    np.testing.assert_allclose(measured / eeg.truth.power, 1, atol=0.15)
    logs = np.log(measured)
    for k in eeg.classes:
        effect = logs[k] - np.delete(logs, k, axis=0).mean(axis=0)
        np.testing.assert_allclose(eeg.truth.effect[k], effect, atol=0.2)
        informative = np.abs(eeg.truth.effect[k]) > 0.3
        assert (np.sign(effect) == np.sign(eeg.truth.effect[k]))[informative].all()


def test_default_sources_lie_where_they_are_declared():
    eeg = make_oscillatory_eeg(4, random_state=0)
    effect = eeg.truth.effect
    np.testing.assert_allclose(effect[0], -effect[1])
    channel, bin_ = np.unravel_index(effect[0].argmax(), effect[0].shape)
    assert eeg.ch_names[channel] in ("O1", "O2") and eeg.frequencies[bin_] == 10.0
    channel, bin_ = np.unravel_index(effect[1].argmax(), effect[1].shape)
    assert eeg.ch_names[channel] == "C3" and eeg.frequencies[bin_] == 22.0
    informative = eeg.frequencies[(eeg.truth.role == "informative").any(axis=0)]
    assert {10.0, 22.0} <= set(informative)
    assert (np.minimum(abs(informative - 10), abs(informative - 22)) <= 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_default_is_neither_at_chance_nor_at_ceiling(seed):
    eeg = make_oscillatory_eeg(4, random_state=seed)
    assert 0.85 <= ideal_observer_accuracy(eeg, random_state=0) <= 0.95


def test_ideal_observer_bounds_a_classifier_of_log_power():
    from sklearn.linear_model import LogisticRegression

    eeg = make_oscillatory_eeg(2000, random_state=5)
    bins = [19, 20, 21, 43, 44, 45]
    features = np.log(periodogram(eeg.X)[:, :, bins]).reshape(len(eeg.y), -1)
    half = len(eeg.y) // 2
    accuracy = (
        LogisticRegression(C=0.01, max_iter=500).fit(features[:half], eeg.y[:half]).score(features[half:], eeg.y[half:])
    )
    assert 0.8 < accuracy < ideal_observer_accuracy(eeg, random_state=0) + 0.02


def test_lags_come_back_from_cross_spectra():
    lead = Source("lead", 10.0, 3.0, Dipole("Oz"), amplitude=5.0, stronger_in=0)
    echo = Source("echo", 10.0, 3.0, Dipole("F3"), amplitude=5.0, phase="lagged", leader="lead", lag=(0.02, -0.01))
    eeg = make_oscillatory_eeg(600, **SIZES, sources=[lead, echo], random_state=0)
    np.testing.assert_allclose(eeg.truth.lags, [[0.0, 0.02], [0.0, -0.01]])
    unmix = np.linalg.pinv(eeg.truth.patterns.T)
    for k in eeg.classes:
        first, second = (np.fft.rfft(unmix @ eeg.X[eeg.y == k])[:, s, 10] for s in range(2))
        angle = np.angle((first * second.conj()).mean())
        np.testing.assert_allclose(angle / (2 * np.pi * 10), eeg.truth.lags[k, 1], atol=0.002)


def test_phase_locked_source_has_a_mean_and_a_random_one_has_not():
    locked = Source("locked", 12.0, 6.0, Dipole("Oz"), amplitude=2.0, phase="locked", onset=0.25, length=0.5)
    free = Source("free", 25.0, 6.0, Dipole("C3"), amplitude=2.0)
    eeg = make_oscillatory_eeg(400, **SIZES, sources=[locked, free], random_state=0)
    mean = eeg.X.mean(axis=0)
    oz, c3 = CHANNELS.index("Oz"), CHANNELS.index("C3")
    assert abs(np.abs(mean[oz]).argmax() / 128 - 0.5) < 0.02
    assert np.abs(mean[oz]).max() > 10 * np.abs(mean[c3]).max() / 3
    np.testing.assert_allclose(eeg.truth.times, [[0.25, 0.75], [0.0, 1.0]])


def test_strength_is_in_units_of_the_background():
    loud = Source("loud", 20.0, dipole=Dipole("Oz"), amplitude=2.0)
    eeg = make_oscillatory_eeg(1000, **SIZES, sources=[loud], snr=1.5, random_state=0)
    quiet = make_oscillatory_eeg(1000, **SIZES, sources=[loud], snr=0.0, random_state=0)
    band = (eeg.frequencies >= 1) & (eeg.frequencies <= 45)
    oz = CHANNELS.index("Oz")
    with_source, without = (periodogram(data.X[:, oz])[:, band].mean(axis=0).sum() for data in (eeg, quiet))
    np.testing.assert_allclose(with_source / without, 1 + 3.0**2, rtol=0.1)
    np.testing.assert_allclose(np.abs(eeg.truth.patterns).max(), 3.0 * np.sqrt(without), rtol=0.1)


def test_average_reference_and_subjects():
    eeg = make_oscillatory_eeg(60, n_subjects=3, reference="average", random_state=0)
    np.testing.assert_allclose(eeg.X.mean(axis=1), 0, atol=1e-10)
    assert [np.bincount(eeg.y[eeg.subject == s]).tolist() for s in range(3)] == [[10, 10]] * 3
    covariances = [np.cov(np.concatenate(eeg.X[eeg.subject == s], axis=1)) for s in (0, 1)]
    assert np.abs(covariances[0] - covariances[1]).max() > 0.2 * np.abs(covariances[0]).max()
    assert 0.8 < ideal_observer_accuracy(eeg, 500, random_state=0) < 1


def test_suppressor_has_its_role():
    eeg = make_oscillatory_eeg(4, suppressor=True, random_state=0)
    bins = eeg.frequencies[(eeg.truth.role == "suppressor").any(axis=0)]
    assert set(bins) <= {9.0, 9.5, 10.0, 10.5, 11.0} and len(bins)
    assert "suppressor" in eeg.truth.names
    assert not (make_oscillatory_eeg(4, random_state=0).truth.role == "suppressor").any()


def test_random_state_alone_decides():
    state = np.random.get_state()[1].copy()
    first, again = (make_oscillatory_eeg(20, artefact="blink", random_state=7) for _ in range(2))
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.X, make_oscillatory_eeg(20, artefact="blink", random_state=8).X)
    np.testing.assert_array_equal(state, np.random.get_state()[1])
    assert np.array_equal(pickle.loads(pickle.dumps(first)).X, first.X)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": [Source("fast", 70.0)]}, "'fast' has frequency 70.0 Hz.*Nyquist frequency 64 Hz"),
        ({"sources": [Source("a", 9.0), Source("a", 10.0)]}, "Two sources are called 'a'"),
        ({"sources": [Source("a", 9.0, onset=3.0)]}, "never active"),
        ({"sources": [Source("a", 9.0, phase="lagged")]}, "both phase='lagged' and leader"),
        ({"sources": [Source("a", 9.0, phase="lagged", leader="b")]}, "leader"),
        ({"sources": [Source("a", 9.0), Source("b", 8.0, phase="lagged", leader="a")]}, "its frequency and bandwidth"),
        ({"sources": [Source("a", 9.0, stronger_in=-1)]}, "classes count from 0"),
        ({"sources": [Source("a", 9.0, stronger_in=2, lag=(0.1, 0.2))]}, "2 lags for 3 classes"),
        ({"sources": [Source("a", 9.0, bandwidth=0.0)]}, "bandwidth > 0"),
        ({"sources": [Source("a", 9.0, phase="lacked")]}, "Did you mean 'locked'"),
        ({"artefact": "blnk"}, "Did you mean 'blink'"),
        ({"reference": "averge"}, "Did you mean 'average'"),
        ({"ch_names": ["C3", "C3"]}, "unique"),
        ({"ch_names": ["C3", "X99"]}, "No position for electrode 'X99'"),
        ({"sfreq": 0.0}, "sfreq"),
        ({"duration": 0.01}, "at least 8"),
        ({"n_trials": 3, "n_subjects": 2}, "each subject"),
        ({"n_background": 0}, "n_background"),
        ({"n_trials": 20.5}, "n_trials is 20.5; expected a whole number"),
        ({"snr": -1.0}, "at least 0"),
        ({"snr": np.inf}, "finite"),
        ({"line_noise": np.inf}, "finite"),
        ({"ch_names": []}, "at least 1 electrode"),
        ({"ch_names": ["Cz"], "reference": "average"}, "2 with reference='average'"),
        ({"sources": [Source("a", 9.0, stronger_in="left")]}, "'left': classes count from 0"),
        ({"sources": [Source("a", 9.0, stronger_in=())]}, "classes count from 0"),
        ({"sfreq": 64.0, "line_noise": 1.0}, "line_noise at 50 Hz needs sfreq above 100 Hz"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_oscillatory_eeg(**{"n_trials": 4, **arguments})


def test_sources_must_be_sources():
    with pytest.raises(TypeError, match="Source"):
        make_oscillatory_eeg(4, sources=[{"frequency": 10.0}])


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "a list of at least one"),
        (Source("a", 9.0), "a list of at least one"),
        ([Source("a", 9.0, dipole="Cz")], r"give a Dipole, as Dipole\('Cz'\)"),
    ],
)
def test_what_is_no_source_is_named(sources, message):
    with pytest.raises(TypeError, match=message):
        make_oscillatory_eeg(4, sources=sources)
