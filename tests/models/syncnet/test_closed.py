"""The log-power read-out and training without gradients: what was planted is found, the network is the solution."""

import warnings

import numpy as np
import pytest
import torch

from eegexplain import FLEXAttributor, PerturbationCorrelator, ReverseCorrelator
from eegexplain._module import capture
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.models import SyncNet, SyncNetClassifier, SyncNetRegressor
from eegexplain.models.syncnet._calibration import ClassLoss
from eegexplain.models.syncnet._closed import FEW, PENALTIES, ClosedTraining, FoldPlan, training_folds
from eegexplain.models.syncnet._spectra import Spectra
from eegexplain.models.syncnet._strata import frequency_strata
from eegexplain.models.syncnet._tangent import spatial_filters
from tests.estimators import closed_classifier, fast_classifier, trials

SFREQ = 128.0
CLOSED = {"readout": "log_power", "training": "closed", "sfreq": SFREQ, "random_state": 0}


def rhythm(frequency, phase, n_times=256):
    """A sinusoid per trial, ``(n_trials, n_times)``."""
    return np.cos(2 * np.pi * frequency * np.arange(n_times) / SFREQ + np.reshape(phase, (-1, 1)))


def read_out(net, X):
    """What the filters of a fitted facade read out, ``(n_trials, n_filters, n_windows)``."""
    module = net.net_.module_
    with capture(module, ["conv_out", "pool_out"]) as seen, torch.no_grad():
        module(torch.from_numpy(X).to(module.amplitude))
    return [seen[name][0].numpy() for name in ("conv_out", "pool_out")]


def complex_filters(net):
    """Amplitude and phase per channel as complex numbers, ``(n_filters, n_channels)``."""
    table = net.filter_table_
    amplitude, phase = (table.filter(regex=f"^{name}_").to_numpy() for name in ("amplitude", "phase"))
    return amplitude * np.exp(1j * phase)


def leading(net, label):
    """The filter with the largest weight for a class, of one window."""
    return int(net.net_.module_.final_layer.weight[list(net.classes_).index(label)].argmax())


@pytest.mark.parametrize("n_windows", [1, 4])
def test_log_power_is_the_logarithm_of_the_mean_square_of_each_window(n_windows):
    X, y = trials()
    net = fast_classifier(readout="log_power", n_windows=n_windows).fit(X, y)
    filtered, pooled = read_out(net, X)
    floor = net.net_.module_.power_floor.numpy()[:, None]
    windows = filtered.reshape(*filtered.shape[:2], n_windows, -1)
    np.testing.assert_allclose(pooled, np.log(np.mean(windows**2, axis=-1) + floor), rtol=1e-4, atol=1e-4)
    assert (floor > 0).all() and np.median(np.exp(pooled) / floor) > 1000
    assert net.net_.module_.final_layer.weight.shape == (2, 2 * n_windows)


def test_readouts_differ_in_one_buffer_only():
    sizes = {"n_chans": 2, "n_times": 50, "n_outputs": 2}
    power, largest = SyncNet(**sizes, readout="log_power"), SyncNet(**sizes)
    assert set(power.state_dict()) - set(largest.state_dict()) == {"power_floor"}
    with pytest.raises(ValueError, match="padding='same'"):
        SyncNet(**sizes, readout="log_power", padding="braindecode")
    with pytest.raises(ValueError, match="readout"):
        SyncNet(**sizes, readout="power")


def test_log_power_learns_by_gradients():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = rng.standard_normal((80, 2, 128))
    X[:, 1] += y[:, None] * rhythm(10, rng.uniform(0, 6, 80), 128)
    net = SyncNetClassifier(readout="log_power", num_filters=8, sfreq=SFREQ, max_epochs=20, lr=0.02, random_state=0)
    assert net.fit(X[:60], y[:60]).score(X[60:], y[60:]) > 0.85


