"""SyncNet against braindecode's numbers, naive definitions and filters that were planted."""

import copy
import json
import pathlib
import pickle
import shutil
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from eegexplain.models import SyncNet
from eegexplain.models.syncnet._convolution import convolve_factored
from eegexplain.models.syncnet._spectral import convolve_spectral

ORACLE = np.load(pathlib.Path(__file__).parents[2] / "oracles" / "braindecode_1_8_1_syncnet.npz")
CASES = {case.pop("case"): case for case in json.loads(str(ORACLE["meta"]))}


def make(seed=0, *, spread=False, **sizes):
    """A small net; with ``spread`` its parameters are large enough for every term to matter."""
    sizes = {"n_chans": 3, "n_times": 50, "n_outputs": 2, "num_filters": 2, "filter_width": 12, "pool_size": 10} | sizes
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = SyncNet(**sizes)
        if spread:
            for parameter in (net.amplitude, net.phi_ini, net.bias):
                torch.nn.init.normal_(parameter)
    return net


def trials(net, n=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, net.n_chans, net.n_times, generator=generator)


def relative(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    return np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30)


def saved(case):
    prefix = f"{case}/state/"
    return {key.removeprefix(prefix): torch.tensor(ORACLE[key]) for key in ORACLE if key.startswith(prefix)}


def naive_filters(net):
    """The definition, one tap at a time."""
    a, phi = net.amplitude[0, 0].detach().double().numpy(), net.phi_ini[0, 0].detach().double().numpy()
    omega, beta = (p.detach().double().numpy().ravel() for p in (net.omega, net.beta))
    filters = np.zeros((net.num_filters, net.n_chans, net.filter_width))
    for k, c, i in np.ndindex(filters.shape):
        tau = i - net.filter_width // 2
        filters[k, c, i] = a[c, k] * np.cos(omega[k] * tau + phi[c, k]) * np.exp(-abs(beta[k]) * tau**2)
    return filters / float(net.input_scale)


