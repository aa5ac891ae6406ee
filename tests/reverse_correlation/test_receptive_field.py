"""Traced receptive fields against brute force, arithmetic and networks with known fields."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from eegexplain import receptive_field
from eegexplain.models import SyncNet


def brute_force(net, layer, shape):
    """First and last sample that moves each unit of a layer (last axis is time), sample by sample."""
    seen = []
    handle = net.get_submodule(layer).register_forward_hook(lambda _, __, out: seen.append(out.detach()))
    generator = torch.Generator().manual_seed(1)
    draw = torch.randn(6, *shape, generator=generator, dtype=torch.float64)
    samples, reached = torch.arange(shape[-1]), False
    with torch.no_grad():
        net(draw)
        before = seen.pop()
        for amplitude in (1.0, 1e3, -1e3):  # all samples at once: first axis of what is moved
            moved = draw.expand(shape[-1], *draw.shape).clone()
            kick = torch.randn(shape[-1], 6, *shape[:-1], generator=generator, dtype=torch.float64)
            moved[samples, ..., samples] += amplitude * kick
            net(moved.flatten(0, 1))
            after = seen.pop().unflatten(0, (shape[-1], 6))
            reached |= ((after - before).abs() > 1e-12).flatten(2, -2).any(2).any(1).numpy()
    handle.remove()
    first = reached.argmax(0)
    last = shape[-1] - 1 - reached[::-1].argmax(0)
    return first, last, reached.any(0)


class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


@st.composite
def convolutional(draw, two_d):
    """A random stack of convolutions, poolings, activations and residual branches; nested, named ``"1"`` at its end."""
    layers, channels = [], 2
    conv, pools = (nn.Conv2d, (nn.MaxPool2d, nn.AvgPool2d)) if two_d else (nn.Conv1d, (nn.MaxPool1d, nn.AvgPool1d))

    def along_time(n, other):
        return (other, n) if two_d else n

    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "pool", "residual", "activation"]))
        kernel = draw(st.integers(1, 5))
        if kind == "conv":
            padding = draw(st.integers(0, 2))
            mode = draw(st.sampled_from(["zeros", "reflect"]))
            dilation = along_time(draw(st.integers(1, 3)), 1)
            stride = along_time(draw(st.integers(1, 3)), 1)
            size = along_time(kernel, 1)
            layers.append(
                conv(channels, 3, size, stride, along_time(padding, 0), dilation=dilation, padding_mode=mode)
            )
            channels = 3
        elif kind == "pool":
            pool = draw(st.sampled_from(pools))
            stride = draw(st.integers(1, kernel))
            layers.append(pool(along_time(kernel, 1), along_time(stride, 1)))
        elif kind == "residual":
            width = 2 * draw(st.integers(0, 2)) + 1
            inner = conv(channels, channels, along_time(width, 1), padding=along_time(width // 2, 0))
            layers.append(Residual(nn.Sequential(inner, nn.ELU())))
        else:
            layers.append(draw(st.sampled_from([nn.ReLU, nn.ELU, nn.Tanh]))())
    return nn.Sequential(nn.Sequential(*layers), nn.Identity())


@settings(max_examples=25)
@given(st.data(), st.booleans(), st.integers(0, 1000))
def test_equals_brute_force_on_random_networks(data, two_d, seed):
    torch.manual_seed(seed)
    net = data.draw(convolutional(two_d)).double().eval()
    shape = (2, 3, 110) if two_d else (2, 110)
    field = receptive_field(net, "1", shape)
    first, last, alive = brute_force(net, "1", shape)
    assert field.n_units == len(first) and not field.unbounded and field.bound == field.size
    inside = alive & (first > 20) & (last < 90) & (field.starts > 20) & (field.starts + field.size < 90)
    np.testing.assert_array_equal(field.starts[inside], first[inside])
    np.testing.assert_array_equal(field.starts[inside] + field.size - 1, last[inside])
    assert inside.sum() >= 1


def arithmetic(*layers):
    """Size, stride and offset of a stack of (kernel, stride, padding, dilation)."""
    size, stride, offset = 1, 1, 0
    for kernel, step, padding, dilation in layers:
        offset -= padding * stride
        size += dilation * (kernel - 1) * stride
        stride *= step
    return size, stride, offset


class AddAxis(nn.Module):
    def forward(self, x):
        return x[:, None]


class TimeFirst(nn.Module):
    def forward(self, x):
        return x[:, None].transpose(2, 3)


class Square(nn.Module):
    def forward(self, x):
        return x**2


class SafeLog(nn.Module):
    def forward(self, x):
        return x.clamp_min(1e-6).log()


def shallow():
    """In the style of ShallowFBCSPNet: time first, square, mean, logarithm."""
    return nn.Sequential(
        TimeFirst(), nn.Conv2d(1, 4, (25, 1)), nn.Conv2d(4, 4, (1, 5), bias=False), nn.BatchNorm2d(4),
        Square(), nn.AvgPool2d((75, 1), (15, 1)), SafeLog(), nn.Dropout(), nn.Conv2d(4, 2, (5, 1)),
    )  # fmt: skip


def eegnet():
    """In the style of EEGNet: padded, depthwise, separable."""
    return nn.Sequential(
        AddAxis(), nn.Conv2d(1, 4, (1, 33), padding=(0, 16), bias=False), nn.BatchNorm2d(4),
        nn.Conv2d(4, 8, (5, 1), groups=4, bias=False), nn.BatchNorm2d(8), nn.ELU(), nn.AvgPool2d((1, 4)),
        nn.Conv2d(8, 8, (1, 15), padding=(0, 7), groups=8, bias=False), nn.Conv2d(8, 8, 1), nn.ELU(),
        nn.AvgPool2d((1, 8)), nn.Flatten(), nn.Linear(72, 2),
    )  # fmt: skip


def deep4():
    """In the style of Deep4Net: unpadded blocks with max-pooling."""
    layers = [TimeFirst(), nn.Conv2d(1, 4, (10, 1)), nn.Conv2d(4, 4, (1, 5)), nn.ELU(), nn.MaxPool2d((3, 1), (3, 1))]
    for _ in range(2):
        layers += [nn.Conv2d(4, 4, (10, 1)), nn.BatchNorm2d(4), nn.ELU(), nn.MaxPool2d((3, 1), (3, 1))]
    return nn.Sequential(*layers)


KNOWN = [
    (shallow, "1", arithmetic((25, 1, 0, 1)), (1, 1, 0)),
    (shallow, "2", arithmetic((25, 1, 0, 1)), (5, 0, 0)),
    (shallow, "5", arithmetic((25, 1, 0, 1), (75, 15, 0, 1)), (5, 0, 0)),
    (shallow, "8", arithmetic((25, 1, 0, 1), (75, 15, 0, 1), (5, 1, 0, 1)), (5, 0, 0)),
    (eegnet, "1", arithmetic((33, 1, 16, 1)), (1, 1, 0)),
    (eegnet, "7", arithmetic((33, 1, 16, 1), (4, 4, 0, 1), (15, 1, 7, 1)), (5, 0, 0)),
    (eegnet, "10", arithmetic((33, 1, 16, 1), (4, 4, 0, 1), (15, 1, 7, 1), (8, 8, 0, 1)), (5, 0, 0)),
    (deep4, "4", arithmetic((10, 1, 0, 1), (3, 3, 0, 1)), (5, 0, 0)),
    (deep4, "12", arithmetic(*[(10, 1, 0, 1), (3, 3, 0, 1)] * 3), (5, 0, 0)),
]


@pytest.mark.parametrize(("make", "layer", "expected", "channels"), KNOWN)
def test_networks_of_the_field(make, layer, expected, channels):
    torch.manual_seed(0)
    field = receptive_field(make(), layer, (5, 300))
    assert (field.size, field.stride, field.offset) == expected
    assert (field.channel_size, field.channel_stride, field.channel_offset) == channels


def test_syncnet_and_its_pooling_like_tensorflow():
    torch.manual_seed(0)
    net = SyncNet(3, 100, 2, num_filters=4, filter_width=12, pool_size=16, beta_init_values=(0.0, 0.01))
    field = receptive_field(net, "conv_out", (3, 100))
    assert (field.size, field.stride, field.offset, field.n_units, field.channel_size) == (12, 1, -5, 100, 3)
    pooled = receptive_field(net, "pool_out", (3, 100))
    left = (7 * 16 - 100) // 2
    assert (pooled.size, pooled.stride, pooled.offset, pooled.n_units) == (27, 16, -5 - left, 7)
    assert net.n_times == 100
    short = SyncNet(3, 10, 2, num_filters=4, filter_width=24, pool_size=5, beta_init_values=(0.0, 0.01))
    field = receptive_field(short, "conv_out", (3, 10))
    assert (field.size, field.stride, field.offset, field.n_units) == (24, 1, -11, 10)


class Sequence(nn.Module):
    """A convolution, then a layer over ``(batch, time, features)``, read out at ``out``."""

    def __init__(self, inner):
        super().__init__()
        self.embed, self.inner, self.out = nn.Conv1d(2, 4, 3), inner, nn.Identity()

    def forward(self, x):
        x = self.embed(x).transpose(1, 2)
        return self.out(self.inner(x))


class Recurrent(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.cell = nn.LSTM(4, 3, batch_first=True, **options)

    def forward(self, x):
        return self.cell(x)[0]


class Attention(nn.Module):
    def __init__(self, span):
        super().__init__()
        self.heads, self.span = nn.MultiheadAttention(4, 1, batch_first=True), span

    def forward(self, x):
        n = torch.arange(x.shape[1])
        hidden = (n[None] > n[:, None]) | (n[:, None] - n[None] >= self.span)
        return self.heads(x, x, x, attn_mask=hidden, need_weights=False)[0]


def test_recurrent_layers_are_unbounded_with_an_effective_size():
    torch.manual_seed(0)
    forward = receptive_field(Sequence(Recurrent()), "out", (2, 150))
    assert forward.unbounded and forward.bound == 150 and forward.axis == 1
    assert 3 < forward.size < 60 and forward.stride == 1
    assert forward.offset + forward.size == 3  # unit i looks back from the end of its embedding
    both = receptive_field(Sequence(Recurrent(bidirectional=True)), "out", (2, 150))
    assert both.unbounded and both.offset < 0 < both.offset + both.size - 3
    assert receptive_field(Sequence(nn.LSTM(4, 3, batch_first=True)), "inner", (2, 150)).unbounded


def test_attention_local_causal_and_global():
    torch.manual_seed(0)
    local = receptive_field(Sequence(Attention(7)), "out", (2, 60))
    assert (local.size, local.stride, local.offset, local.unbounded) == (9, 1, -6, False)
    causal = receptive_field(Sequence(Attention(10_000)), "out", (2, 60))
    assert (causal.size, causal.stride, causal.offset + causal.size, causal.unbounded) == (60, 1, 3, True)
    pooled = receptive_field(nn.Sequential(nn.Conv1d(2, 3, 5), nn.AdaptiveAvgPool1d(1)), "1", (2, 60))
    assert (pooled.size, pooled.stride, pooled.n_units, pooled.unbounded) == (60, 0, 1, True)


class FourierConvolution(nn.Module):
    """A causal convolution of 29 taps computed by FFT: every product touches every sample."""

    def __init__(self):
        super().__init__()
        self.kernel, self.out = nn.Parameter(torch.randn(3, 2, 29)), nn.Identity()

    def forward(self, x):
        n = x.shape[-1] + 28
        product = torch.einsum("bct,fct->bft", torch.fft.rfft(x, n), torch.fft.rfft(self.kernel, n))
        return self.out(torch.fft.irfft(product, n)[..., : x.shape[-1]])


def test_convolution_by_fft_and_wide_maxima():
    torch.manual_seed(0)
    field = receptive_field(FourierConvolution(), "out", (2, 150))
    assert (field.size, field.offset, field.unbounded) == (29, -28, False)
    field = receptive_field(nn.Sequential(nn.Conv1d(2, 4, 5), nn.ReLU(), nn.MaxPool1d(75, 15)), "2", (2, 300))
    assert (field.size, field.stride, field.offset) == (79, 15, 0)


def test_units_between_samples_and_units_as_wide_as_the_trial():
    torch.manual_seed(0)
    up = receptive_field(nn.Sequential(nn.ConvTranspose1d(2, 3, 4, stride=2)), "0", (2, 50))
    assert (up.size, up.stride, up.n_units) == (2, 0.5, 102)
    for n_times in (1, 2, 5):
        field = receptive_field(nn.Sequential(nn.Conv1d(1, 2, 5, padding=2)), "0", (1, n_times))
        assert (field.size, field.stride, field.offset, field.n_units) == (5, 1, -2, n_times)
        assert field.starts.tolist() == list(range(-2, n_times - 2))
    flat = receptive_field(nn.Sequential(nn.Flatten(), nn.Linear(60, 3)), "1", (2, 30))
    assert (flat.size, flat.stride, flat.axis) == (30, 0, None)


class Awkward(nn.Module):
    def __init__(self):
        super().__init__()
        self.twice, self.never, self.names = nn.Conv1d(1, 1, 3), nn.ReLU(), Strings()

    def forward(self, x):
        self.names(x)
        return self.twice(self.twice(x))


class Strings(nn.Module):
    def forward(self, x):
        return "neither", "tensor"


@pytest.mark.parametrize(
    ("layer", "message"),
    [("twice", "runs 2 times"), ("never", "does not run"), ("names", "returns a str"),
     ("twise", "Did you mean 'twice'")],
)
def test_layers_without_units_are_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        receptive_field(Awkward(), layer, (1, 20))


def test_dead_layers_are_traced_and_constant_ones_refused():
    net = nn.Sequential(nn.Conv1d(1, 1, 3), nn.ReLU(), nn.MaxPool1d(2))
    nn.init.zeros_(net[0].weight)
    nn.init.constant_(net[0].bias, -1.0)
    field = receptive_field(net, "2", (1, 40))
    assert (field.size, field.stride, field.offset) == (4, 2, 0)
    with pytest.raises(ValueError, match="does not depend"):
        receptive_field(nn.Sequential(Constant()), "0", (1, 20))


class Constant(nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


def test_the_size_of_samples_does_not_matter_once_given():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Threshold(1e-5, 0.0), nn.MaxPool1d(2))
    nn.init.zeros_(net[0].bias)
    assert receptive_field(net, "2", (1, 40), scale=1e-5).size == 4 == receptive_field(net, "2", (1, 40)).size


def test_the_network_is_left_as_it_was():
    net = nn.Sequential(nn.Conv1d(2, 3, 5), nn.BatchNorm1d(3), nn.Dropout())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.random.get_rng_state()
    receptive_field(net, "2", (2, 60))
    assert net.training and net[0].weight.requires_grad and net[0].weight.grad is None
    assert not net[2]._forward_hooks and next(net.parameters()).dtype == torch.float32
    assert torch.equal(state, torch.random.get_rng_state())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
