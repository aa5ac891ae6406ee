"""First stages of networks: found where they are affine, refused where trials go another way."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier
from torch import nn

from eegexplain._stages import affine_stage
from eegexplain._torch import TorchNet
from tests.estimators import closed_classifier, fast_classifier, fast_eegnet

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 3, 32)).astype(np.float32)
Y = np.arange(24) % 2


class Plain(nn.Module):
    """A stage, a nonlinearity, and what else `kind` says."""

    def __init__(self, kind="plain"):
        super().__init__()
        self.kind = kind
        self.first, self.act, self.last = nn.Conv1d(3, 4, 5, padding=2), nn.ELU(), nn.Linear(4, 2)

    def forward(self, x):
        x = x.tanh() if self.kind == "bent" else x
        h = self.act(self.first(x)).square().mean(-1)
        if self.kind == "skip":
            h = h + x.square().mean((1, 2))[:, None]
        return self.last(h.reshape(len(x) if self.kind == "counts" else -1, 4))


def network(kind):
    torch.manual_seed(0)
    net = NeuralNetClassifier(Plain, module__kind=kind, criterion=nn.CrossEntropyLoss, max_epochs=1, verbose=0)
    return TorchNet(net.fit(X, Y), X.shape[1:])


@pytest.mark.parametrize("make", [closed_classifier, fast_classifier, fast_eegnet])
def test_mixtures_behind_the_stage_are_mixtures_of_trials(make):
    net = TorchNet(clone(make()).fit(X, Y), X.shape[1:])
    net.module.train()
    stage = affine_stage(net, X)
    features = stage.features(X, batch_size=7)
    mixed = stage.outputs(features[:8] - features[8:16] + features[16:])
    expected = net.outputs(X[:8] - X[8:16] + X[16:])
    np.testing.assert_allclose(mixed, expected, atol=1e-4 * np.abs(expected).max())
    assert net.module.training and len(features) == len(X)  # modes are left as found
    assert not net.module._forward_hooks


def test_the_last_affine_layer_is_taken():
    net = network("plain")
    assert affine_stage(net, X).layer is net.module.first


@pytest.mark.parametrize("kind", ["bent", "skip", "counts"])
def test_networks_that_cannot_be_divided(kind):
    assert affine_stage(network(kind), X) is None


def test_few_trials_prove_nothing():
    assert affine_stage(network("plain"), X[:2]) is None
