"""A log-power SyncNet gives nothing for straight lines, by any route, and its units see their window only."""

import numpy as np
import pytest
import torch

from eegexplain import receptive_field
from eegexplain._module import capture
from eegexplain.models import SyncNet
from eegexplain.models.syncnet._spectra import trends
from eegexplain.models.syncnet._trend import continued

ROUTES = {"direct": (False, False), "factored": (True, False), "spectral": (True, True)}


def network(route="direct", n_times=100, width=24, readout="log_power"):
    torch.manual_seed(0)
    net = SyncNet(3, n_times, 2, num_filters=4, filter_width=width, readout=readout, beta_init_values=(0.0, 0.01))
    net.factored, net.spectral = ROUTES[route]
    return net.double().train()


def filtered(net, x):
    with capture(net, ["conv_out"]) as seen, torch.no_grad():
        net(x)
    return seen["conv_out"][0]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("width", [3, 24, 25, 150])
def test_straight_lines_give_nothing_at_the_ends_either(route, width):
    net, x = network(route, width=width), torch.randn(5, 3, 100, dtype=torch.float64)
    line = 1000 * torch.randn(5, 3, 1, dtype=torch.float64) + 3 * torch.randn(5, 3, 1).double() * torch.arange(100)
    expected = filtered(net, x)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(filtered(net, x + line), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(expected, filtered(network("direct", width=width), x), rtol=0, atol=1e-10)


def test_filters_are_oscillations_less_a_line_within_their_envelope():
    net = network()
    filters, tau = net.filters().detach().numpy(), net.t.flatten().numpy()
    other, own = network(readout="max"), dict(net.named_parameters())
    other.load_state_dict({name: own[name] for name in ("amplitude", "phi_ini", "omega", "beta")}, strict=False)
    plain = other.filters().detach().numpy()
    assert np.abs(filters.sum(-1)).max() < 1e-12 and np.abs(filters @ tau).max() < 1e-11
    envelope = np.exp(-net.beta.detach().numpy().reshape(-1, 1, 1) * tau**2)
    for taken, own in zip((plain - filters) / envelope, plain, strict=True):
        assert np.abs(np.polynomial.polynomial.polyfit(tau, taken.T, 2)[2]).max() < 1e-10 < np.abs(own - taken).max()
    x = torch.randn(2, 3, 100, dtype=torch.float64)
    inner = torch.nn.functional.conv1d(x, torch.from_numpy(filters))
    torch.testing.assert_close(filtered(net, x)[..., 11:88], inner)  # the definition, where no end is near


def test_trials_go_on_along_the_lines_through_their_ends():
    x = np.random.default_rng(0).standard_normal((2, 3, 40))
    found = continued(torch.from_numpy(x), (5, 7), 12).numpy()
    fit, t = np.polynomial.Polynomial.fit, np.arange(40)
    np.testing.assert_array_equal(found[..., 5:45], x)
    for own, longer in zip(x.reshape(6, 40), found.reshape(6, 52), strict=True):
        np.testing.assert_allclose(longer[:5], fit(t[:12], own[:12], 1)(np.arange(-5, 0)))
        np.testing.assert_allclose(longer[45:], fit(t[-12:], own[-12:], 1)(np.arange(40, 47)))
    one = continued(torch.from_numpy(x[..., :1]), (2, 2), 12).numpy()
    np.testing.assert_array_equal(one, np.repeat(x[..., :1], 5, axis=-1))


def test_units_see_their_window_only():
    field = receptive_field(network().float().eval(), "conv_out", (3, 100))
    assert (field.size, field.stride, field.offset, field.unbounded) == (24, 1, -11, False)


@pytest.mark.parametrize(("cycles", "n_trends"), [(0.5, 1), (1.9, 1), (2, 2), (4, 3), (80, 4)])
def test_trends_leave_the_slowest_rhythm_alone(cycles, n_trends):
    basis = trends(256, cycles)
    np.testing.assert_allclose(basis.T @ basis, np.eye(n_trends), atol=1e-12)
    angle = 2 * np.pi * cycles * np.arange(256) / 256
    wave = np.cos(angle[:, None] + np.linspace(0, np.pi, 8))
    assert n_trends == 1 or (np.square(basis.T @ wave).sum(0) / np.square(wave).sum(0)).max() < 0.2
