"""Training: what is held out, which epoch is kept, and interrupts."""

import numpy as np
import pytest
import torch

from eegexplain.models._training import input_scale, validation_split
from tests.estimators import fast_classifier, trials


@pytest.mark.parametrize("stratify", [True, False])
def test_validation_keeps_class_shares_and_groups(stratify):
    y = np.repeat([0, 1], [60, 20])
    training, validation = validation_split(y, 0.2, None, 0, stratify)
    assert len(validation) == 16 and not set(training) & set(validation)
    if stratify:
        assert y[validation].mean() == 0.25
    groups = np.tile(np.arange(10), 8)
    training, validation = validation_split(y, 0.2, groups, 0, stratify)
    assert len(validation) and not set(groups[training]) & set(groups[validation])
    for few in (y[:1], y[[0, 1, 70]]):
        assert len(validation_split(few, 0.2, None, 0, True)[1]) == 0


def test_groups_decide_the_validation_part(monkeypatch):
    X, y = trials(n_trials=40)
    seen = {}
    original = validation_split

    def spy(y, fraction, groups, seed, stratify):
        seen["split"], seen["groups"] = original(y, fraction, groups, seed, stratify), groups
        return seen["split"]

    monkeypatch.setattr("eegexplain.models.syncnet.estimators.validation_split", spy)
    fast_classifier(validation_fraction=0.25).fit(X, y, groups=np.repeat(list("abcdefgh"), 5))
    training, validation = seen["split"]
    assert len(validation) and not set(seen["groups"][training]) & set(seen["groups"][validation])


def test_best_epoch_is_kept_and_patience_stops():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 2, 32)), np.arange(40) % 2  # nothing to learn: validation loss soon rises
    net = fast_classifier(validation_fraction=0.25, max_epochs=200, patience=5, lr=0.05).fit(X, y)
    losses = net.history_["valid_loss"]
    assert net.n_iter_ == len(losses) == losses.argmin() + 6 < 200
    seed_split = validation_split(y, 0.25, None, np.random.RandomState(0).randint(2**31 - 1), True)[1]
    probabilities = net.predict_proba(X[seed_split])
    loss = -np.log(probabilities[np.arange(len(seed_split)), y[seed_split]]).mean()
    assert loss == pytest.approx(losses.min(), rel=1e-4)


def test_interrupt_is_not_swallowed(monkeypatch):
    X, y = trials()

    def interrupt(self, closure=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.Adam, "step", interrupt)
    net = fast_classifier()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y)
    assert not hasattr(net, "net_")


@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_few_groups_of_a_regression_are_split_into_both_parts(fraction):
    training, validation = validation_split(np.arange(8.0), fraction, np.repeat([0, 1], 4), 0, False)
    assert len(training) == len(validation) == 4


def test_silent_trials_have_a_scale():
    assert input_scale(np.zeros((3, 2, 4))) == 1.0
