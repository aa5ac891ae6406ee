"""The path integral: rules, refinement, memory, and completeness over networks and scales."""

import numpy as np
import pytest
import torch
from torch import nn

from eegexplain._torch import differentiate
from eegexplain.attribution._path import Paths, integrate


class SquareLog(nn.Module):
    """Log power of filtered signals."""

    def __init__(self, floor=1e-6):
        super().__init__()
        self.conv, self.pool, self.out, self.floor = nn.Conv1d(3, 6, 15), nn.AvgPool1d(20), nn.Linear(12, 3), floor

    def forward(self, x):
        return self.out(torch.log(self.pool(self.conv(x) ** 2) + self.floor).flatten(1))


def convolutional(act):
    return nn.Sequential(nn.Conv1d(3, 6, 9), act(), nn.AvgPool1d(4), nn.Conv1d(6, 6, 5), act(), nn.AvgPool1d(4),
                         nn.Flatten(), nn.Linear(12, 16), act(), nn.Linear(16, 3))


NETS = {"relu": lambda: convolutional(nn.ReLU), "elu": lambda: convolutional(nn.ELU),
        "gelu": lambda: convolutional(nn.GELU), "square_log": SquareLog}


def trained(name, scale, dtype=torch.float64, n_trials=40):
    """A network trained on trials of some unit (the first layer takes the unit), and the trials."""
    torch.manual_seed(1)
    net, y = NETS[name]().double(), torch.arange(n_trials) % 3
    x = torch.randn(n_trials, 3, 59, dtype=torch.float64)
    x[:, 0] += y[:, None] * torch.sin(torch.arange(59) * 0.7)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        first = net[0] if isinstance(net, nn.Sequential) else net.conv
        first.weight /= scale
    return net.to(dtype).eval().requires_grad_(False), (x * scale).to(dtype), y[:, None]


