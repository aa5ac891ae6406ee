"""The part of a network behind a layer, alone: only where that answers as the whole does."""

import numpy as np
import pytest
import torch
from torch import nn

from eegexplain import as_estimator
from eegexplain._torch import TorchNet
from eegexplain.intervention._rest import Rest
from eegexplain.intervention._sites import find_sites

X = np.random.default_rng(0).standard_normal((6, 3, 32))


class Straight(nn.Module):
    """Everything passes the convolution."""

    def __init__(self):
        super().__init__()
        self.conv, self.cut, self.head = nn.Conv1d(3, 4, 5), nn.ELU(inplace=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.cut(self.conv(x)).mean(-1))


class Around(Straight):
    """A path leads around the convolution."""

    def forward(self, x):
        return super().forward(x) + x[:, :2].square().mean(-1)


class Shaped(Straight):
    """What follows reads how many trials there are."""

    def forward(self, x):
        return self.head(self.cut(self.conv(x)).reshape(len(x), 4, -1).mean(-1))


def rest_of(module, layer="conv", **settings):
    torch.manual_seed(0)
    net = TorchNet(as_estimator(module().double()), X.shape[1:])
    site = find_sites(net, [layer])[layer]
    return Rest.of(net, site, X, response="logit", **settings)


@pytest.mark.parametrize(("module", "alone"), [(Straight, True), (Around, False), (Shaped, False)])
def test_the_rest_runs_alone_where_it_may(module, alone):
    rest = rest_of(module)
    assert rest.alone is alone
    with torch.no_grad():
        x = rest.net.tensor(X)
        own = rest.states(X)
        cells = [np.array([0]), np.array([1, 3])]
        found = rest.answers(x, own, own.flip(0), cells)
        for cell, answers in zip(cells, found, strict=True):
            given = own.clone()
            given[:, cell] = own.flip(0)[:, cell]
            expected = rest.net.module.head(nn.functional.elu(given).mean(-1))
            if module is Around:
                expected = expected + x[:, :2].square().mean(-1)
            np.testing.assert_allclose(answers[..., 0], expected, rtol=1e-12)
            np.testing.assert_allclose(answers[..., 1], expected.log_softmax(-1), rtol=1e-12)


@pytest.mark.parametrize("module", [Straight, Around])
def test_batches_do_not_matter(module):
    cells = [*np.arange(4)[:, None]]
    answers = []
    for rows in (None, 1, 5):
        rest = rest_of(module, batch_size=rows)
        with torch.no_grad():
            own = rest.states(X)
            answers.append(rest.answers(rest.net.tensor(X), own, own[:1], cells))
    np.testing.assert_allclose(answers[1], answers[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(answers[2], answers[0], rtol=1e-12, atol=1e-14)


def test_states_are_kept_where_they_fit():
    rest = rest_of(Straight)
    bytes_needed = 6 * 4 * 28 * 8
    assert rest.states_kept(X, bytes_needed - 1) is None
    known, places = rest.states_kept(X, bytes_needed), np.array([4, 0])
    with torch.no_grad():
        assert torch.equal(rest.states_of(X, places, known), rest.states(X)[places])
        np.testing.assert_allclose(rest.states_of(X, places, None), rest.states(X)[places], rtol=1e-12)
