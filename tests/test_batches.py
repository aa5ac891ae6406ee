"""Trials per pass: memory counted by hand, the same for every machine, and results that do not depend on it."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from eegexplain import _batches
from eegexplain._batches import RowBytes
from eegexplain._outputs import ScikitOutputs
from eegexplain._torch import TorchNet
from tests.estimators import fast_classifier

RNG = np.random.default_rng(0)


def measured(*layers, shape=(3, 50)):
    return RowBytes.of(nn.Sequential(*layers).requires_grad_(False), torch.randn(2, *shape))


def test_what_autograd_keeps_is_counted_once_and_without_what_trials_share():
    kept = measured(nn.Tanh(), nn.Sigmoid(), nn.Flatten(), nn.Linear(150, 400), nn.Tanh(), nn.Linear(400, 2))
    one = 4 * 150  # bytes; the weights of 4 x 150 x 400 are no trial's, tanh and sigmoid keep their outputs
    assert kept == RowBytes(one, 2 * one + 4 * 400, 4 * 400)


def test_memory_that_is_kept_twice_is_counted_once():
    found = RowBytes.of(lambda x: x.tanh().square(), torch.randn(2, 3, 50))  # both keep the output of tanh
    assert found == RowBytes(600, 600, 600)


def test_a_linear_network_keeps_nothing():
    assert measured(nn.Flatten(), nn.Linear(150, 2)) == RowBytes(600, 0, 0)


def test_what_cannot_be_differentiated_counts_as_the_trial():
    assert RowBytes.of(lambda x: torch.sign(x.detach()), torch.zeros(2, 3, 50)) == RowBytes(600, 0, 0)


@pytest.mark.parametrize(("n_gradients", "expected"), [(0, 1200 // (100 + 2 * 200)), (2, 1200 // (100 * 3 + 500))])
def test_rows_fit_into_the_budget(monkeypatch, n_gradients, expected):
    monkeypatch.setitem(_batches.BYTES, "cpu", 1200)
    assert RowBytes(100, 500, 200).rows(n_gradients) == expected


@pytest.mark.parametrize(("trial", "rows"), [(1, 256), (2**40, 1)])
def test_rows_have_limits(trial, rows):
    assert RowBytes(trial, 0, 0).rows() == RowBytes(trial, 0, 0).rows(3) == rows


def test_other_devices_take_more():
    assert RowBytes(10**6, 0, 0, "cuda").rows() > RowBytes(10**6, 0, 0).rows()


def batch_lengths(net, run):
    """Lengths of the batches that a run gives to a network."""
    seen = []
    with net.module.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0]))):
        run()
    return seen


@pytest.mark.parametrize(
    ("n_gradients", "run"),
    [
        (0, lambda net, X, size: net.outputs(X, batch_size=size)),
        (2, lambda net, X, size: list(net.gradients(X, batch_size=size))),
        (0, lambda net, X, size: list(net.activations(X, ["conv_out"], size))),
    ],
)
def test_every_pass_takes_its_rows(monkeypatch, n_gradients, run):
    X = RNG.standard_normal((12, 3, 32))
    net = TorchNet(fast_classifier().fit(X, np.arange(12) % 2), X.shape[1:])
    run(net, X, None)  # the axes of a layer are found once, by passes of their own
    # trials are 3 x 32 float32
    row = {0: 2 * net.row_bytes.largest, 2: net.row_bytes.kept + 2 * 384}[n_gradients] + 384
    monkeypatch.setitem(_batches.BYTES, "cpu", 5 * row)
    assert batch_lengths(net, lambda: run(net, X, None)) == [5, 5, 2]
    assert batch_lengths(net, lambda: run(net, X, 7)) == [7, 5]


def test_memory_of_a_network_is_measured_once(monkeypatch):
    X, measured = RNG.standard_normal((12, 3, 32)), []
    fitted = fast_classifier().fit(X, np.arange(12) % 2)
    of = RowBytes.of
    monkeypatch.setattr(RowBytes, "of", lambda *asked: measured.append(asked) or of(*asked))
    first, second = (TorchNet(fitted, X.shape[1:]).row_bytes for _ in range(2))
    assert first == second and len(measured) == 1
    assert TorchNet(fast_classifier().fit(X[..., :16], np.arange(12) % 2), (3, 16)).row_bytes.trial < first.trial
    assert len(measured) == 2


def test_batches_do_not_matter(monkeypatch):
    X = RNG.standard_normal((12, 3, 32))
    net = TorchNet(fast_classifier().fit(X, np.arange(12) % 2), X.shape[1:])
    expected = net.outputs(X)
    monkeypatch.setitem(_batches.BYTES, "cpu", 1)
    np.testing.assert_allclose(net.outputs(X), expected, atol=1e-6 * np.abs(expected).max())


def test_models_without_passes_take_blocks():
    model = ScikitOutputs(LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]), (2, 2))
    assert (model.rows(), model.rows(5)) == (256, 5)