def naive(net, x, targets, n_nodes=4000, lowest=1e-9):
    """Average gradients of one trial by the trapezoidal rule on a grid that is dense at the baseline."""
    grid = np.unique(np.concatenate([[0.0], np.geomspace(lowest, 1, n_nodes // 2), np.linspace(0, 1, n_nodes // 2)]))
    points = torch.as_tensor(grid)[:, None, None] * x
    gradients = differentiate(net, points, targets.expand(len(grid), -1))[1].numpy()
    return np.trapezoid(gradients, grid, axis=0)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
@pytest.mark.parametrize("name", NETS)
def test_auto_is_complete_at_any_unit(name, scale):
    net, x, y = trained(name, scale)
    found = integrate(Paths(net, torch.zeros_like(x), x, y))
    error = np.abs(found.convergence_delta) / np.abs(found.output_change)
    assert np.mean(error < 0.01) >= 0.95
    assert set(found.n_steps) <= {5, 11, 23, 47, 95}
    assert np.mean(found.error <= 0.01) >= (0.75 if name == "relu" else 0.95)  # six ReLU filters: a few large jumps
    assert name == "relu" or np.median(found.n_steps) <= 11


@pytest.mark.parametrize("name", NETS)
def test_maps_are_right_to_tol_or_said_not_to_be(name):
    """Against a rule of a thousand nodes: maps that are called converged are, the others are not far from it."""
    net, x, y = trained(name, 1.0, n_trials=12)
    expected = np.stack([naive(net, x[n], y[n], 1000)[0] * x[n].numpy() for n in range(12)])
    for tol in (0.05, 0.01, 0.002):
        found = integrate(Paths(net, torch.zeros_like(x), x, y), tol=tol)
        maps, converged = found.gradients[:, 0] * x.numpy(), found.error[:, 0] <= tol
        wrong = np.abs(maps - expected).sum((1, 2)) / np.abs(expected).sum((1, 2))
        assert np.sum(wrong[converged] <= tol) >= 0.9 * converged.sum()
        assert np.all(wrong[~converged] > tol / 4) and np.all(found.n_steps[~converged] >= 47)
        assert name == "relu" or converged.all()
        assert np.median(found.n_steps) <= {0.05: 11, 0.01: 95 if name == "relu" else 11, 0.002: 47}[tol]


def few_kinks(n_trials=300, n_hidden=8, n_cells=20):
    """ReLU layers of their own for each trial, and the integral of their gradients in closed form."""
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(n_trials, n_cells)), rng.normal(size=(n_trials, n_hidden, n_cells))
    bias, out = rng.normal(size=(2, n_trials, n_hidden))
    slope = np.einsum("nhc,nc->nh", weights, x)
    corner = np.clip(-bias / slope, 0, 1)  # where a unit changes state, if at all
    active = np.where(slope > 0, 1 - corner, corner)
    expected = np.einsum("nh,nhc->nc", out * active, weights) * x
    weights, bias, out = (torch.as_tensor(each) for each in (weights, bias, out))

    def respond(points):  # the trial is told by an additional cell, which no unit sees
        trial = points[:, 0, -1].round().long()
        hidden = torch.einsum("nhc,nc->nh", weights[trial], points[:, 0, :-1]) + bias[trial]
        return (out[trial] * hidden.relu()).sum(1, keepdim=True)

    number = torch.arange(n_trials, dtype=torch.float64)[:, None, None]
    x = torch.as_tensor(x)[:, None]
    return respond, torch.cat([0 * x, number], 2), torch.cat([x, 0 * number], 2), expected


@pytest.mark.parametrize("tol", [0.05, 0.01, 0.002])
def test_rules_that_agree_by_chance_are_not_believed(tol):
    """Eight units: an error that is told from two moves of the map is exceeded by a quarter of the trials."""
    respond, start, change, expected = few_kinks()
    found = integrate(Paths(respond, start, change, torch.zeros(len(start), 1, dtype=int)), tol=tol)
    wrong = np.abs((found.gradients[:, 0] * change.numpy())[:, 0, :-1] - expected).sum(1) / np.abs(expected).sum(1)
    converged = found.error[:, 0] <= tol
    assert np.mean(wrong[converged] <= tol) >= 0.95
    assert converged.mean() > {0.05: 0.95, 0.01: 0.5, 0.002: 0.05}[tol]
    assert np.mean(wrong <= found.error[:, 0]) >= 0.9 and np.median(found.error[:, 0] / wrong) < 4


def test_auto_is_complete_in_single_precision():
    for name in NETS:
        net, x, y = trained(name, 1.0, torch.float32)
        found = integrate(Paths(net, torch.zeros_like(x), x, y))
        rounding = 1e4 * np.finfo(np.float32).eps * net(x).gather(1, y).abs().numpy()
        clear = np.abs(found.output_change) > rounding
        error = np.abs(found.convergence_delta)[clear] / np.abs(found.output_change)[clear]
        assert np.mean(error < 0.01) >= 0.95


def test_no_change_is_complete():
    x = torch.randn(3, 2, 10, dtype=torch.float64)
    found = integrate(Paths(lambda z: 0 * z.sum((1, 2))[:, None] + 4, x, 0 * x, torch.zeros(3, 1, dtype=int)))
    assert not found.error.any() and not found.convergence_delta.any()


def test_linear_networks_need_one_rule():
    weight = torch.randn(2, 10, 3, dtype=torch.float64)
    x, start = torch.randn(2, 5, 2, 10, dtype=torch.float64)
    targets = torch.tensor([[0, 2]] * 5)
    found = integrate(Paths(lambda z: torch.einsum("bct,ctk->bk", z, weight), start, x - start, targets))
    assert np.all(found.n_steps == 5)
    np.testing.assert_allclose(found.gradients[3], weight[..., [0, 2]].permute(2, 0, 1), rtol=1e-12)


def test_memory_knobs_do_not_change_the_result():
    """Passes smaller than one trial's nodes, and several trials at once, give the same map."""
    net, x, y = trained("elu", 1.0)
    start = 0.1 * x.flip(0)
    results = []
    for rows in (64, 3, 1):
        for n_steps in (5, "auto"):
            results.append(integrate(Paths(net, start, x - start, y, rows), n_steps=n_steps).gradients)
    for other in range(2, len(results)):
        np.testing.assert_allclose(results[other], results[other % 2], rtol=1e-10, atol=1e-14)


def test_targets_per_trial_and_closed_outputs():
    net, x, _ = trained("gelu", 1.0)
    def centred(z):
        return net(z) - net(z).mean(1, keepdim=True)
    every = torch.arange(3).expand(len(x), 3)
    full = integrate(Paths(centred, 0 * x, x, every), n_steps=6).gradients
    short = integrate(Paths(centred, 0 * x, x, every, closed=True), n_steps=6).gradients
    np.testing.assert_allclose(short, full, atol=1e-12)
    chosen = torch.arange(len(x))[:, None] % 3
    single = integrate(Paths(centred, 0 * x, x, chosen), n_steps=6).gradients
    for trial in (0, 1, 2):
        np.testing.assert_allclose(single[trial, 0], full[trial, trial], atol=1e-12)


def test_unconverged_trials_are_told():
    """A step function cannot be integrated from its gradients: the trial is reported, not passed over."""
    def step(z):
        return (torch.tanh(1e7 * (z.mean((1, 2)) - 0.3123)) + z.mean((1, 2)))[:, None]
    x = torch.ones(1, 1, 4, dtype=torch.float64)
    found = integrate(Paths(step, 0 * x, x, torch.zeros(1, 1, dtype=int)))
    assert found.n_steps[0] == 47 and found.error[0] > 0.01


def test_a_gradient_that_is_not_finite_is_located():
    def root(z):
        return torch.sqrt(z[:, :1, 0] - 0.25)
    x = torch.stack([torch.full((1, 2), 5.0), torch.full((1, 2), 0.5)]).double()
    with pytest.raises(ValueError, match=r"trial 0 is not finite at 0\.0"):
        integrate(Paths(root, 0 * x, x, torch.zeros(2, 1, dtype=int)), n_steps=9)
