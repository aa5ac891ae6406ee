"""Blocks under a memory limit: what is planned fits, and what is counted adds up."""

import numpy as np
import pytest
import torch
from torch import nn

from eegexplain._batches import RowBytes
from eegexplain._torch import TorchNet, gradient_mode
from eegexplain.attribution._baselines import Bank
from eegexplain.attribution._engine import Checks, Engine, Settings
from eegexplain.attribution._methods import METHODS

N_OUTPUTS, N_CHANNELS, N_TIMES = 6, 4, 50


class Net:
    """As much of a wrapped network as an engine asks for, in double precision."""

    device, n_outputs = "cpu", N_OUTPUTS
    row_bytes, rows = RowBytes(trial=8 * N_CHANNELS * N_TIMES, kept=0, largest=0), TorchNet.rows

    def __init__(self, module):
        self.module = module.double()

    def tensor(self, x):
        return torch.as_tensor(x, dtype=torch.float64)

    def respond(self, x, response):
        return self.module(x)


def engine(module=None, **settings):
    module = nn.Sequential(nn.Flatten(), nn.Linear(N_CHANNELS * N_TIMES, N_OUTPUTS)) if module is None else module
    bank = Bank("zeros", np.zeros((1, N_CHANNELS, N_TIMES)))
    options = {"method": METHODS["integrated_gradients"], "n_steps": 4, "memory_limit": 2**30}
    return Engine(Net(module), bank, np.zeros((1, 1)), Settings(response="logit", **options | settings))


@pytest.mark.parametrize("memory_limit", [1, 20_000, 100_000, 400_000, 3_000_000, 2**40])
@pytest.mark.parametrize("n_targets", [1, 6])
def test_plans_fit_into_memory_and_use_it(memory_limit, n_targets):
    """A quarter of the limit for sums by six rules, two maps, sketches and averages, another for trials that wait."""
    X, targets = np.ones((9, N_CHANNELS, N_TIMES)), np.tile(np.arange(n_targets), (9, 1))
    plan = engine(memory_limit=memory_limit, batch_size=32)._plan(X, targets)
    size, groups, rows = plan.size, plan.groups, plan.rows
    assert np.concatenate(groups).tolist() == list(range(n_targets))
    one, width = N_CHANNELS * N_TIMES * 8, max(map(len, groups))
    kept = 8 * one + 95 * 32 * 8
    held, quarter = width * (kept + N_CHANNELS * N_TIMES * 24), memory_limit / 4
    assert 1 <= size <= 64 and 1 <= rows <= 32
    assert size == 1 or size * held <= quarter
    assert size == 64 or (size + 1) * held > quarter
    assert width == 1 or held <= quarter
    assert len(groups) == 1 or n_targets * held / width > quarter
    waiting = size * n_targets * kept
    assert plan.kept * waiting <= quarter < (plan.kept + 1) * waiting
    if memory_limit == 1:
        assert rows == 1 and len(groups) == n_targets
    if memory_limit == 2**40:
        assert (size, len(groups), rows) == (64, 1, 32)


def test_rows_of_a_pass_take_half_of_the_limit(monkeypatch):
    monkeypatch.setattr(RowBytes, "held", lambda self, n_gradients: 1000 * n_gradients)
    X, targets = np.ones((2, N_CHANNELS, N_TIMES)), np.zeros((2, 1), int)
    for memory_limit, rows in [(1999, 1), (2000, 1), (3999, 1), (4000, 2), (60_000, 30), (10**6, 256)]:
        assert engine(memory_limit=memory_limit)._plan(X, targets).rows == rows


@pytest.mark.parametrize(("module", "enabled"), [(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), True),
                                                 (nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2)), False)])  # fmt: skip
def test_recurrent_networks_run_without_cudnn(module, enabled):
    before = torch.backends.cudnn.enabled
    with gradient_mode(module):
        assert torch.backends.cudnn.enabled == (enabled and before)
        assert not module.training
    assert torch.backends.cudnn.enabled == before and module.training


def test_checks_count_trials_steps_and_what_did_not_converge():
    parts = [Checks(np.zeros((n, 2)), np.ones((n, 2)), np.arange(n), np.zeros((n, 2)), np.arange(n) % 2 == 0)
             for n in (3, 4)]
    assert Checks.join(parts).summary() == {"n_trials": 7, "n_steps": 9 / 7, "n_unconverged": 3}
