"""EEGNet's layers, parameters and limits as in the paper's table 2; its sizes and stages."""

import copy

import numpy as np
import pytest
import torch

from eegexplain._module import capture
from eegexplain.models import EEGNet


def make(**sizes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return EEGNet(**{"n_chans": 5, "n_times": 256, "n_outputs": 4} | sizes)


@pytest.mark.parametrize(("F1", "D"), [(8, 2), (4, 2), (3, 4)])
def test_parameters_are_those_of_the_papers_table(F1, D):
    """Table 2 for C channels, T samples, N classes, kernels of 64 and 16; the authors' dense layer has N biases."""
    n_chans, n_times, n_classes, F2 = 5, 256, 4, F1 * D
    net = make(F1=F1, D=D)
    table = {
        "temporal": 64 * F1,
        "temporal_norm": 2 * F1,
        "spatial": n_chans * D * F1,
        "spatial_norm": 2 * D * F1,
        "depthwise": 16 * D * F1,
        "pointwise": F2 * D * F1,
        "pointwise_norm": 2 * F2,
        "final_layer": n_classes * (F2 * (n_times // 32)) + n_classes,
    }
    counted = {name: sum(p.numel() for p in getattr(net, name).parameters()) for name in table}
    assert counted == table
    assert sum(p.numel() for p in net.parameters()) == sum(table.values())


def test_outputs_of_every_layer_have_the_papers_shapes():
    net = make(F1=3, D=2, F2=7).eval()
    layers = {
        "temporal": (2, 3, 5, 256),
        "spatial": (2, 6, 1, 256),
        "conv_out": (2, 6, 256),
        "first_block": (2, 6, 64),
        "depthwise": (2, 6, 64),
        "pointwise": (2, 7, 64),
        "pool_out": (2, 7, 8),
        "final_layer": (2, 4),
    }
    with capture(net, list(layers)) as seen, torch.no_grad():
        net(torch.randn(2, 5, 256))
    assert {name: tuple(outputs[0].shape) for name, outputs in seen.items()} == layers


def naive(net, x):
    """The paper's layers by loops, for trained statistics: no grouped convolution, no padding mode."""

    def normalized(layer, values, axis):
        shape = [1] * values.ndim
        shape[axis] = -1
        names = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (getattr(layer, name).detach().numpy().reshape(shape) for name in names)
        return (values - mean) / np.sqrt(var + 1e-3) * weight + bias

    def filtered(signal, kernel):
        padded = np.pad(signal, ((len(kernel) - 1) // 2, len(kernel) // 2))
        return np.array([padded[t : t + len(kernel)] @ kernel for t in range(len(signal))])

    def pooled(values, size):
        n = values.shape[-1] // size
        values = np.where(values > 0, values, np.expm1(values))
        return values[..., : n * size].reshape(*values.shape[:-1], n, size).mean(-1)

    temporal, spatial, depthwise, pointwise = (
        getattr(net, name).weight.detach().numpy() for name in ("temporal", "spatial", "depthwise", "pointwise")
    )
    x = np.pad(x / float(net.input_scale), ((0, 0), (0, net.n_padded - x.shape[-1])))
    maps = np.array([[filtered(channel, kernel[0, 0]) for channel in x] for kernel in temporal])
    maps = normalized(net.temporal_norm, maps, 0)
    depth = len(spatial) // len(temporal)
    mixed = np.array([one[0, :, 0] @ maps[k // depth] for k, one in enumerate(spatial)])
    first = pooled(normalized(net.spatial_norm, mixed, 0), net.pool_size)
    second = np.array([filtered(signal, kernel[0]) for signal, kernel in zip(first, depthwise, strict=True)])
    second = pooled(normalized(net.pointwise_norm, pointwise[:, :, 0] @ second, 0), 8)
    return net.final_layer.weight.detach().numpy() @ second.ravel() + net.final_layer.bias.detach().numpy()


@pytest.mark.parametrize(
    "sizes", [{}, {"n_times": 77, "kernel_length": 9}, {"n_times": 5, "n_chans": 1, "pool_size": 3}]
)
def test_outputs_equal_the_naive_definition(sizes):
    net = make(F1=3, D=2, F2=4, **sizes).double()
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):  # statistics other than 0 and 1
        net(3 * torch.randn(8, net.n_chans, net.n_times, generator=generator, dtype=torch.float64) + 0.5)
    net.input_scale.fill_(2.0)
    x = torch.randn(3, net.n_chans, net.n_times, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        found = net.eval()(x).numpy()
    np.testing.assert_allclose(found, [naive(net, trial) for trial in x.numpy()], rtol=1e-9, atol=1e-12)


def test_constraints_scale_what_is_too_long_and_leave_the_rest():
    net = make()
    with torch.no_grad():
        net.spatial.weight.fill_(3.0)
        net.final_layer.weight.mul_(100.0)
        net.spatial.weight[0] = 0.01
    before = copy.deepcopy(net)
    net.constrain()
    norms = net.spatial.weight.flatten(1).norm(dim=1)
    np.testing.assert_allclose(norms[1:].detach(), 1.0, rtol=1e-6)
    assert torch.equal(net.spatial.weight[0], before.spatial.weight[0])
    np.testing.assert_allclose(net.final_layer.weight.norm(dim=1).detach(), 0.25, rtol=1e-6)
    turned = torch.cosine_similarity(net.final_layer.weight, before.final_layer.weight)
    np.testing.assert_allclose(turned.detach(), 1.0, rtol=1e-6)


@pytest.mark.parametrize("name", ["n_chans", "n_times", "n_outputs", "F1", "D", "F2", "kernel_length", "pool_size"])
def test_sizes_are_whole_numbers_of_at_least_one(name):
    with pytest.raises(ValueError, match="n_chans|n_times|n_outputs|F1|D|F2|kernel_length|pool_size"):
        make(**{name: 0})


@pytest.mark.parametrize("shape", [(2, 5, 255), (2, 4, 256), (5, 256)])
def test_trials_of_other_sizes_raise(shape):
    with pytest.raises(ValueError, match="expected"):
        make()(torch.zeros(shape))
