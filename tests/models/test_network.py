"""A module becomes an estimator by naming it and its settings; what every network owes, whatever its module."""

import copy
import inspect
import numbers
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils._param_validation import Interval
from torch import nn

from eegexplain import PerturbationCorrelator
from eegexplain.models import NetworkClassifier, NetworkRegressor
from tests.estimators import CASES, trials

NETWORKS = [case for case in CASES if isinstance(case.make(), (NetworkClassifier, NetworkRegressor))]
every_network = pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.name)


class PowerNet(nn.Module):
    """Log power of a few filters: no weight is named as in SyncNet, and there is no scale of the input."""

    def __init__(self, n_chans, n_times, n_outputs, n_filters=3, kernel=9, activation=nn.ReLU):
        super().__init__()
        self.n_steps = 0
        self.mix = nn.Conv1d(n_chans, n_filters, min(kernel, n_times))
        self.activation = activation()
        self.final_layer = nn.Linear(n_filters, n_outputs)

    def forward(self, x):
        return self.final_layer(self.activation(self.mix(x)).square().mean(-1))

    def constrain(self):
        self.n_steps += 1
        with torch.no_grad():
            self.mix.weight.clamp_(-0.1, 0.1)


class PowerFacade:
    _module_class = PowerNet
    _lengths = ("kernel",)
    _parameter_constraints = {
        "n_filters": [Interval(numbers.Integral, 1, None, closed="left")],
        "kernel": [Interval(numbers.Real, 0, None, closed="neither")],
        "activation": [str, callable],
    }

    def __init__(self, *, n_filters=3, kernel=0.125, activation="Tanh", lr=0.01, **training):
        super().__init__(lr=lr, **training)
        self.n_filters = n_filters
        self.kernel = kernel
        self.activation = activation


class PowerClassifier(PowerFacade, NetworkClassifier):
    """Classify by power.

    Parameters
    ----------
    %(parameters)s
    """


class PowerRegressor(PowerFacade, NetworkRegressor):
    """Predict by power."""


SMALL = {"max_epochs": 3, "sfreq": 64.0, "random_state": 0, "validation_fraction": 0.0}


def test_settings_reach_the_module_with_lengths_in_samples():
    X, y = trials()
    module = PowerClassifier(n_filters=5, kernel=0.25, **SMALL).fit(X, y).net_.module_
    assert isinstance(module, PowerNet) and module.mix.weight.shape == (5, 3, 16)
    assert isinstance(module.activation, nn.Tanh)
    assert PowerClassifier(kernel=7, **SMALL).fit(X, y).net_.module_.mix.weight.shape == (3, 3, 7)


def test_signature_and_description_hold_own_and_shared_settings():
    names = list(inspect.signature(PowerClassifier).parameters)
    assert names[:4] == ["n_filters", "kernel", "activation", "lr"]
    assert "max_epochs" in names and "training" not in names
    assert set(PowerClassifier().get_params()) == set(names)
    assert PowerClassifier().lr == 0.01 and clone(PowerClassifier(lr=0.5)).lr == 0.5
    assert "Passes over the training trials" in PowerClassifier.__doc__
    with pytest.raises(TypeError, match="n_filter"):
        PowerClassifier(n_filter=3)


@pytest.mark.parametrize("params", [{"n_filters": 0}, {"kernel": -1.0}, {"activation": 3}, {"batch_size": 0}])
def test_ranges_of_own_and_shared_settings_are_checked(params):
    X, y = trials()
    with pytest.raises(ValueError, match=next(iter(params))):
        PowerClassifier(**{**SMALL, **params}).fit(X, y)


@pytest.mark.parametrize("make", [PowerClassifier, PowerRegressor])
def test_another_network_pickles_copies_and_cross_validates(make):
    X, y = trials(make is PowerRegressor)
    net = make(**SMALL).fit(X, y)
    expected = net.predict(X)
    for back in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        np.testing.assert_array_equal(back.predict(X), expected)
    assert np.isfinite(cross_val_score(make(**SMALL), X, y, cv=2)).all()


def test_limits_hold_after_every_step_of_training():
    X, y = trials(n_trials=20)
    module = PowerClassifier(**{**SMALL, "lr": 0.5, "batch_size": 8}).fit(X, y).net_.module_
    assert module.n_steps == 9  # 3 epochs of 3 batches
    assert float(module.mix.weight.detach().abs().max()) == pytest.approx(0.1)


def test_analyses_run_on_another_network():
    X, y = trials()
    explainer = PerturbationCorrelator(PowerClassifier(**SMALL), random_state=0).fit(X, y)
    assert explainer.correlations_.shape[:2] == (2, 3) and np.isfinite(explainer.correlations_).all()


def test_training_is_one_step_that_can_be_replaced():
    class Untrained(PowerClassifier):
        def _train(self, net, trials, target, groups, seed):
            self.seen_ = trials.shape, target.tolist(), groups.tolist(), seed
            self.n_iter_, self.history_ = 0, {}

    X, y = trials(n_trials=4)
    net = Untrained(**SMALL).fit(X, y, groups=[1, 1, 2, 2])
    shape, target, groups, seed = net.seen_
    assert shape == X.shape and target == [0, 1, 0, 1] and groups == [0, 0, 1, 1] and isinstance(seed, int)
    assert net.predict_proba(X).shape == (4, 2) and not net.history_


@every_network
def test_units_do_not_matter(case):
    """A module without a buffer `input_scale` fails here: volts are 1e-6 of microvolts."""
    X, y = trials(case.regression)
    micro, volts = case.make().fit(X, y), case.make().fit(X * 1e-6, y)
    answer = "predict" if case.regression else "predict_proba"
    np.testing.assert_allclose(getattr(volts, answer)(X * 1e-6), getattr(micro, answer)(X), rtol=1e-3, atol=1e-5)


@every_network
def test_no_torch_object_is_pickled(case):
    X, y = trials(case.regression)
    net = case.make().fit(X, y)
    assert b"torch" not in pickle.dumps(net)


@every_network
def test_the_precision_of_training_survives_pickling(case):
    X, y = trials(case.regression)
    torch.set_default_dtype(torch.float64)
    try:
        net = case.make().fit(X, y)
        data = pickle.dumps(net)
    finally:
        torch.set_default_dtype(torch.float32)
    back = pickle.loads(data)
    assert {p.dtype for p in back.net_.module_.parameters()} == {torch.float64}
    np.testing.assert_array_equal(back.predict(X), net.predict(X))


@pytest.mark.filterwarnings("ignore:trials of .* tell apart", "ignore:the trials have no power")
@every_network
def test_trials_of_any_length_train(case):
    rng = np.random.default_rng(0)
    y = rng.standard_normal(6) if case.regression else np.arange(6) % 2
    for n_times in (1, 7, 33, 100):
        X = rng.standard_normal((6, 2, n_times))
        assert np.isfinite(case.make().fit(X, y).predict(X)).all()