def naive_same(net, x):
    """TensorFlow's SAME convolution and pooling, one output at a time, and the linear layer."""
    x, filters, bias = x.double().numpy(), naive_filters(net), net.bias.detach().double().numpy()
    width, pool, n_times = net.filter_width, net.pool_size, x.shape[-1]
    before = (width - 1) // 2
    out = np.zeros((len(x), net.num_filters, n_times))
    for time in range(n_times):
        for tap in range(width):
            source = time + tap - before
            if 0 <= source < n_times:
                out[..., time] += x[:, :, source] @ filters[:, :, tap].T
    out = np.maximum(out + bias[:, None], 0)
    n_pools = int(np.ceil(n_times / pool))
    start = -(max((n_pools - 1) * pool + pool - n_times, 0) // 2)
    pooled = [out[..., max(start + p * pool, 0) : start + (p + 1) * pool].max(-1) for p in range(n_pools)]
    weight, offset = (p.detach().double().numpy() for p in (net.final_layer.weight, net.final_layer.bias))
    return np.stack(pooled, -1).reshape(len(x), -1) @ weight.T + offset


ROUTES = {"direct": (False, False), "factored": (True, False), "spectral": (False, True)}


@pytest.fixture(params=ROUTES.values(), ids=ROUTES)
def route(request, monkeypatch):
    """All convolution routes, whatever the sizes."""
    for name, taken in zip(("factors_pay", "spectra_pay"), request.param, strict=True):
        monkeypatch.setattr(f"eegexplain.models.syncnet.module.{name}", lambda *sizes, taken=taken: taken)
    return request.param


# --- braindecode's numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_every_gradient_equal_braindecodes(case, route):
    net = SyncNet(**CASES[case], padding="braindecode")
    net.load_state_dict(saved(case))
    assert (net.factored, net.spectral) == route and net.training
    x = torch.tensor(ORACLE[f"{case}/x"], requires_grad=True)
    weights = dict(net.named_parameters()) | {"t": net.t.clone().requires_grad_()}
    y = torch.func.functional_call(net, weights, (x,))
    assert relative(y.detach(), ORACLE[f"{case}/y"]) < 1e-5
    y[:, 0].sum().backward()
    assert relative(x.grad, ORACLE[f"{case}/grad_x"]) < 1e-5
    for name, weight in weights.items():
        assert relative(weight.grad, ORACLE[f"{case}/grad/{name}"]) < 1e-5, name


def test_state_dict_has_braindecodes_keys_and_the_scale():
    assert set(make().state_dict()) == set(saved("case0")) | {"input_scale"}


def test_moved_times_are_loaded_with_a_warning():
    net = SyncNet(**CASES["case0"], padding="braindecode")
    state = saved("case0")
    state["t"] = state["t"] + 0.16
    with pytest.warns(UserWarning, match="up to 0.16 samples off"):
        net.load_state_dict(state)
    torch.testing.assert_close(net.t, state["t"])
    assert "t" not in dict(net.named_parameters())
    tau = np.arange(-20, 20) + 0.16
    a, phi = state["amplitude"][0, 0, 1, 2].item(), state["phi_ini"][0, 0, 1, 2].item()
    omega, beta = state["omega"].flatten()[2].item(), state["beta"].flatten()[2].item()
    expected = a * np.cos(omega * tau + phi) * np.exp(-beta * tau**2)
    np.testing.assert_allclose(net.filters()[2, 1].detach(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("other", "cure"),
    [({"n_chans": 4}, "n_chans=3"), ({"filter_width": 14}, "filter_width=12"), ({"n_outputs": 3}, "n_outputs=2")],
)
def test_checkpoint_of_other_sizes_is_refused_whole(other, cure):
    net = make(seed=1, **other)
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=f"other sizes .*expected.*{cure}"):
        net.load_state_dict(make().state_dict())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_checkpoints_load_within_larger_nets_and_by_assignment():
    net, state = make(seed=1), make().state_dict()
    del state["input_scale"]
    outer = torch.nn.Sequential(torch.nn.Identity(), net)
    outer.load_state_dict({f"1.{name}": value for name, value in state.items()}, assign=True)
    assert torch.equal(outer(trials(net)), make()(trials(net)))
    assert net.input_scale == 1
    with pytest.raises(ValueError, match="num_filters=3"):
        outer.load_state_dict({f"1.{name}": value for name, value in make(num_filters=3).state_dict().items()})


@pytest.mark.parametrize(("n_times", "filter_width", "pool_size"), [(50, 12, 10), (80, 3, 40), (1, 5, 1), (30, 1, 10)])
def test_sizes_on_which_braindecode_is_inconsistent_raise(n_times, filter_width, pool_size):
    with pytest.raises(ValueError, match="inconsistent .* use padding='same'"):
        make(n_times=n_times, filter_width=filter_width, pool_size=pool_size, padding="braindecode")


# --- the authors' semantics --------------------------------------------------------------------------------------


@given(
    n_chans=st.integers(1, 5),
    n_times=st.integers(1, 150),
    num_filters=st.integers(1, 4),
    filter_width=st.integers(1, 40),
    pool_size=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_same_padding_equals_the_naive_definition_on_all_routes(seed, **sizes):
    net = make(seed, spread=True, **sizes).double()
    with torch.no_grad():
        net.input_scale.fill_(2.5)
    x = trials(net, 2, seed).double()
    expected = naive_same(net, x)
    for net.factored, net.spectral in ROUTES.values():
        assert relative(net(x).detach(), expected) < 1e-10


def test_every_sample_counts_and_none_is_counted_out(route):
    net = make(spread=True, n_times=53, filter_width=7, pool_size=1)
    x = trials(net).requires_grad_()
    net(x).square().sum().backward()
    assert (x.grad.abs().sum((0, 1)) > 0).all()


def test_routes_agree_on_gradients_in_float64():
    net = make(spread=True, n_chans=6, n_times=130, num_filters=3).double()
    x = trials(net).double()
    gradients = []
    for net.factored, net.spectral in ROUTES.values():
        net.zero_grad()
        net(x).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in net.parameters()])
    for direct, *others in zip(*gradients, strict=True):
        for other in others:
            torch.testing.assert_close(direct, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("convolve", [convolve_factored, convolve_spectral])
@pytest.mark.parametrize(("n_times", "width", "padding"), [
    (10, 7, (3, 3)), (11, 8, (3, 4)), (3, 9, (4, 4)), (8, 3, (0, 0)), (9, 1, (-1, -1)), (70, 6, (2, 3)),
])  # fmt: skip
def test_own_derivatives_of_both_convolutions(n_times, width, padding, convolve):
    generator = torch.Generator().manual_seed(0)
    sizes = (2, 2, n_times), (2, 3, 2), (2, 3, width), (3,)
    given = [torch.randn(size, generator=generator, dtype=torch.float64, requires_grad=True) for size in sizes]
    x, mixes, carriers, bias = given
    expected = F.conv1d(F.pad(x, padding), torch.einsum("skc,skt->kct", mixes, carriers), bias)
    torch.testing.assert_close(convolve(*given, padding), expected, rtol=1e-12, atol=1e-12)
    single = convolve(*(value.float() for value in given), padding).detach()
    assert relative(single, expected.detach()) < 1e-5
    assert torch.autograd.gradcheck(lambda *values: convolve(*values, padding), given, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda *values: convolve(*values, padding), given, fast_mode=True)
    for place in range(4):  # as analyses ask for the trials' gradient alone, and training for that of the weights
        alone = [value.detach() for value in given]
        alone[place].requires_grad_()
        weights = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
        (found,) = torch.autograd.grad(convolve(*alone, padding), alone[place], weights)
        torch.testing.assert_close(found, torch.autograd.grad(expected, given[place], weights, retain_graph=True)[0])


def test_gradients_of_single_trials_by_vmap(route):
    net = make(spread=True).double()
    x, weights = trials(net).double(), dict(net.named_parameters())

    def loss(weights, trial):
        return torch.func.functional_call(net, weights, (trial[None],)).square().sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)
    for name, weight in weights.items():
        alone = [torch.autograd.grad(loss(weights, trial), weight)[0] for trial in x]
        torch.testing.assert_close(found[name], torch.stack(alone), msg=name)


