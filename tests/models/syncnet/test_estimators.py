"""The facades: what they learn on EEG whose truth is known, and how they behave as scikit-learn estimators."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils import Bunch
from torch import nn

from eegexplain._torch import TorchNet
from eegexplain.datasets import ideal_observer_accuracy, make_oscillatory_eeg, make_synchrony_eeg
from eegexplain.models import SyncNetClassifier
from tests.estimators import fast_classifier, fast_regressor, trials

CONFIRMATION_SEEDS = range(5)  # the defaults were chosen on seeds from 100


def leading_filter(net, eeg, k):
    """The filter whose activity speaks most for class k: by its part in the logit, on trials not trained on."""
    wrapped = TorchNet(net, eeg.X.shape[1:])
    pools = np.concatenate([batch["pool_out"] for _, batch in wrapped.activations(eeg.X, ["pool_out"])])
    weights = net.net_.module_.final_layer.weight.detach().numpy().reshape(len(net.classes_), *pools.shape[1:])
    parts = np.einsum("nfp,kfp->nkf", pools, weights - weights.mean(0))[:, k]
    own = eeg.y == net.classes_[k]
    lead = parts[own].mean(0) - parts[~own].mean(0)
    return np.where(parts.mean(0) > 0, lead, -np.inf).argmax()


@pytest.mark.slow
@pytest.mark.parametrize("seed", CONFIRMATION_SEEDS)
def test_facade_trained_by_gradients_finds_the_planted_rhythms(seed):
    eeg = make_oscillatory_eeg(400, random_state=seed)
    held_out = Bunch(X=eeg.X[200:], y=eeg.y[200:])
    settings = {"readout": "max", "training": "gradient"}
    net = SyncNetClassifier(**settings, sfreq=eeg.sfreq, random_state=seed).fit(eeg.X[:200], eeg.y[:200])
    peaks = net.filter_table_["peak_frequency"]
    for k, planted in enumerate((10.0, 22.0)):
        assert abs(peaks[leading_filter(net, held_out, k)] - planted) < 1
    bound = ideal_observer_accuracy(eeg)
    assert 0.7 < net.score(held_out.X, held_out.y) < bound + 3 * np.sqrt(bound * (1 - bound) / 200)


@pytest.mark.slow
@pytest.mark.parametrize("seed", CONFIRMATION_SEEDS)
def test_facade_finds_frequency_and_lags_of_synchrony(seed):
    """Two filters, since one rhythm is planted: twenty would share its lags out among them."""
    eeg, held_out = (make_synchrony_eeg(2000, random_state=seed), make_synchrony_eeg(500, random_state=seed + 1000))
    settings = {"num_filters": 2, "lr": 0.01, "batch_size": 32, "max_epochs": 25, "frequency_range": (3, 22)}
    settings |= {"readout": "max", "training": "gradient"}
    net = SyncNetClassifier(**settings, sfreq=eeg.sfreq, random_state=seed).fit(eeg.X, eeg.y)
    lead = leading_filter(net, held_out, 1)
    assert abs(net.filter_table_["peak_frequency"][lead] - 10) < 1
    names = [name for name in net.filter_table_.columns if name.startswith("phase_")]
    phases = net.filter_table_.loc[lead, names].to_numpy(float)
    used = eeg.truth.patterns[0] >= 1
    turn = np.exp(1j * (phases - eeg.truth.lags))[used]
    assert np.abs(np.angle(turn / turn.mean())).max() < 0.3
    accuracy, bound = net.score(held_out.X, held_out.y), ideal_observer_accuracy(held_out)
    margin = 3 * np.sqrt(bound * (1 - bound) / 500)
    assert 0.85 < accuracy < bound + margin


def test_volts_and_microvolts_give_the_same_network():
    X, y = trials()
    micro, volts = fast_classifier(max_epochs=5).fit(X, y), fast_classifier(max_epochs=5).fit(X * 1e-6, y)
    np.testing.assert_allclose(volts.predict_proba(X * 1e-6), micro.predict_proba(X), rtol=1e-3)
    np.testing.assert_allclose(volts.templates_ * 1e-6, micro.templates_, rtol=1e-2, atol=1e-5)
    assert float(micro.net_.module_.input_scale) == pytest.approx(np.sqrt(np.mean(X**2)), rel=1e-6)


def test_the_same_settings_mean_the_same_at_other_rates():
    """A trial sampled twice as densely gives the same rhythm in Hz, window in seconds and filter gain."""
    t = np.arange(256) / 256
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    rhythm = np.sin(2 * np.pi * 12 * t + rng.uniform(0, 6, (40, 1, 1)))
    X = rng.standard_normal((40, 1, 256)) + 3 * y[:, None, None] * rhythm
    settings = {"readout": "max", "training": "gradient", "random_state": 0}
    fine = SyncNetClassifier(sfreq=256, num_filters=4, max_epochs=3, **settings).fit(X, y)
    coarse = SyncNetClassifier(sfreq=128, num_filters=4, max_epochs=3, **settings).fit(X[..., ::2], y)
    assert fine.net_.module_.filter_width == 102 and coarse.net_.module_.filter_width == 51
    np.testing.assert_allclose(
        fine.filter_table_["carrier_frequency"], coarse.filter_table_["carrier_frequency"], atol=1.5
    )
    starts = [SyncNetClassifier(sfreq=sfreq, max_epochs=1, lr=1e-9, **settings).fit(X[..., ::step], y)
              for sfreq, step in ((256, 1), (128, 2))]  # fmt: skip
    gains = [net.templates_.std() * net.templates_.shape[2] for net in starts]
    assert gains[0] == pytest.approx(gains[1], rel=0.1)


@pytest.mark.parametrize("make", [fast_classifier, fast_regressor])
def test_copies_hold_the_weights_and_no_torch_object(make):
    X, y = trials(make is fast_regressor)
    net = make(max_epochs=3).fit(X, y)
    expected = net.predict(X)
    for back in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        np.testing.assert_array_equal(back.predict(X), expected)
        np.testing.assert_array_equal(back.templates_, net.templates_)
    assert b"torch" not in pickle.dumps(net)
    assert not hasattr(clone(net), "net_")


def test_skops_trusts_our_classes_only(tmp_path):
    skops_io = pytest.importorskip("skops.io")
    X, y = trials()
    net = fast_classifier().fit(X, y)
    path = tmp_path / "net.skops"
    skops_io.dump(net, path)
    unknown = skops_io.get_untrusted_types(file=path)
    assert all(name.startswith("eegexplain.") for name in unknown)
    np.testing.assert_array_equal(skops_io.load(path, trusted=unknown).predict_proba(X), net.predict_proba(X))


def test_decision_function_follows_scikit_learn():
    X, y = trials(n_trials=18)
    binary = fast_classifier().fit(X, y)
    probability = binary.predict_proba(X)
    np.testing.assert_allclose(binary.decision_function(X), np.log(probability[:, 1] / probability[:, 0]), atol=1e-5)
    several = fast_classifier().fit(X, np.arange(18) % 3)
    assert several.decision_function(X).shape == several.predict_proba(X).shape == (18, 3)
    assert binary.net_.module_.n_outputs == 2


def test_regressor_learns_in_the_unit_of_the_target():
    rng = np.random.default_rng(0)
    t = np.arange(128) / 128
    strength = rng.uniform(0, 2, 120)
    X = 0.3 * rng.standard_normal((120, 2, 128))
    X[:, 0] += strength[:, None] * np.sin(2 * np.pi * 10 * t + rng.uniform(0, 6, (120, 1)))
    net = fast_regressor(num_filters=8, filter_width=0.4, pool_size=0.3, sfreq=128, max_epochs=30, lr=0.01)
    net.fit(X[:90], 1000 * strength[:90] + 5000)
    assert net.score(X[90:], 1000 * strength[90:] + 5000) > 0.6
    outputs = TorchNet(net, X.shape[1:]).outputs(X[90:])[:, 0]
    np.testing.assert_allclose(outputs, net.predict(X[90:]))
    assert 4000 < outputs.mean() < 8000
    two = fast_regressor().fit(X, np.stack([strength, -strength], 1))
    assert two.predict(X).shape == (120, 2)


def test_memmap_trials_train_without_a_copy(tmp_path):
    X, y = trials(n_trials=20)
    X.astype(np.float32).tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", dtype=np.float32, mode="r", shape=X.shape)
    a = fast_classifier().fit(mapped, y).predict_proba(mapped)
    np.testing.assert_array_equal(a, fast_classifier().fit(X.astype(np.float32), y).predict_proba(X.astype(np.float32)))


class ThreadCounter(nn.ReLU):
    seen = set()

    def forward(self, x):
        self.seen.add(torch.get_num_threads())
        return super().forward(x)


def test_training_and_prediction_use_one_thread_whatever_torch_is_set_to():
    """Workers of joblib have one: with more here, the same seed would give another network."""
    X, y = trials()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fast_classifier(activation=ThreadCounter).fit(X, y).predict_proba(X)
        assert ThreadCounter.seen == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_cross_validation_in_parallel_is_that_in_series(backend):
    X, y = trials(n_trials=24)
    net = fast_classifier(validation_fraction=0.25, drop_prob=0.2)
    serial = cross_val_score(net, X, y, cv=4, scoring="neg_log_loss")
    with joblib.parallel_config(backend=backend, n_jobs=2):
        np.testing.assert_array_equal(cross_val_score(net, X, y, cv=4, scoring="neg_log_loss"), serial)
    assert len(np.unique(serial)) == 4


def test_a_constant_shift_of_the_target_shifts_the_predictions():
    X, y = trials(regression=True)
    np.testing.assert_allclose(
        fast_regressor().fit(X, 3 * y + 100).predict(X), 3 * fast_regressor().fit(X, y).predict(X) + 100, rtol=1e-4
    )


def test_parameters_of_numpy_types_are_cloned_and_searched():
    X, y = trials()
    params = {"frequency_range": np.array([2.0, 20.0]), "filter_width": np.int64(6), "lr": np.float64(0.01)}
    net = clone(fast_classifier(**params, ch_names=np.array(["C3", "Cz", "C4"]))).fit(X, y)
    assert net.templates_.shape == (2, 3, 6)
    search = GridSearchCV(net, {"filter_width": np.array([0.125, 0.25])}, cv=2, refit=False, error_score="raise")
    assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("unit", [1e-40, 1e40])
def test_units_beyond_single_precision_are_named(unit):
    X, y = trials()
    with pytest.raises(ValueError, match="root mean square of .* rescale X"):
        fast_classifier().fit(X * unit, y)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"sfreq": 0}, "sfreq"),
        ({"frequency_range": (10,)}, "expected two numbers"),
        ({"frequency_range": (70, 90)}, "above the Nyquist frequency of 32 Hz"),
        ({"sfreq": 1.0}, "Nyquist frequency of 0.5 Hz.*right sfreq"),
        ({"activation": nn.Tanh()}, "give the class.*'Tanh'"),
        ({"sfreq": -128.0}, "sfreq"),
        ({"num_filters": 0}, "num_filters"),
        ({"padding": "valid"}, "padding"),
        ({"drop_prob": 1.0}, "drop_prob"),
        ({"activation": "Relu"}, "Did you mean 'ReLU'"),
        ({"frequency_range": (40, 2)}, "frequency_range"),
        ({"ch_names": ["C3", "C3", "C4"]}, "C3 occur more than once"),
        ({"ch_names": ["C3"]}, "1 names, but the trials have 3"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
    ],
)
def test_bad_settings(params, words):
    X, y = trials()
    with pytest.raises(ValueError, match=words):
        fast_classifier(**params).fit(X, y)


def test_diverged_training_is_an_error():
    X, y = trials()
    with pytest.raises(ValueError, match="diverged"):
        fast_classifier(lr=1e30, max_epochs=5).fit(X, y)


def test_names_reach_the_table():
    X, y = trials()
    table = fast_classifier(ch_names=["C3", "Cz", "C4"]).fit(X, y).filter_table_
    assert {"amplitude_Cz", "phase_C4", "peak_frequency"} <= set(table.columns) and len(table) == 2


def test_training_follows_torchs_default_dtype():
    X, y = trials()
    torch.set_default_dtype(torch.float64)
    try:
        net = fast_classifier().fit(X, y)
        assert net.net_.module_.amplitude.dtype == torch.float64
        data = pickle.dumps(net)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(pickle.loads(data).predict_proba(X), net.predict_proba(X))


@pytest.mark.parametrize("readout", ["max", "log_power"])
def test_training_by_way_of_spectra_gives_the_same_network(readout, monkeypatch):
    """Same seeds, validation part and batches: the routes are one convolution."""
    X, y = trials(n_trials=40)
    nets = []
    torch.set_default_dtype(torch.float64)
    try:
        for taken in (False, True):
            monkeypatch.setattr("eegexplain.models.syncnet.module.spectra_pay", lambda *sizes, taken=taken: taken)
            net = fast_classifier(readout=readout, max_epochs=8, validation_fraction=0.25, drop_prob=0.2, lr=0.02)
            nets.append(net.fit(X, y))
            assert net.net_.module_.spectral == taken
        first, second = (net.decision_function(X) for net in nets)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(second, first, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(nets[1].templates_, nets[0].templates_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(nets[1].history_["valid_loss"], nets[0].history_["valid_loss"], rtol=1e-6)


def test_progress_is_on_stderr_only_when_asked(capfd):
    X, y = trials()
    fast_classifier().fit(X, y)
    assert capfd.readouterr() == ("", "")
    fast_classifier(verbose=1).fit(X, y)
    out, err = capfd.readouterr()
    assert out == "" and "training" in err