def test_closed_form_finds_the_planted_rhythms_and_their_patterns():
    eeg = make_oscillatory_eeg(500, random_state=3)
    net = SyncNetClassifier(**CLOSED).fit(eeg.X[:300], eeg.y[:300])
    assert net.score(eeg.X[300:], eeg.y[300:]) > 0.8
    spectra = np.fft.rfft(eeg.X, axis=-1)
    frequencies = np.fft.rfftfreq(eeg.X.shape[-1], 1 / eeg.sfreq)
    for k, planted in enumerate((10.0, 22.0)):
        lead = leading(net, net.classes_[k])
        assert abs(net.filter_table_["peak_frequency"][lead] - planted) < 4  # its stratum, or the next
        inside = spectra[..., np.abs(frequencies - planted) < 1]
        cross = np.einsum("ncf,ndf->cd", inside, inside.conj())
        pattern = np.abs(cross @ complex_filters(net)[lead])  # what the filter picks up (Haufe et al. 2014)
        assert np.corrcoef(pattern, np.abs(np.ravel(eeg.truth.patterns[k])))[0, 1] > 0.9


def lagged(n_trials=120, seed=0):
    """Two channels with the same rhythm, the second a quarter of a cycle behind (class 1) or ahead (class 0)."""
    rng = np.random.default_rng(seed)
    y, phase = np.arange(n_trials) % 2, rng.uniform(0, 2 * np.pi, n_trials)
    X = rng.standard_normal((n_trials, 2, 256))
    X[:, 0] += rhythm(10, phase)
    X[:, 1] += rhythm(10, phase - np.where(y == 1, 1, -1) * np.pi / 2)
    return X, y


def test_classes_that_differ_in_the_sign_of_a_lag_only():
    X, y = lagged()
    net = SyncNetClassifier(**CLOSED).fit(X[:80], y[:80])
    assert net.score(X[80:], y[80:]) > 0.9
    for label, lag in ((1, -np.pi / 2), (0, np.pi / 2)):
        first, second = complex_filters(net)[leading(net, label)]
        assert abs(np.angle(second / first) - lag) < 0.4