def test_penalties_on_gradients_have_the_same_gradient_by_way_of_spectra():
    net = make(spread=True).double()
    found = []
    for net.factored, net.spectral in ROUTES.values():
        outputs = net._convolve(trials(net).double())
        (slope,) = torch.autograd.grad(outputs.sin().sum(), net.omega, create_graph=True)
        loss = outputs.square().sum() + slope.square().sum()
        found.append(torch.autograd.grad(loss, [net.amplitude, net.omega, net.beta, net.phi_ini, net.bias]))
    for direct, *others in zip(*found, strict=True):
        for other in others:
            torch.testing.assert_close(other, direct, rtol=1e-9, atol=1e-9)


def test_spectra_are_for_training_alone(monkeypatch):
    net, taken = make(spread=True).eval(), []
    net.spectral = True

    def spy(*given):
        taken.append(len(given[0]))
        return convolve_spectral(*given)

    monkeypatch.setattr("eegexplain.models.syncnet.module.convolve_spectral", spy)
    x = trials(net)
    expected = net(x)
    assert not taken
    torch.testing.assert_close(net.train()(x), expected)
    assert taken == [len(x)]
    monkeypatch.setattr("eegexplain.models.syncnet._spectral._FEW_BYTES", x.numel() * 4 - 1)
    torch.testing.assert_close(net(x), expected)
    assert len(taken) == 1, "of large batches the spectra would cost more than they save"


def test_negative_decay_acts_and_is_saved_as_its_absolute_value(route):
    net, twin = make(spread=True), make(spread=True)
    with torch.no_grad():
        net.beta.copy_(-twin.beta)
    x = trials(net)
    torch.testing.assert_close(net(x), twin(x))
    assert torch.equal(net.state_dict()["beta"], twin.beta)
    net(x).square().sum().backward()
    twin(x).square().sum().backward()
    torch.testing.assert_close(net.beta.grad, -twin.beta.grad)
    assert (net.beta < 0).all(), "the forward pass must not touch the parameter"
    with torch.no_grad():
        net.beta.zero_()
    net.zero_grad()
    net(x).square().sum().backward()
    assert (net.beta.grad != 0).all()


# --- sizes -------------------------------------------------------------------------------------------------------


def test_sizes_are_inferred():
    net = SyncNet(n_outputs=3, chs_info=[{}] * 5, input_window_seconds=2.3, sfreq=100)
    assert (net.n_chans, net.n_times, net.n_outputs) == (5, 230, 3)
    assert SyncNet(4, 250, 2, input_window_seconds=2.5).sfreq == 100
    assert SyncNet(4, 250, 2, sfreq=100).input_window_seconds == 2.5


