"""Several networks as one: its outputs are the mean of theirs, and all that runs on a network runs on it."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from eegexplain import FLEXAttributor, ReverseCorrelator
from eegexplain.models import SyncNetClassifier
from tests.estimators import fast_classifier, fast_regressor, trials

N = 3


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def members(net, X, y, **fit):
    """The networks of an ensemble, trained one by one."""
    seeds = np.random.RandomState(net.random_state).randint(2**31 - 1, size=net.n_networks)
    return [clone(net).set_params(n_networks=1, random_state=seed).fit(X, y, **fit) for seed in seeds]


SETTINGS = [
    {},
    {"readout": "log_power", "n_windows": 2},
    {"padding": "braindecode", "filter_width": 7},
    {"drop_prob": 0.3, "validation_fraction": 0.25, "activation": "Tanh"},
]


@pytest.mark.parametrize("params", SETTINGS, ids=lambda params: "-".join(params) or "default")
def test_logits_are_the_mean_of_the_members_logits(params, double):
    X, y = trials(n_trials=20)
    net = fast_classifier(n_networks=N, **params).fit(X, y)
    parts = members(net, X, y)
    logits = [part.decision_function(X) for part in parts]
    np.testing.assert_allclose(net.decision_function(X), np.mean(logits, axis=0), rtol=1e-12, atol=1e-12)
    assert np.std(logits, axis=0).min() > 1e-3  # networks of their own
    np.testing.assert_array_equal(net.templates_, np.concatenate([part.templates_ for part in parts]))
    assert net.filter_table_.to_numpy(float) == pytest.approx(
        np.concatenate([part.filter_table_.to_numpy(float) for part in parts]), nan_ok=True
    )


def test_single_precision_and_several_classes():
    X, _ = trials(n_trials=18)
    y = np.arange(18) % 3
    net = fast_classifier(n_networks=N).fit(X, y)
    expected = np.mean([part.decision_function(X) for part in members(net, X, y)], axis=0)
    np.testing.assert_allclose(net.decision_function(X), expected, rtol=1e-5, atol=1e-5)


def test_predictions_of_numbers_are_the_mean_in_the_unit_of_the_target(double):
    X, y = trials(regression=True)
    target = np.stack([1000 * y + 5000, -y], axis=1)
    net = fast_regressor(n_networks=N).fit(X, target)
    expected = np.mean([part.predict(X) for part in members(net, X, target)], axis=0)
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-10)


def test_each_network_holds_out_groups_of_its_own():
    X, y = trials(n_trials=40)
    groups = np.repeat(np.arange(10), 4)
    net = fast_classifier(n_networks=N, validation_fraction=0.2, max_epochs=30, patience=2, lr=0.05)
    net.fit(X, y, groups=groups)
    parts = members(net, X, y, groups=groups)
    assert net.n_iter_.tolist() == [part.n_iter_ for part in parts] and len(set(net.n_iter_)) > 1
    for name, losses in net.history_.items():
        assert losses.shape == (N, net.n_iter_.max())
        for row, part in zip(losses, parts, strict=True):
            np.testing.assert_array_equal(row[: part.n_iter_], part.history_[name])
            assert np.isnan(row[part.n_iter_ :]).all()
    assert len(np.unique(net.history_["valid_loss"][:, 0])) == N


def test_more_networks_keep_the_first_ones():
    X, y = trials()
    two, three = (fast_classifier(n_networks=n).fit(X, y).templates_ for n in (2, 3))
    np.testing.assert_array_equal(three[: len(two)], two)


def test_copies_and_what_explains_a_network_take_the_whole():
    X, y = trials()
    net = fast_classifier(n_networks=N).fit(X, y)
    back = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(back.predict_proba(X), net.predict_proba(X))
    assert back.net_.module_.num_filters == 2 * N == len(back.filter_table_)
    assert ReverseCorrelator(net).fit(X, y).templates_.shape[0] == 2 * N
    assert np.isfinite(FLEXAttributor(net, n_steps=3, random_state=0).fit(X, y).attributions_).all()


def test_what_cannot_be_joined_is_refused():
    X, y = trials()
    with pytest.raises(ValueError, match="n_networks is 2.*activation.weight.*without weights"):
        fast_classifier(n_networks=2, activation=nn.PReLU, lr=0.1).fit(X, y)
    with pytest.raises(ValueError, match="n_networks is 2.*'closed'"):
        fast_classifier(n_networks=2, readout="log_power", training="closed").fit(X, y)
    with pytest.raises(ValueError, match="n_networks"):
        SyncNetClassifier(n_networks=0).fit(X, y)
