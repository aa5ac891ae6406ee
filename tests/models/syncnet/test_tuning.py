"""Gradients after a closed form: where they start, how many epochs help, what the network is then."""

import numpy as np
import pytest
import torch

from eegexplain.datasets import make_synchrony_eeg
from eegexplain.models import SyncNetClassifier
from eegexplain.models.syncnet._tuning import TrainingSet, surely_lower, trial_losses
from tests.estimators import fast_classifier, fast_regressor, trials

POWER = {"readout": "log_power"}
ESTIMATORS = "eegexplain.models.syncnet.estimators"


def weights(net):
    return np.concatenate([value.numpy().ravel() for value in net.net_.module_.state_dict().values()])


@pytest.fixture
def split(monkeypatch):
    """The last ten trials are held out, whatever their labels."""
    parts = np.arange(30), np.arange(30, 40)
    monkeypatch.setattr(f"{ESTIMATORS}.validation_split", lambda *given: parts)
    return parts


def decide(monkeypatch, answer):
    seen = []
    monkeypatch.setattr(f"{ESTIMATORS}.surely_lower", lambda *given: seen.append(given) or answer)
    return seen


def test_losses_of_trials():
    X, y = trials()
    net = fast_classifier(**POWER).fit(X, y)
    codes = np.searchsorted(net.classes_, y)
    expected = -np.log(net.predict_proba(X)[np.arange(len(y)), codes])
    np.testing.assert_allclose(trial_losses(net.net_.module_, TrainingSet(X, codes, None), True), expected, rtol=1e-4)
    target = np.random.default_rng(0).standard_normal((len(X), 2)).astype(np.float32)
    model = fast_regressor().fit(X, target)
    expected = np.square(model.predict(X) - target).mean(axis=1)
    found = trial_losses(model.net_.module_, TrainingSet(X, target, None), False)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_loss_that_falls_by_less_than_its_error_does_not_count():
    before, noise = np.ones(64), np.tile([1.0, -1.0], 32)  # the error of a mean of 64 is an eighth of their deviation
    assert surely_lower(before - 2.6 / 8 - noise, before) and not surely_lower(before - 2.4 / 8 - noise, before)
    assert not surely_lower(before + 0.5, before) and not surely_lower(before, before)
    groups = np.repeat(np.arange(4), 16)
    uneven = np.repeat([1.0, 0, 0, 0], 16)  # all the gain in one of four groups
    assert surely_lower(before - uneven, before) and not surely_lower(before - uneven, before, groups)
    assert surely_lower(before - 0.1 - noise, before, groups)
    assert surely_lower(before - uneven, before, np.repeat([0, 1], 32))  # two groups have no error worth the name
    assert not surely_lower(before - np.nan, before) and not surely_lower(before[:1] - 1, before[:1])


@pytest.mark.parametrize("make", [fast_classifier, fast_regressor])
def test_tuning_that_does_not_help_leaves_the_closed_form_of_all_trials(make, monkeypatch):
    X, y = trials(make is fast_regressor, n_trials=40)
    seen = decide(monkeypatch, False)
    net = make(**POWER, training="both", validation_fraction=0.25).fit(X, y)
    closed = make(**POWER, training="closed").fit(X, y)
    np.testing.assert_array_equal(weights(net), weights(closed))
    assert net.n_iter_ == 0 and len(seen) == 1 and len(net.history_["valid_loss"]) == 2
    few = make(**POWER, training="both").fit(X, y)  # no validation part
    np.testing.assert_array_equal(weights(few), weights(closed))
    assert few.n_iter_ == 0 and few.history_ == {}


