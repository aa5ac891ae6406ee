"""Populations stop where the error of the integral is small beside the standard errors of the map."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from torch import nn

from eegexplain._torch import differentiate
from eegexplain._units import run_units
from eegexplain.attribution import FLEXAttributor
from eegexplain.attribution._population import MeanMap
from tests.estimators import trials

X, Y = trials(n_trials=60)
CODES = (Y == "right").astype(np.int64)
LEVELS = (5, 11, 23, 47, 95)


def wave(act=nn.Tanh, seed=0):
    """A trained network whose gradients change along the path, more or less smoothly."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Conv1d(3, 8, 9), act(), nn.AvgPool1d(8), nn.Flatten(), nn.Linear(24, 16), act(),
                           nn.Linear(16, 2))
    net = NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, train_split=None, max_epochs=15, lr=0.2, verbose=0)
    return FrozenEstimator(net.fit((2 * X).astype(np.float32), CODES))


@pytest.fixture(scope="module", params=[nn.Tanh, nn.ReLU], ids=["tanh", "relu"])
def net(request):
    return wave(request.param)


def population(net, X=X, y=CODES, groups=None, **options):
    """Fit on trials of twice the unit."""
    return FLEXAttributor(net, **{"basis": "time", **options}).fit(2 * X, y, groups=groups)


def size(maps):
    return np.abs(maps).sum((-2, -1))


@pytest.mark.parametrize("population_tol", [1.0, 0.1, 0.01])
def test_maps_are_as_near_to_their_integrals_as_was_asked_for(net, population_tol):
    """Against 400 nodes: all maps, those of classes too, with fewer nodes than each trial for itself would need."""
    exact = population(net, n_steps=400)
    found = population(net, tol=1e-4, population_tol=population_tol)
    for name, error in (("attributions_", "standard_errors_"), ("class_attributions_", "class_standard_errors_")):
        wrong = size(getattr(found, name) - getattr(exact, name)) / size(getattr(exact, error))
        assert np.all(wrong <= population_tol)
    assert len(set(found.n_steps_)) == 1 and found.n_steps_[0] in LEVELS
    assert population_tol < 1 or found.n_steps_[0] <= 11
    assert found.n_unconverged_ == 0


def test_the_standard_errors_are_those_of_the_trials(net):
    found = population(net)
    number = LEVELS.index(found.n_steps_[0]) + 1
    engine = found._engine()
    *_, last = (list(blocks) for _, blocks in zip(range(number), engine.rounds(
        2 * X, np.tile([0, 1], (len(X), 1)), found.basis_), strict=False))
    maps = np.concatenate([block.maps[0] for block in last])
    np.testing.assert_allclose(found.attributions_, maps.mean(0), atol=1e-10)
    np.testing.assert_allclose(found.standard_errors_, maps.std(0, ddof=1) / np.sqrt(len(X)), atol=1e-10)
    np.testing.assert_allclose(found.class_attributions_[1], maps[CODES == 1, 1].mean(0), atol=1e-10)


@pytest.mark.parametrize("change", [pytest.param({"memory_limit": 200_000}, marks=pytest.mark.slow),
                                    {"memory_limit": 2_000_000}, {"batch_size": 7},
                                    pytest.param({"n_jobs": 2}, marks=pytest.mark.slow)], ids=str)
def test_blocks_batches_and_processes_do_not_matter(net, change):
    """What is held from rule to rule, and what is evaluated again, gives the same maps."""
    one, other = (population(net, population_tol=0.02, tol=1e-4, **options) for options in ({}, change))
    assert one.n_steps_[0] > 5
    np.testing.assert_array_equal(one.n_steps_, other.n_steps_)
    np.testing.assert_allclose(one.explanation_["value"], other.explanation_["value"], atol=2e-6)
    np.testing.assert_allclose(one.explanation_["standard_error"], other.explanation_["standard_error"], atol=2e-6)


def test_the_order_of_trials_does_not_matter(net):
    order = np.random.default_rng(0).permutation(len(X))
    one, other = population(net, memory_limit=200_000), population(net, X[order], CODES[order], memory_limit=200_000)
    np.testing.assert_allclose(one.attributions_, other.attributions_, atol=1e-6)
    np.testing.assert_allclose(one.convergence_delta_[order], other.convergence_delta_, atol=1e-5)


def test_nothing_is_evaluated_twice_where_it_can_be_held(net, monkeypatch):
    """Nodes of all rules are the gradients of the last one, unless memory is short."""
    counted = []

    def counting(respond, x, *args, **options):
        counted.append(len(x))
        return differentiate(respond, x, *args, **options)

    monkeypatch.setattr("eegexplain.attribution._path.differentiate", counting)
    few = {"X": X[:16], "y": CODES[:16], "population_tol": 0.02, "tol": 1e-4}
    found = population(net, **few)
    assert sum(counted) == found.n_steps_.sum()
    counted.clear()
    short = population(net, **few, memory_limit=300_000)
    again = sum(level for level in LEVELS if level < short.n_steps_[0])  # of all but the two trials that are held
    assert again and sum(counted) == short.n_steps_.sum() + again * 14


