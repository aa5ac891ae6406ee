"""Reference decoders: pyriemann's and MNE's own numbers, rank, and what a network's folds share with them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import reference_decoders
from eegexplain.inspection._covariances import BandCovariances, BandCSP, InRank, TangentVectors
from eegexplain.inspection.references import held_out_scores

CHANNELS = ["Fz", "C3", "C4", "Pz", "O1", "O2"]
EEG = make_oscillatory_eeg(120, CHANNELS, duration=1.0, snr=4.0, random_state=0)
NAMES = ["tangent space + LR", "CSP + LDA"]


def in_bands(X, low, high):
    """Trials filtered by leaving frequencies out."""
    spectra, frequencies = np.fft.rfft(X), np.fft.rfftfreq(X.shape[-1], 1 / EEG.sfreq)
    return np.fft.irfft(spectra * ((frequencies >= low) & (frequencies < high)), X.shape[-1])


def test_covariances_are_those_of_filtered_trials():
    found = BandCovariances(EEG.sfreq, {"low": (2.0, 10.0), "high": (10.0, 45.0)}).transform(EEG.X[:5])
    for place, limits in enumerate([(2, 10), (10, 45)]):
        for trial, x in zip(found[:, place], in_bands(EEG.X[:5], *limits), strict=True):
            np.testing.assert_allclose(trial, np.cov(x, bias=True), rtol=1e-9, atol=1e-12)


def test_vectors_are_those_of_pyriemann():
    """Up to a rotation of the whitened space: inner products of all trials are the same."""
    from pyriemann.tangentspace import TangentSpace

    covariances = BandCovariances(EEG.sfreq, {"all": (2.0, 45.0)}).transform(EEG.X)
    whitened = InRank(0.05).fit(covariances[:80]).transform(covariances)
    found = TangentVectors().transform(whitened)
    trace = np.trace(covariances[:, 0], axis1=1, axis2=2)[:, None, None]
    shrunk = 0.95 * covariances[:, 0] + 0.05 * trace / 6 * np.eye(6)
    oracle = TangentSpace(metric={"mean": "euclid", "map": "riemann"}).fit(shrunk[:80]).transform(shrunk)
    np.testing.assert_allclose(found @ found.T, oracle @ oracle.T, atol=1e-8)


def test_components_are_those_of_mne():
    import mne

    covariances = BandCovariances(EEG.sfreq, {"all": (2.0, 45.0)}).transform(EEG.X)
    whitened = InRank(0.0).fit(covariances).transform(covariances)
    found = BandCSP(4).fit(whitened, EEG.y).transform(whitened)
    options = {"cov_est": "epoch", "log": True, "component_order": "alternate"}
    filtered = in_bands(EEG.X, 2, 45)
    with mne.utils.use_log_level("ERROR"):
        oracle = mne.decoding.CSP(6, **options).fit(filtered, EEG.y).transform(filtered)
    correlation = np.abs(np.corrcoef(found.T, oracle.T)[:4, 4:])
    assert (correlation.max(axis=1) > 0.999).all(), correlation


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_bands", [1, 3])
def test_average_reference_and_interpolation_change_nothing_but_the_rank(name, n_bands):
    X = EEG.X - EEG.X.mean(axis=1, keepdims=True)
    decoder = reference_decoders(EEG.sfreq, n_bands=n_bands)[name].fit(X[:80], EEG.y[:80])
    assert decoder["rank"].whiteners_.shape == (n_bands, 6, 5)
    scores = decoder.decision_function(X[80:])
    assert np.isfinite(scores).all() and decoder.score(X[80:], EEG.y[80:]) > 0.7
    more = np.concatenate([X, X[:, :2].mean(axis=1, keepdims=True)], axis=1)
    assert reference_decoders(EEG.sfreq)[name].fit(more, EEG.y)["rank"].whiteners_.shape[-1] == 5
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(decoder.decision_function(X[80:][order]), scores[order])
    np.testing.assert_allclose(decoder.decision_function(X[80:83]), scores[:3])
    silent = decoder.predict_proba(np.zeros((1, 6, X.shape[-1])))
    assert np.isfinite(silent).all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_are_those_of_the_pipelines(n_classes):
    y = np.array(["a", "b", "c"])[EEG.y + (n_classes == 3) * (np.arange(120) % 3 == 0)]
    splits = list(StratifiedKFold(3).split(EEG.X, y))
    decoders = reference_decoders(EEG.sfreq, n_bands=2)
    found = held_out_scores(decoders, EEG.X, y, splits)
    assert list(found) == NAMES
    for name, decoder in decoders.items():
        expected = cross_val_predict(clone(decoder), EEG.X, y, cv=splits, method="decision_function")
        scores = found[name][:, 1] - found[name][:, 0] if n_classes == 2 else found[name]
        np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_held_out_labels_play_no_part():
    splits = [(np.arange(80), np.arange(80, 120)), (np.arange(40, 120), np.arange(80))]
    found = held_out_scores(reference_decoders(EEG.sfreq), EEG.X, EEG.y, splits)
    flipped = np.where(np.arange(120) >= 80, 1 - EEG.y, EEG.y)
    other = held_out_scores(reference_decoders(EEG.sfreq), EEG.X, flipped, splits)
    for name in NAMES:
        np.testing.assert_array_equal(found[name][80:], other[name][80:])
        assert np.mean((found[name][:, 1] > found[name][:, 0]) == EEG.y) > 0.75


def test_what_cannot_be_decoded_is_named():
    for limits in ((10.0, 5.0), (200.0, 300.0), (2.0,), (-1.0, 5.0)):
        with pytest.raises(ValueError, match="frequency_range must rise"):
            reference_decoders(EEG.sfreq, frequency_range=limits)
    with pytest.raises(ValueError, match="shrinkage must be a finite number"):
        reference_decoders(EEG.sfreq, shrinkage=1.5)
    for name in NAMES:
        with pytest.raises(ValueError, match="no power in a band"):
            reference_decoders(EEG.sfreq)[name].fit(np.zeros((8, 3, 64)), np.arange(8) % 2)