@pytest.mark.parametrize(
    ("given_sizes", "message"),
    [
        ({"n_times": 50, "n_outputs": 2}, "n_chans, or chs_info"),
        ({"n_chans": 3, "n_outputs": 2}, "n_times, or both"),
        ({"n_chans": 3, "n_outputs": 2, "sfreq": 100}, "n_times, or both"),
        ({"n_chans": 3, "n_times": 50}, "n_outputs is missing"),
        ({"n_chans": 3, "chs_info": [{}] * 4, "n_times": 50, "n_outputs": 2}, "n_chans is 3 but chs_info has 4"),
        ({"n_chans": 3, "n_times": 50, "input_window_seconds": 1, "sfreq": 60, "n_outputs": 2}, "n_times is 50 but"),
        ({"n_chans": 3, "n_times": 50, "sfreq": 0, "n_outputs": 2}, "sfreq must be"),
        ({"n_chans": 3, "n_times": 0, "n_outputs": 2}, "n_times is 0"),
        ({"n_chans": 3, "input_window_seconds": -1, "sfreq": 100, "n_outputs": 2}, "input_window_seconds is -1"),
        ({"n_chans": 2.5, "n_times": 50, "n_outputs": 2}, "n_chans is 2.5"),
        ({"n_chans": 3, "n_times": 50, "n_outputs": 2, "filter_width": 0}, "filter_width is 0"),
        ({"n_chans": 3, "n_times": 50, "n_outputs": 2, "pool_size": True}, "pool_size is True"),
        ({"n_chans": 3, "n_times": 50, "n_outputs": 2, "padding": "valid"}, "padding"),
        ({"n_chans": 3, "n_times": 50, "n_outputs": 2, "drop_prob": 1.5}, "probability"),
        ({"n_chans": 3, "n_times": 50, "n_outputs": 2, "omega_init_values": (1, 0)}, "low <= high"),
        ({"n_chans": 3, "n_times": 50, "n_outputs": 2, "phase_init_values": (0, -1)}, "not negative"),
        ({"n_chans": 3, "n_times": 50, "n_outputs": 2, "ampli_init_values": 0.1}, "two numbers"),
        ({"n_chans": 3, "n_times": 50, "n_outputs": 2, "beta_init_values": (0, np.inf)}, "finite"),
    ],
)
def test_sizes_that_are_missing_or_contradict_raise(given_sizes, message):
    with pytest.raises(ValueError, match=message):
        SyncNet(**given_sizes)


@pytest.mark.parametrize("shape", [(3, 50), (4, 2, 50), (4, 3, 49), (4, 1, 3, 50)])
def test_trials_of_other_sizes_raise(shape):
    with pytest.raises(ValueError, match=r"expected \(batch, 3, 50\)"):
        make()(torch.zeros(shape))


# --- the network as a torch module -------------------------------------------------------------------------------


def test_parameters_start_in_their_ranges():
    ranges = {"ampli_init_values": (2, 3), "omega_init_values": (0.5, 0.6), "beta_init_values": (0.1, 0.2)}
    net = make(n_chans=40, num_filters=60, phase_init_values=(1, 0.1), **ranges)
    for parameter, (low, high) in zip((net.amplitude, net.omega, net.beta), ranges.values(), strict=True):
        assert low <= parameter.min() < low + 0.1 * (high - low)
        assert high >= parameter.max() > high - 0.1 * (high - low)
    assert abs(net.phi_ini.mean() - 1) < 0.01
    assert abs(net.phi_ini.std() - 0.1) < 0.01
    assert (net.bias == 0).all()
    assert 0.15 < net.final_layer.weight.abs().max() <= 0.2
    assert (net.final_layer.bias == 0.1).all()


def test_same_seed_same_net_and_same_outputs():
    one, two = make(3), make(3)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
    x = trials(one)
    assert torch.equal(one(x), one(x))
    assert torch.equal(one(x), two(x))


def test_batch_composition_does_not_matter(route):
    net = make(spread=True).double()
    x = trials(net, 7).double()
    torch.testing.assert_close(net(x)[2:5], net(x[2:5]), rtol=1e-12, atol=1e-12)
    assert net(x[:0]).shape == (0, 2)


def test_dropout_takes_whole_channels_and_scales_the_others():
    net = make(spread=True, drop_prob=0.25, n_chans=50)
    seen = []
    net.channel_dropout.register_forward_hook(lambda module, args, out: seen.append(out))
    x = torch.ones(20, 50, 50)
    torch.manual_seed(0)
    net.train()(x)
    net.eval()(x)
    trained, evaluated = seen
    assert torch.equal(evaluated, x)
    assert (trained == trained[..., :1]).all()
    values = trained[..., 0]
    assert values.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert abs((values == 0).double().mean() - 0.25) < 0.05


