import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

from eegexplain import SyncNetClassifier
from eegexplain.encoding import DelayedModel, WeightFitter, unit_responses

SFREQ, WIDTH, PLANTED = 64.0, 16, (8.0, 16.0)
BANDS = {"theta": (6, 10), "beta": (14, 18), "gamma": (22, 26)}


@pytest.fixture(scope="module")
def decoded():
    """A net and trials: its first filter is 8 Hz of channel 0, its second 16 Hz of channel 2."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 3, 128))
    net = SyncNetClassifier(num_filters=2, filter_width=WIDTH, max_epochs=1, sfreq=SFREQ, random_state=0)
    module = net.fit(X, np.arange(120) % 2).net_.module_
    with torch.no_grad():
        module.amplitude[0, 0] = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
        module.omega[0, 0, 0] = 2 * np.pi * torch.tensor(PLANTED) / SFREQ
        module.beta.fill_(0.01)
        module.phi_ini.zero_()
    return net, X


def test_shapes_and_order(decoded):
    net, X = decoded
    steps = unit_responses(net, X, average=False, batch_size=7)
    assert steps.layer == "conv_out"
    assert steps.data.shape == (120 * steps.n_steps, 2)
    assert_array_equal(steps.groups, np.repeat(np.arange(120), 128))
    third = unit_responses(net, X[2:3], average=False)
    assert_allclose(steps.data[steps.groups == 2], third.data, atol=1e-5)
    averaged = unit_responses(net, X)
    assert_allclose(averaged.data, steps.data.reshape(120, -1, 2).mean(axis=1), atol=1e-6)
    assert unit_responses(net, X, layer="pool_out").layer == "pool_out"


def test_lagged_eeg_finds_the_filters_of_the_net(decoded):
    net, X = decoded
    units = unit_responses(net, X[:20], average=False)
    signals = X[:20].transpose(0, 2, 1).reshape(-1, 3)
    model = DelayedModel(tmin=-(WIDTH // 2), tmax=(WIDTH - 1) // 2)
    fit = WeightFitter(model, alpha=1e-6).fit(signals, units.data, groups=units.groups)
    filters = net.net_.module_.filters().detach().numpy()
    assert_allclose(fit.kernels_[:, :, ::-1], filters, atol=1e-4 * np.abs(filters).max())
    held_out = unit_responses(net, X[20:30], average=False)
    signals = X[20:30].transpose(0, 2, 1).reshape(-1, 3)
    r2 = fit.score(signals, held_out.data, groups=held_out.groups, multioutput="raw_values")
    assert_allclose(r2, 1.0, atol=1e-6)


def test_band_power_predicts_units_on_held_out_trials_only_where_it_was_planted(decoded):
    net, X = decoded
    units = np.log(unit_responses(net, X, layer="pool_out").data)
    frequencies = np.fft.rfftfreq(128, 1 / SFREQ)
    power = np.abs(np.fft.rfft(X * np.hanning(128))) ** 2
    features = np.stack(
        [power[..., (frequencies >= low) & (frequencies <= high)].mean(-1) for low, high in BANDS.values()], axis=-1
    )
    features = np.log(features).reshape(len(X), -1)
    encoder = WeightFitter(alpha=np.logspace(-2, 4, 7))
    prediction = cross_val_predict(encoder, features, units, cv=KFold(5))
    r2 = r2_score(units, prediction, multioutput="raw_values")
    assert (r2 > 0.15).all()
    importance = np.abs(encoder.fit(features, units).coef_ * features.std(axis=0)).reshape(2, 3, 3)
    assert [tuple(map(int, np.unravel_index(unit.argmax(), unit.shape))) for unit in importance] == [(0, 0), (2, 1)]
    shuffled = np.random.default_rng(1).permutation(units)
    chance = r2_score(shuffled, cross_val_predict(encoder, features, shuffled, cv=KFold(5)), multioutput="raw_values")
    assert (chance < 0.05).all()


def test_needs_a_network_and_a_layer_that_exists(decoded):
    net, X = decoded
    with pytest.raises(TypeError):
        unit_responses(LogisticRegression().fit(X.reshape(120, -1), np.arange(120) % 2), X)
    with pytest.raises(ValueError, match="conv_out"):
        unit_responses(net, X, layer="conv_ou")


def test_band_power_predicts_units_of_a_net_trained_on_real_eeg_across_subjects(real_data):
    with np.load(real_data / "uci_eeg_train.npz") as file:
        scalp = ("FP1", "FP2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "CZ", "FZ")
        rows = [file["ch_names"].tolist().index(name) for name in scalp]
        X, y, subject = file["X"][::2][:, rows, ::2].astype(float), file["y"][::2], file["subject"][::2]
    settings = {"readout": "max", "training": "gradient", "num_filters": 4, "max_epochs": 8}
    net = SyncNetClassifier(**settings, sfreq=128.0, random_state=0).fit(X, y)
    units = np.log(unit_responses(net, X, layer="pool_out").data + 1e-3)
    frequencies = np.fft.rfftfreq(X.shape[2], 1 / 128.0)
    power = np.abs(np.fft.rfft(X * np.hanning(X.shape[2]))) ** 2
    limits = ((2, 4), (4, 8), (8, 13), (13, 30), (30, 45))
    power = [power[..., (frequencies >= low) & (frequencies < high)].mean(axis=-1) for low, high in limits]
    features = np.log(np.stack(power, axis=-1) + 1e-3).reshape(len(X), -1)
    encoder, cv = WeightFitter(alpha=np.logspace(0, 5, 6)), GroupKFold(5)
    prediction = cross_val_predict(encoder, features, units, cv=cv, groups=subject)
    r2 = r2_score(units, prediction, multioutput="raw_values")
    shuffled = np.random.default_rng(0).permutation(units)
    null = r2_score(
        shuffled, cross_val_predict(encoder, features, shuffled, cv=cv, groups=subject), multioutput="raw_values"
    )
    assert r2.max() > 0.2
    assert null.max() < 0.05