def test_the_closed_form_of_all_trials_is_tuned_for_the_chosen_epochs(split, monkeypatch):
    X, y = trials(n_trials=40)
    seen = decide(monkeypatch, True)
    net = fast_classifier(**POWER, training="both", max_epochs=6, lr=0.2).fit(X, y)
    ((after, before, _),) = seen
    part = fast_classifier(**POWER, training="closed").fit(X[split[0]], y[split[0]])
    codes = np.searchsorted(net.classes_, y)[split[1]]
    expected = -np.log(part.predict_proba(X[split[1]])[np.arange(len(codes)), codes])
    np.testing.assert_allclose(before, expected, rtol=1e-3)
    losses = net.history_["valid_loss"]
    assert net.n_iter_ == losses.argmin() + 1 and after.mean() == pytest.approx(losses.min(), rel=1e-4)
    assert len(net.net_.history) == net.n_iter_  # of the network as it is
    closed = fast_classifier(**POWER, training="closed").fit(X, y)
    change = np.abs(weights(net) - weights(closed))
    steps = net.n_iter_ * 5  # batches of 8 of all 40 trials; Adam's step is at most about its rate
    assert 0 < change.max() < 1.5 * steps * 0.2 * 0.2 * 3 * 2


def test_groups_reach_the_decision(monkeypatch):
    X, y = trials(n_trials=40)
    seen = decide(monkeypatch, False)
    groups = np.repeat(np.arange(10), 4)
    fast_classifier(**POWER, training="both", validation_fraction=0.25).fit(X, y, groups=groups)
    assert len(seen[0][2]) == len(seen[0][0]) and 0 < len(np.unique(seen[0][2])) < 10


@pytest.mark.parametrize("readout", ["log_power", "max"])
def test_tangent_start_is_the_closed_form_of_the_training_part(readout, split):
    X, y = trials(n_trials=40)
    still = {"training": "gradient", "init": "tangent", "lr": 1e-12, "max_epochs": 1}
    net = fast_classifier(**still, readout=readout).fit(X, y)
    closed = fast_classifier(**POWER, training="closed").fit(X[split[0]], y[split[0]])
    found, expected = (torch.polar(one.net_.module_.amplitude, one.net_.module_.phi_ini) for one in (net, closed))
    np.testing.assert_allclose(found.detach(), expected.detach(), rtol=0.1, atol=1e-2)
    others = y.copy()
    others[split[1]] = y[split[1]][::-1]
    assert (others != y).any()
    np.testing.assert_allclose(fast_classifier(**still, readout=readout).fit(X, others).templates_, net.templates_)
    if readout == "log_power":
        np.testing.assert_allclose(net.predict_proba(X), closed.predict_proba(X), atol=0.05)
    random = fast_classifier(**{**still, "init": "strata"}, readout=readout).fit(X, y)
    assert np.abs(random.templates_ - net.templates_).max() > 0.01


def test_trials_without_power_start_nowhere_else():
    X, y = np.ones((12, 2, 64)), np.arange(12) % 2
    with pytest.warns(UserWarning, match="no power"):
        both = fast_classifier(**POWER, training="both", validation_fraction=0.25).fit(X, y)
    assert np.ptp(both.predict_proba(X), axis=0).max() < 1e-6
    start = fast_classifier(init="tangent").fit(X, y)
    assert np.abs(start.templates_).max() > 0 and np.isfinite(start.predict_proba(X)).all()


def test_tuning_needs_the_readout_of_the_closed_form():
    X, y = trials()
    with pytest.raises(ValueError, match="training='both' needs readout='log_power'"):
        fast_classifier(training="both").fit(X, y)
    with pytest.raises(ValueError, match="init"):
        fast_classifier(init="random").fit(X, y)


@pytest.mark.slow
def test_where_tuning_is_chosen_it_improves_what_is_known_of_synchrony():
    """The closed form cuts a rhythm and its lags into strata; gradients can move filters to where it is."""
    tuned = []
    for seed in (953, 954):
        eeg = make_synchrony_eeg(1200, random_state=seed)
        settings = {**POWER, "sfreq": eeg.sfreq, "random_state": 0, "max_epochs": 20}
        losses = {}
        for training in ("closed", "both"):
            net = SyncNetClassifier(**settings, training=training).fit(eeg.X[:400], eeg.y[:400])
            data = TrainingSet(eeg.X[400:], np.searchsorted(net.classes_, eeg.y[400:]), None)
            losses[training] = trial_losses(net.net_.module_, data, True)
        if net.n_iter_:
            tuned.append(seed)
            assert surely_lower(losses["both"], losses["closed"])
        else:
            np.testing.assert_array_equal(losses["both"], losses["closed"])
    assert tuned