def test_stages_can_be_hooked(route):
    net = make(spread=True)
    seen = {}
    for name in ("conv_out", "pool_out"):
        net.get_submodule(name).register_forward_hook(lambda module, args, out, name=name: seen.update({name: out}))
    logits = net(trials(net))
    assert seen["conv_out"].shape == (4, 2, 50)
    assert seen["pool_out"].shape == (4, 2, 5)
    pooled = torch.relu(seen["conv_out"]).unflatten(-1, (5, 10)).amax(-1)
    torch.testing.assert_close(seen["pool_out"], pooled)
    torch.testing.assert_close(net.final_layer(pooled.flatten(1)), logits)


def test_scaled_trials_with_their_scale_give_the_same_outputs(route):
    net = make(spread=True)
    x = trials(net)
    expected, filters = net(x), net.filters()
    with torch.no_grad():
        net.input_scale.fill_(1e-6)
    torch.testing.assert_close(net(1e-6 * x), expected)
    torch.testing.assert_close(net.filters(), 1e6 * filters)
    fresh = make(seed=9)
    fresh.load_state_dict(net.state_dict())
    assert torch.equal(fresh.input_scale, net.input_scale)
    state = net.state_dict()
    del state["input_scale"]
    fresh.load_state_dict(state)
    assert fresh.input_scale == 1
    fresh.load_state_dict({"bias": torch.ones(2)}, strict=False)
    assert (fresh.bias == 1).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float16, 1e-2), (torch.bfloat16, 5e-2)])
@pytest.mark.parametrize("padding", ["same", "braindecode"])
def test_dtypes(dtype, tolerance, padding, route):
    net = make(n_times=80, filter_width=10, pool_size=16, padding=padding)
    x = trials(net)
    expected = net(x).detach()
    net = net.to(dtype)
    out = net(x.to(dtype))
    assert out.dtype == dtype
    assert relative(out.detach().double(), expected) < tolerance
    out.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_filters_keep_single_precision_in_half_nets():
    net, twin = make(spread=True).half(), make()
    twin.load_state_dict({name: value.float() for name, value in net.state_dict().items()})
    assert net.filters().dtype == torch.float32
    assert torch.equal(net.filters(), twin.filters())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_copies_give_the_same_outputs(copied):
    net = make(spread=True)
    x = trials(net)
    assert torch.equal(copied(net)(x), net(x))


@pytest.mark.parametrize("padding", ["same", "braindecode"])
def test_export_with_dynamic_batch(padding, route):
    net = make(n_times=80, filter_width=10, pool_size=16, padding=padding).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net, (trials(net),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for n in (1, 9):
        x = trials(net, n, seed=n)
        torch.testing.assert_close(program.module()(x), net(x))


def check_compiled(net, **options):
    x = trials(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = torch.compile(net, fullgraph=True, **options)(x)
        out.square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    expected = net(x)
    expected.square().sum().backward()
    torch.testing.assert_close(out, expected)
    for compiled, parameter in zip(gradients, net.parameters(), strict=True):
        torch.testing.assert_close(compiled, parameter.grad, rtol=1e-4, atol=1e-4)


def test_traces_as_one_graph(route):
    check_compiled(make(spread=True), backend="aot_eager")


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("c++")), reason="torch.compile needs a C++ compiler")
def test_compiles_as_one_graph():
    net = make(spread=True, n_chans=64, n_times=80, filter_width=20)
    assert net.factored
    check_compiled(net)


@pytest.mark.parametrize(("sizes", "factored", "spectral"), [
    ((64, 20, 40), True, True), ((62, 20, 200), True, True), ((19, 20, 51), True, True),
    ((1, 20, 40), False, False), ((64, 2, 51), True, False),
])  # fmt: skip
def test_route_is_chosen_from_the_sizes(sizes, factored, spectral):
    n_chans, n_filters, width = sizes
    net = make(n_chans=n_chans, num_filters=n_filters, filter_width=width)
    assert (net.factored, net.spectral) == (factored, spectral)


# --- what the filters respond to ---------------------------------------------------------------------------------


def plant(net, *, omega, beta=0.0, amplitude=1.0, phase=0.0):
    """Set one filter's parameters on all channels."""
    with torch.no_grad():
        net.omega.fill_(omega)
        net.beta.fill_(beta)
        net.amplitude.copy_(torch.as_tensor(amplitude, dtype=torch.float32).expand(net.n_chans)[None, None, :, None])
        net.phi_ini.copy_(torch.as_tensor(phase, dtype=torch.float32).expand(net.n_chans)[None, None, :, None])
    return net