def test_processes_are_sent_one_copy_of_the_trials_for_all_rules(net, monkeypatch):
    """Rounds for another process hold the same array, which is a file: it is not written for each of them."""
    sent = []

    def noting(units, **options):
        sent.append({id(unit.arguments[1]) for unit in units} | {type(unit.arguments[1]) for unit in units})
        return run_units(units, n_jobs=1)

    monkeypatch.setattr("eegexplain.attribution._engine.run_units", noting)
    monkeypatch.setattr("eegexplain._units._LARGE", 1)
    found = population(net, population_tol=0.02, tol=1e-4, n_jobs=2)
    assert LEVELS.index(found.n_steps_[0]) + 1 == len(sent) > 1
    assert all(each == sent[0] and len(each) == 2 and np.memmap in each for each in sent)
    same = population(net, population_tol=0.02, tol=1e-4)
    np.testing.assert_allclose(found.attributions_, same.attributions_, atol=1e-6)


def test_none_refines_each_trial(net):
    alone = population(net, population_tol=None, tol=0.05)
    single = alone.explain(2 * X)
    np.testing.assert_allclose(alone.attributions_, single["value"].mean("trial"), atol=1e-12)
    np.testing.assert_array_equal(alone.n_steps_, single["n_steps"])


def test_fixed_steps_and_other_methods_have_one_round(net):
    assert set(population(net, n_steps=7).n_steps_) == {7}
    assert set(population(net, method="input_x_gradient").n_steps_) == {1}


def test_draws_groups_and_shares(net):
    """Several baselines add their nodes; errors by group let a population stop where its groups differ."""
    groups = np.repeat(np.arange(6), 10)
    found = population(net, baseline="trials", n_baselines=3, random_state=0, groups=groups)
    assert found.n_steps_[0] % 3 == 0 and found.n_steps_[0] // 3 in LEVELS
    exact = population(net, baseline="trials", n_baselines=3, random_state=0, groups=groups, n_steps=200)
    assert np.all(size(found.attributions_ - exact.attributions_) <= 0.1 * size(exact.standard_errors_))
    shares = population(net, relative=True)
    exact = population(net, relative=True, n_steps=200)
    assert np.all(size(shares.attributions_ - exact.attributions_) <= 0.1 * size(exact.standard_errors_))


class Step(nn.Module):
    """A jump that no node sees, so that gradients do not add up to the change."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        level = self.gain * x.mean((1, 2))
        jump = torch.tanh(1e6 * (level - 0.3123)) * (x[:, 0, 0] > 0)
        return torch.stack([level + jump, -level], 1)


def test_a_population_that_does_not_settle_counts_its_trials():
    net = FrozenEstimator(NeuralNetClassifier(Step, criterion=nn.CrossEntropyLoss, classes=np.arange(2)).initialize())
    x = np.random.default_rng(0).normal(1, 0.05, size=(40, 3, 8))
    x[10:, 0, 0] *= -1
    flex = FLEXAttributor(net, response="logit")
    with pytest.warns(ConvergenceWarning, match="10 of 40 trials"):
        flex.fit(x, np.arange(40) % 2)
    assert flex.n_unconverged_ == 10 and set(flex.n_steps_) == {95}
    np.testing.assert_array_equal(flex.explanation_["converged"], x[:, 0, 0] < 0)
    assert np.abs(flex.convergence_delta_[:10, 0]).min() > 0.5 > 1e-3 > np.abs(flex.convergence_delta_[10:]).max()


def test_one_trial_has_no_standard_error_and_goes_to_tol(net):
    flex = population(net)
    found = clone(flex).set_params(tol=0.05).fit(2 * X, CODES).explain_population(2 * X[:1])
    assert found["n_steps"].item() in LEVELS and bool(found["converged"].all())


def test_errors_and_moves_of_a_mean_map_by_hand():
    rng = np.random.default_rng(0)
    rules, missing = rng.normal(size=(2, 9, 2, 3, 4)), rng.normal(size=(9, 2))
    moves = rng.uniform(1, 2, (2, 9, 2))
    before, now = MeanMap(), MeanMap()
    for part in (slice(0, 5), slice(5, 9)):
        for one, maps in zip((before, now), rules, strict=True):
            one.add(maps[part], missing[part], moves[:, part], None)
    moved = np.abs(np.diff(rules.mean(1), axis=0)).sum((-2, -1))[0]
    lacks, share = np.abs(missing.mean(0)), moves[1].sum(0) / moves[0].sum(0)
    np.testing.assert_allclose(now.wrong(before), np.maximum(share * moved, lacks))
    spread = rules[1].std(0, ddof=1).sum((1, 2)) / 3
    np.testing.assert_allclose(now.allowed(0.1, 1e-9), 0.1 * spread)
    np.testing.assert_allclose(now.allowed(1e-9, 0.1), 0.1 * np.abs(rules[1].mean(0)).sum((1, 2)))