def test_powers_of_the_networks_filters_are_those_of_the_spectra():
    """The definition: spectra weighted by Gaussians around the filters' frequencies, mixed by complex weights."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = 5e-6 * rng.standard_normal((60, 3, 1024)) * (1 + 0.3 * rng.standard_normal((60, 1, 1)))
    X[:, 0] += 5e-6 * y[:, None] * rhythm(12, rng.uniform(0, 6, 60), 1024)
    net = SyncNetClassifier(**CLOSED, filter_width=1.0).fit(X, y)
    table, weights = net.filter_table_, complex_filters(net)
    spectra, frequencies = np.fft.rfft(X, axis=-1), np.fft.rfftfreq(1024, 1 / SFREQ)
    _, found = read_out(net, X)
    tau = np.arange(128) - 64
    for k in range(len(table)):
        decay = table["decay"][k] / SFREQ**2
        distance = 2 * np.pi * (frequencies - table["carrier_frequency"][k]) / SFREQ
        gain = np.exp(-(distance**2) / (4 * decay)) * np.exp(-decay * tau**2).sum() / 2
        outputs = np.einsum("c,ncf->nf", weights[k].conj(), spectra) * gain
        power = 2 * np.sum(np.abs(outputs) ** 2, axis=-1) / 1024**2
        slow = table["carrier_frequency"][k] < 6  # its stratum reaches down to straight lines, which filters leave out
        np.testing.assert_allclose(found[:, k, 0], np.log(power), atol=0.6 if slow else 0.15)


def test_several_classes_and_numbers():
    rng = np.random.default_rng(0)
    y, phase = np.arange(150) % 3, rng.uniform(0, 6, (150, 1))
    X = rng.standard_normal((150, 3, 256))
    for k, frequency in enumerate((6, 12, 24)):
        X[y == k, k] += rhythm(frequency, phase[y == k])
    net = SyncNetClassifier(**CLOSED).fit(X[:100], y[:100])
    assert net.score(X[100:], y[100:]) > 0.9
    for k, planted in enumerate((6, 12, 24)):
        assert abs(net.filter_table_["peak_frequency"][leading(net, k)] - planted) < 4
    strength = np.exp(rng.standard_normal((150, 2)) / 2)
    X = rng.standard_normal((150, 2, 256)) / 2 + strength[..., None] * rhythm(10, phase)[:, None]
    target = np.log(strength) * [3.0, 500.0]
    model = SyncNetRegressor(**CLOSED).fit(X[:100], target[:100])
    assert model.score(X[100:], target[100:]) > 0.5
    assert SyncNetRegressor(**CLOSED).fit(X[:100], target[:100, 0]).predict(X).shape == (150,)


def test_average_reference_and_interpolated_channels_are_whitened_in_their_rank():
    X, y = lagged()
    X = np.concatenate([X, X.mean(axis=1, keepdims=True), np.zeros_like(X[:, :1])], axis=1)
    X[:, :3] -= X[:, :3].mean(axis=1, keepdims=True)
    net = SyncNetClassifier(**CLOSED).fit(X[:80], y[:80])
    assert np.isfinite(net.predict_proba(X)).all() and np.abs(complex_filters(net)[:, 3]).max() < 1e-6


def test_classes_without_overlap_have_finite_logits():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = rng.standard_normal((40, 2, 128))
    X[:, 0] += 20 * y[:, None] * rhythm(10, rng.uniform(0, 6, 40), 128)
    net = SyncNetClassifier(**CLOSED).fit(X, y)
    assert net.score(X, y) == 1 and np.abs(net.decision_function(X)).max() < 30


def test_trials_without_power_get_the_shares_of_the_classes():
    X, y = np.ones((10, 2, 64)), np.repeat([0, 1], [4, 6])
    with pytest.warns(UserWarning, match="no power.*same answer"):
        net = SyncNetClassifier(**CLOSED).fit(X, y)
    np.testing.assert_allclose(net.predict_proba(X), [[0.4, 0.6]] * 10, rtol=1e-5)


def test_strata_that_short_trials_cannot_tell_apart_are_merged_with_a_warning():
    X, y = trials()
    with pytest.warns(UserWarning, match="trials of 0.125 s tell apart 2 of the 8 strata"):
        net = closed_classifier().fit(X[..., :8], y)
    assert np.isfinite(net.predict_proba(X[..., :8])).all()


def test_noise_gives_faint_answers():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 4, 128)), np.arange(100) % 2
    probabilities = SyncNetClassifier(**CLOSED).fit(X[:60], y[:60]).predict_proba(X[60:])
    assert np.abs(probabilities - 0.5).mean() < 0.15


def test_folds_keep_groups_and_every_class():
    y, groups = np.tile([0, 1], 20), np.repeat(np.arange(8), 5)
    folds = training_folds(y, groups, 0, True)
    assert len(folds) == 5 and all(not set(groups[a]) & set(groups[b]) for a, b in folds)
    assert all(len(np.unique(y[a])) == 2 for a, _ in folds)
    assert training_folds(y[:3], None, 0, True) == []
    alone, free = (training_folds(y, own, 0, True) for own in (np.zeros(40), None))  # one group is no group
    assert len(alone) == 5 and all(np.array_equal(a, b) for a, b in zip(sum(alone, ()), sum(free, ()), strict=True))
    assert len(training_folds(np.arange(7.0), None, 0, False)) == 5


def test_held_out_trials_are_scored_by_filters_that_have_not_seen_them():
    """Penalty by penalty, fold by fold, nothing shared between them."""
    rng = np.random.default_rng(0)
    X = np.einsum("cd,ndt->nct", rng.standard_normal((3, 3)), rng.standard_normal((70, 3, 64)))
    y = np.arange(70) % 2
    X[y == 1, 0] *= 1.5
    strata = frequency_strata((4.0, 28.0), 64.0, 64, 8.0)
    spectra = Spectra.of(X, strata, 2.0, np.float64)
    training, loss, targets = ClosedTraining(X, strata, 2.0, np.float64), ClassLoss(2), y[:, None].astype(float)
    folds = training_folds(y, None, 0, True)
    solution = training.solve(targets, 6, FoldPlan.of(y, np.arange(70), None, 0, True), loss)
    losses = []
    for penalty in PENALTIES:
        scores, seen = [], []
        for train, test in folds:
            matrices = 4 * training.space.weights(targets, [train], [penalty])[0, 0]
            found = spatial_filters(matrices, training.space.whitener, training.means, training.strata_weights, 6)
            scores.append(found.scores(np.log(spectra.filter_powers(found.filters, found.stratum)[test] + 1e-4)))
            seen.append(targets[test])
        losses.append(loss.calibrate(np.concatenate(scores), np.concatenate(seen)).loss)
    np.testing.assert_allclose(solution.loss, losses, rtol=1e-10)
    assert solution.penalty == PENALTIES[int(np.argmin(losses))] and np.ptp(losses) > 5e-4


def test_artefacts_do_not_spoil_the_other_trials():
    X, y = lagged()
    clean = SyncNetClassifier(**CLOSED).fit(X[:80], y[:80])
    spoiled = X[:80].copy()
    spoiled[[3, 40]] *= 1000.0
    spoiled[7] = 0.0
    said = "2 of 80 trials have more than 100 times the power", "1 of 80 trials have next to no power"
    with pytest.warns(UserWarning, match=said[0]), pytest.warns(UserWarning, match=said[1]):
        net = SyncNetClassifier(**CLOSED).fit(spoiled, y[:80])
    agreement = np.corrcoef(clean.decision_function(X[80:]), net.decision_function(X[80:]))[0, 1]
    assert net.score(X[80:], y[80:]) > 0.9 and agreement > 0.98


def test_offsets_and_drifts_of_trials_change_nothing():
    X, y = lagged()
    clean = SyncNetClassifier(**CLOSED).fit(X[:80], y[:80])
    rng, t = np.random.default_rng(1), np.linspace(-1, 1, 256)
    offset, slope, turn = rng.standard_normal((3, *X.shape[:2], 1))
    drifting = X + 1000 * offset + 30 * slope * t
    net = SyncNetClassifier(**CLOSED).fit(drifting[:80], y[:80])
    np.testing.assert_allclose(net.decision_function(drifting), clean.decision_function(X), atol=0.02)
    drifting += 30 * turn * np.cos(np.pi / 2 * t + 6 * slope)  # a quarter of a hertz, no straight line
    net = SyncNetClassifier(**CLOSED).fit(drifting[:80], y[:80])
    assert net.score(drifting[80:], y[80:]) > clean.score(X[80:], y[80:]) - 0.06


def test_many_silent_trials_are_left_out_and_said():
    """As if they had never been recorded, and a network that is as sure of the others as it was."""
    X, y = lagged()
    spoiled, silent = X[:80].copy(), np.random.default_rng(1).permutation(80)[:27]
    spoiled[silent] = 0.0
    with pytest.warns(UserWarning, match="27 of 80 trials have next to no power"):
        net = SyncNetClassifier(**CLOSED).fit(spoiled, y[:80])
    without = SyncNetClassifier(**CLOSED).fit(np.delete(X[:80], silent, axis=0), np.delete(y[:80], silent))
    found, expected = net.decision_function(X[80:]), without.decision_function(X[80:])
    assert np.corrcoef(found, expected)[0, 1] > 0.99 and 0.8 < found.std() / expected.std() < 1.25
    space = ClosedTraining(spoiled, frequency_strata((2.0, 45.0), SFREQ, 256), 1.0, np.float64).space
    np.testing.assert_allclose(np.delete(space.features, silent, axis=0).mean(axis=0), 0, atol=1e-10)
    spoiled = X[:80] * (y[:80, None, None] == 1)  # silence is what a class is
    assert FoldPlan.of(y[:80], np.flatnonzero(y[:80]), None, 0, True).n_silent == 0
    assert SyncNetClassifier(**CLOSED).fit(spoiled, y[:80]).score(spoiled, y[:80]) == 1


def test_a_channel_out_of_proportion_hides_nothing():
    """A channel in another unit, or a broken one, counts as much as the median channel; usual ones keep their size."""
    X, y = lagged()
    X = np.concatenate([X, np.random.default_rng(1).standard_normal((120, 1, 256))], axis=1)
    clean = SyncNetClassifier(**CLOSED).fit(X[:80], y[:80])
    for sizes in ([1e4, 1, 1], [1, 1, 1e4], [1e-3, 1e3, 1]):
        other = X * np.reshape(sizes, (3, 1))
        net = SyncNetClassifier(**CLOSED).fit(other[:80], y[:80])
        assert np.corrcoef(net.decision_function(other), clean.decision_function(X))[0, 1] > 0.99
    strata = frequency_strata((2.0, 45.0), SFREQ, 256)
    usual = ClosedTraining(X * np.reshape([4.0, 1.0, 0.25], (3, 1)), strata, 1.0, np.float64)
    np.testing.assert_array_equal(usual.sizes, np.ones((3, 1)))


def test_few_trials_of_a_class_get_more_ridge_and_are_told():
    X, y = lagged()
    some = np.sort(np.r_[np.flatnonzero(y == 0)[:40], np.flatnonzero(y == 1)[: FEW - 1]])
    with pytest.warns(UserWarning, match="9 trials of the rarest class, fewer than 10"):
        SyncNetClassifier(**CLOSED).fit(X[some], y[some])
    few, enough = (FoldPlan.of(np.repeat([0, 1], [40, n]), np.arange(40 + n), None, 0, True) for n in (FEW - 1, FEW))
    assert few.penalties == PENALTIES[2:] and enough.penalties == PENALTIES
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        enough.warn(2)


@pytest.mark.parametrize("settings", [
    {"num_filters": 60},  # more than 2 channels x 11 strata
    {"frequency_range": (30.0, 200.0)},  # beyond the Nyquist frequency of 64 Hz
])  # fmt: skip
def test_filters_that_are_not_needed_and_strata_that_do_not_exist(settings):
    X, y = lagged()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = SyncNetClassifier(**CLOSED, **settings).fit(X[:80], y[:80])
    assert np.isfinite(net.decision_function(X)).all()
    table, weights = net.filter_table_, net.net_.module_.final_layer.weight.detach().numpy()
    assert table["carrier_frequency"].max() <= SFREQ / 2
    silent = (table.filter(regex="^amplitude_").to_numpy() == 0).all(axis=1)
    assert (weights[:, silent] == 0).all() and (silent.sum() >= 60 - 22) == ("num_filters" in settings)


def test_data_without_power_outside_a_band_decode_as_with_strata_in_the_band():
    eeg = make_oscillatory_eeg(300, random_state=3)
    spectra, frequencies = np.fft.rfft(eeg.X, axis=-1), np.fft.rfftfreq(eeg.X.shape[-1], 1 / eeg.sfreq)
    spectra[..., (frequencies < 8) | (frequencies > 30)] = 0
    X = np.fft.irfft(spectra, eeg.X.shape[-1], axis=-1)
    whole, band = (SyncNetClassifier(**CLOSED, **limits).fit(X[:150], eeg.y[:150])
                   for limits in ({}, {"frequency_range": (8.0, 30.0)}))  # fmt: skip
    assert whole.score(X[150:], eeg.y[150:]) > band.score(X[150:], eeg.y[150:]) - 0.04 > 0.75


def test_closed_form_needs_its_readout():
    X, y = trials()
    with pytest.raises(ValueError, match="readout='log_power'"):
        fast_classifier(training="closed").fit(X, y)


@pytest.mark.parametrize("make", [
    lambda net: FLEXAttributor(net, n_steps=5, random_state=0),
    lambda net: PerturbationCorrelator(net, random_state=0),
    ReverseCorrelator,
])  # fmt: skip
def test_analyses_run_on_it(make):
    X, y = trials()
    values = make(closed_classifier()).fit(X, y).explanation_["value"].to_numpy()
    assert np.isfinite(values).all() and np.abs(values).max() > 0