def one_filter(sfreq=128.0, width=128, **planted):
    net = make(n_chans=3, n_times=256, num_filters=1, filter_width=width, sfreq=sfreq)
    planted["omega"] = 2 * np.pi * planted.pop("frequency") / sfreq
    return plant(net, **planted)


@given(frequency=st.floats(4, 60), sfreq=st.sampled_from([128.0, 250.0]))
def test_peak_frequency_and_cycles_of_a_long_filter(frequency, sfreq):
    row = one_filter(sfreq, int(sfreq), frequency=frequency, phase=[0, 1, -2]).filter_table().loc[0]
    assert abs(row.peak_frequency - frequency) < 0.1
    assert row.carrier_frequency == pytest.approx(frequency, rel=1e-4)
    assert row.cycles == pytest.approx(row.peak_frequency, rel=1e-6)
    assert not row.few_cycles


@pytest.mark.parametrize(("cycles", "few"), [(1.3, True), (1.7, False), (2.5, False)])
def test_few_cycles_are_fewer_than_one_and_a_half(cycles, few):
    net = one_filter(128.0, 128, frequency=cycles, phase=[0, np.pi / 2, np.pi])
    row = net.filter_table().loc[0]
    assert abs(row.cycles - cycles) < 0.2 and row.few_cycles == few


def test_bandwidth_of_a_decaying_filter_is_that_of_its_gaussian_envelope():
    beta = 0.002
    row = one_filter(frequency=30, beta=beta, width=256).filter_table().loc[0]
    sd = np.sqrt(2 * beta) * 128 / (2 * np.pi)  # of the envelope's Gaussian spectrum, in Hz
    assert row.bandwidth == pytest.approx(2 * sd * np.sqrt(np.log(2)), rel=1e-3)
    assert row.decay == pytest.approx(beta * 128**2, rel=1e-5)


def test_bandwidth_without_decay_is_the_windows():
    row = one_filter(frequency=32, width=64).filter_table().loc[0]
    assert row.bandwidth == pytest.approx(0.886 * 128 / 64, rel=0.01)


def test_few_cycles_are_flagged_and_the_peak_is_the_truncated_responses():
    net = one_filter(256.0, 40, frequency=4.0)
    row = net.filter_table().loc[0]
    assert row.peak_frequency == 0
    assert row.cycles == 0
    assert row.few_cycles
    assert row.carrier_frequency == pytest.approx(4, rel=1e-4)


@given(
    amplitude=st.lists(st.floats(-3, 3).map(lambda a: round(a, 3)), min_size=3, max_size=3),
    phase=st.lists(st.floats(-20, 20), min_size=3, max_size=3),
    omega=st.floats(-9, 9),
)
def test_canonical_waves_are_the_same_filters(amplitude, phase, omega):
    net = plant(make(num_filters=1, filter_width=9).double(), omega=omega, beta=0.01, amplitude=amplitude, phase=phase)
    row = net.filter_table(100.0).loc[0]
    tau = np.arange(-4, 5)
    assert 0 <= row.carrier_frequency <= 50
    for c in range(3):
        a, phi = row[f"amplitude_ch{c}"], row[f"phase_ch{c}"]
        assert a >= 0
        assert -np.pi < phi <= np.pi
        wave = a * np.cos(2 * np.pi * row.carrier_frequency / 100 * tau + phi) * np.exp(-0.01 * tau**2)
        np.testing.assert_allclose(wave, net.filters()[0, c].detach(), atol=1e-6)


def test_table_names_rates_and_silent_filters():
    net = make(num_filters=2, sfreq=100.0)
    with torch.no_grad():
        net.amplitude[..., 1] = 0
    table = net.filter_table(200.0, ch_names=["Fz", "Cz", "Pz"])
    assert list(table.index) == [0, 1]
    assert list(table.columns[-3:]) == ["phase_Fz", "phase_Cz", "phase_Pz"]
    assert table.carrier_frequency[0] == pytest.approx(2 * net.filter_table().carrier_frequency[0])
    assert table[["peak_frequency", "bandwidth"]].loc[1].isna().all()
    assert table.few_cycles[1]
    with pytest.raises(ValueError, match="sfreq"):
        net.filter_table(0)
    with pytest.raises(ValueError, match="ch_names has 2"):
        net.filter_table(100.0, ch_names=["Fz", "Cz"])
    with pytest.raises(ValueError, match="Cz"):
        net.filter_table(100.0, ch_names=["Fz", "Cz", "Cz"])
