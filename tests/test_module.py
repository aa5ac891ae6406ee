"""A torch module that several share: seeds, locks, modes, hooks and copies."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from torch import nn

from eegexplain import _module as m
from eegexplain.inspection import model_randomization
from eegexplain.reverse_correlation import EnvelopeCorrelator, ReverseCorrelator
from tests.estimators import trials

N_THREADS = 8


def test_what_works_in_place_behind_a_layer_does_not_change_what_was_seen():
    net = nn.Sequential(nn.Conv1d(2, 3, 5), nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(2))
    x = torch.randn(4, 2, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), m.capture(net, ["0"]) as seen:
        net(x)
    torch.testing.assert_close(seen["0"][0], net[0](x).detach())


def test_seeded_sections_are_serial_and_leave_the_generator():
    state = torch.get_rng_state()
    draws = []

    def draw():
        with m.seeded(5):
            first = torch.rand(3)
            time.sleep(0.02)  # time for another thread to seed the generator anew
            draws.append((first, torch.rand(3)))

    workers = [threading.Thread(target=draw) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(draws) == 4
    for one, other in draws[1:]:
        assert torch.equal(one, draws[0][0]) and torch.equal(other, draws[0][1])
    assert torch.equal(torch.get_rng_state(), state)


class Slow(nn.Module):
    """Its passes last long enough for other threads to meet its hooks; those of its copies do not."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 2, 5)
        self.pause = Pause(5e-3)
        self.readout = nn.Linear(2, 2)

    def forward(self, x):
        return self.readout(self.pause(self.conv(x)).square().mean(-1))


class Pause(nn.Module):
    def __init__(self, seconds=0.0):
        super().__init__()
        self.seconds = seconds

    def forward(self, x):
        time.sleep(self.seconds)
        return x

    def __deepcopy__(self, memo):
        return Pause()


@pytest.fixture(scope="module")
def shared():
    X, y = trials()
    with m.seeded(0):
        net = NeuralNetClassifier(Slow, criterion=nn.CrossEntropyLoss, max_epochs=1, train_split=None, verbose=0)
        return FrozenEstimator(net.fit(X.astype(np.float32), np.arange(len(X)) % 2)), X, np.arange(len(X)) % 2


def reverse(net, X, y):
    return ReverseCorrelator(net, layer="conv").fit(X, y).templates_


def envelopes(net, X, y):
    correlator = EnvelopeCorrelator(net, layer="conv", bands={"all": (1, 30)}, sfreq=64.0, random_state=0).fit(X, y)
    return np.stack([correlator.correlations_, correlator.baseline_correlations_])


def randomised(net, X, y):
    return model_randomization(ReverseCorrelator(net, layer="conv").fit(X, y), X, random_state=0).similarity


@pytest.mark.parametrize("analysis", [reverse, envelopes, randomised])
def test_eight_threads_on_one_network_give_what_one_gives(shared, analysis):
    """Copied outside its lock, the network carries the recording hooks of another thread, or changes while copied."""
    expected, module = analysis(*shared), shared[0].estimator.module_
    barrier, interval = threading.Barrier(N_THREADS), sys.getswitchinterval()

    def work(_):
        barrier.wait()
        return [analysis(*shared) for _ in range(2)]

    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(N_THREADS) as pool:
            results = [result for results in pool.map(work, range(N_THREADS)) for result in results]
    finally:
        sys.setswitchinterval(interval)
    assert len(results) == 2 * N_THREADS
    for result in results:
        np.testing.assert_array_equal(result, expected)
    assert module.training and all(p.requires_grad for p in module.parameters())
    assert not any(child._forward_hooks for child in module.modules())


def test_a_network_is_copied_between_the_passes_of_other_threads():
    module, copies = Slow(), []
    with m.inference(module), m.capture(module, ["conv"]):
        worker = threading.Thread(target=lambda: copies.append(m.copied(module)))
        worker.start()
        worker.join(0.1)
        assert not copies  # hooks and modes of this thread are on
    worker.join()
    assert copies[0].training and not copies[0].conv._forward_hooks
    assert all(p.requires_grad for p in copies[0].parameters())


class Watched(nn.Module):
    """A network with a hook of its own, which keeps what was computed."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 2, 5)
        self.conv.register_forward_hook(self.keep)
        self.kept = None

    def keep(self, module, inputs, output):
        self.kept = output.detach().mean()

    def forward(self, x):
        return self.conv(x).mean(-1)


@pytest.mark.parametrize("copy", [m.copied, lambda module: m.reinitialized(module, 0)])
def test_hooks_that_cannot_be_copied_still_act_on_the_copy(copy):
    module, lock, x = Watched(), threading.Lock(), torch.ones(1, 3, 8)

    class Ablation:
        def __init__(self):
            self.lock = lock  # cannot be copied

        def __call__(self, module, inputs, output):
            return output * 0

    module.conv.register_forward_hook(Ablation())
    twin = copy(module)
    assert len(module.conv._forward_hooks) == len(twin.conv._forward_hooks) == 2
    assert (twin(x) == 0).all()
    assert twin.kept is not None and module.kept is None  # a method of the network became the copy's
    assert twin.conv.weight is not module.conv.weight
