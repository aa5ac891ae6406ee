"""The old functions: reference values of braindecode 0.4.85, and the documented behaviour."""

import pathlib
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eegexplain import perturbation as p

ORACLE = np.load(pathlib.Path(__file__).parents[1] / "oracles" / "braindecode_0_4_85.npz")
OWN = ["phase_perturbation", "amp_perturbation_additive", "amp_perturbation_multiplicative"]


def old(name):
    """The function as the old code had it."""
    if name == "amp_perturbation_additive":
        return lambda amps, phases, rng=None: p.amp_perturbation_additive(amps, phases, rng, legacy=True)
    return getattr(p, name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OWN)
def test_perturbations_equal_the_old_ones(name, dtype):
    key = f"pert/{dtype}"
    found = old(name)(ORACLE[f"{key}/amps"], ORACLE[f"{key}/phases"], np.random.RandomState(7))
    for value, part in zip(found, ("amps", "phases", "vals"), strict=True):
        assert_allclose(value, ORACLE[f"{key}/{name}/{part}"], rtol=1e-6, atol=1e-6)


def test_clipped_noise_is_reported_as_it_took_effect():
    amps = ORACLE["pert/clip/amps_in"]
    found, _, values = p.amp_perturbation_additive(amps, np.zeros_like(amps), np.random.RandomState(7), legacy=True)
    assert_allclose(values, found - amps)
    assert (found == 0).any()


def test_documented_noise_has_sd_002():
    amps = np.full((50, 3, 40), 10.0)
    _, _, values = p.amp_perturbation_additive(amps, amps, np.random.RandomState(0))
    assert abs(values.std() - 0.02) < 0.001
    for name in OWN:
        before = amps.copy()
        getattr(p, name)(amps, amps)
        np.testing.assert_array_equal(amps, before)


def test_feature_maps():
    x, y = ORACLE["diff/x"], ORACLE["diff/y"]
    for legacy, factor in ((True, 1), (False, 1 / 50)):
        assert_allclose(p.correlate_feature_maps(x, y, legacy=legacy), factor * ORACLE["diff/correlate_feature_maps"])
    flat = ORACLE["diff/correlate_feature_maps_2d"]
    assert_allclose(p.correlate_feature_maps(x[0], y[0], legacy=True), flat)
    assert_allclose(p.mean_diff_feature_maps(x, y), ORACLE["diff/mean_diff_feature_maps"])
    assert_allclose(p.mean_diff_feature_maps(x[0], y[0]), ORACLE["diff/mean_diff_feature_maps"][0])
    x = x.copy()
    x[0, 0] = 3.0
    assert np.isnan(p.correlate_feature_maps(x, y, legacy=True)[0, 0])
    assert p.correlate_feature_maps(x, y)[0, 0] == 0
    with pytest.raises(ValueError, match="same shape"):
        p.correlate_feature_maps(x, y[:1])


def network(key):
    """The oracle's network: filters over space, a 7-tap filter over time, log power, linear classes."""
    ws, wt, wc = (ORACLE[f"{key}/net_{name}"] for name in ("ws", "wt", "wc"))

    def predict(X):
        h = np.einsum("kc,bct->bkt", ws, X[..., 0])
        windows = np.lib.stride_tricks.sliding_window_view(h, wt.shape[1], axis=-1)
        h = np.einsum("bktw,kw->bkt", windows, wt)
        return [h[..., None], np.log1p((h**2).mean(-1)) @ wc.T]

    return predict


@pytest.fixture(params=["spc/T40/float64", "spc/T41/float64"])
def case(request):
    predict, X = network(request.param), ORACLE[f"{request.param}/X"]
    out = ORACLE[f"{request.param}/net_out0"]
    flip = np.abs(predict(X)[0] - out).max() > 1e-6  # whether its convolution turned the taps around
    if flip:
        raise AssertionError("the network of the oracle is not the one built here")
    return request.param, predict, X


@pytest.mark.parametrize("name", OWN)
def test_layers_equal_the_old_tool(case, name):
    key, predict, X = case
    perturb = getattr(p, name)
    found = p.spectral_perturbation_correlation(perturb, p.mean_diff_feature_maps, predict, 2, X, 5, legacy=True)
    for layer in range(2):
        assert_allclose(found[layer], ORACLE[f"{key}/{name}/mean_diff/layer{layer}"], atol=1e-6)
    found = p.spectral_perturbation_correlation(perturb, p.correlate_feature_maps, predict, 1, X, 5, legacy=True)
    assert_allclose(found[0], ORACLE[f"{key}/{name}/correlate/layer0"], atol=1e-6)


def test_predictions_equal_the_old_tool(case):
    key, predict, X = case
    run = p.compute_amplitude_prediction_correlations

    def outputs(X):
        return predict(X)[1]

    def crops(X):
        return np.stack([outputs(X), 2 * outputs(X) + X[:, :2, 5, 0]], axis=-1)

    assert_allclose(run(outputs, X, 5, legacy=True), ORACLE[f"{key}/capc_n5"], atol=1e-6)
    found = run(outputs, X, 1, batch_size=7, seed=0, legacy=True)
    assert_allclose(found, ORACLE[f"{key}/capc_n1_seed0_bs7"], atol=1e-6)
    found = run(outputs, X, 3, p.amp_perturbation_multiplicative, legacy=True)
    assert_allclose(found, ORACLE[f"{key}/capc_n3_mult"], atol=1e-6)
    assert_allclose(run(crops, X, 3, legacy=True), ORACLE[f"{key}/capc_crop_n3"], atol=1e-6)


def correlations_by_hand(values, changes):
    """Pearson correlation over trials, cell by cell."""
    return np.array(
        [
            [[np.corrcoef(values[:, c, f], changes[:, k])[0, 1] for k in range(changes.shape[1])]
             for f in range(values.shape[2])]
            for c in range(values.shape[1])
        ]
    )  # fmt: skip


def test_documented_behaviour_equals_a_loop_over_cells():
    X = np.random.RandomState(0).normal(size=(25, 2, 10))
    seen = []

    def perturb(amps, phases, rng):
        noise = rng.normal(0, 0.1, amps.shape)
        seen.append(noise)
        return amps + noise, phases, noise

    def predict(X):
        return (X**2).mean(-1)

    found = p.compute_amplitude_prediction_correlations(predict, X, 2, perturb, batch_size=7)
    expected = []
    for noise in seen:
        spectrum = np.fft.rfft(X)
        new = np.fft.irfft((np.abs(spectrum) + noise) * np.exp(1j * np.angle(spectrum)), n=10)
        expected.append(correlations_by_hand(noise, predict(new) - predict(X)))
    assert_allclose(found, np.mean(expected, axis=0), atol=1e-10)


def test_both_forms_of_a_perturbation_and_inputs_of_three_or_four_axes():
    X = np.random.RandomState(0).normal(size=(20, 2, 12))

    def predict(X):
        return (X.reshape(len(X), 2, 12) ** 2).mean(-1)

    def long_form(amps, phases, rng=None):
        return p.amp_perturbation_additive(amps, phases, rng)

    def documented(amps, rng):
        return rng.normal(0, 0.02, amps.shape).astype(np.float32)

    reference = p.compute_amplitude_prediction_correlations(predict, X, 3)
    for perturb in (long_form, documented):
        assert_allclose(p.compute_amplitude_prediction_correlations(predict, X, 3, perturb), reference, atol=1e-12)
    found = p.compute_amplitude_prediction_correlations(predict, X[..., None], 3, batch_size=6)
    assert_allclose(found, reference, atol=1e-9)


def test_nothing_is_cut_and_nothing_is_nan():
    X = np.random.RandomState(0).normal(size=(20, 2, 12, 1))

    def predict(X):
        power = X[..., 0] ** 2
        return [np.stack([power, -5 * power], axis=-1), np.ones((len(X), 3))]

    run = p.spectral_perturbation_correlation
    whole, constant = run(p.amp_perturbation_additive, p.mean_diff_feature_maps, predict, 2, X, 2)
    cut, nan = run(p.amp_perturbation_additive, p.mean_diff_feature_maps, predict, 2, X, 2, legacy=True)
    first = run(
        p.amp_perturbation_additive, p.mean_diff_feature_maps, lambda X: [predict(X)[0][..., 0]], 1, X, 2, legacy=True
    )
    assert_allclose(cut, first[0])
    assert np.mean(whole * cut) < 0  # the sum of both has the other sign
    assert np.isnan(nan).all()
    assert not constant.any()
    with pytest.raises(ValueError, match="expected n_layers=3"):
        run(p.amp_perturbation_additive, p.mean_diff_feature_maps, predict, 3, X, 2)


def test_phases_of_dc_and_nyquist_stay():
    X = np.random.RandomState(0).normal(size=(30, 2, 12)) + 3

    def predict(X):
        return X.mean(-1)

    found = p.compute_amplitude_prediction_correlations(predict, X, 2, p.phase_perturbation)
    shifted = p.compute_amplitude_prediction_correlations(predict, X, 2, p.phase_perturbation, legacy=True)
    assert np.abs(shifted[0, 0, 0]) > 0.5  # the old tool changed the mean of the trial
    assert not found[0, [0, -1]].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_no_change(dtype):
    X = np.random.RandomState(0).normal(size=(30, 2, 32)).astype(dtype)

    def layers(X):
        power = (X**2).mean(-1, keepdims=True)
        return [X**2, np.log(power), power * np.arange(1, 6), X]

    run = p.spectral_perturbation_correlation
    square, power, ramp, trial = run(p.phase_perturbation, p.mean_diff_feature_maps, layers, 4, X, 3)
    assert not square.any()  # shifted phases keep the power of each trial, and its mean
    assert not power.any()
    assert not ramp.any()
    assert not trial.any()
    same = run(p.phase_perturbation, p.correlate_feature_maps, layers, 4, X, 3)
    assert not same[2].any()  # scaled by rounding
    assert np.abs(same[3]).max() > 0.1
    found = run(p.amp_perturbation_multiplicative, p.mean_diff_feature_maps, layers, 4, X, 3)
    assert all(layer.any() for layer in found[:3])
    constant = 0.1 + np.finfo(dtype).eps * np.random.RandomState(1).normal(size=(1, 10)).astype(dtype)
    assert not p.correlate_feature_maps(constant, X[:1, 0, :10]).any()


def shifted_in_place(amps, phases, rng):
    phases += 1
    return amps, phases, phases


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"perturb_fn": shifted_in_place}, "changes its input in place"),
        ({"perturb_fn": lambda amps, phases, rng: (amps, phases)}, "three arrays"),
        ({"perturb_fn": lambda amps, phases, rng: (amps, phases, amps[..., 0])}, r"values \(20, 2\)"),
        ({"perturb_fn": lambda amps, phases, rng: (amps[:, :1], phases, amps)}, r"amplitudes \(20, 1, 7\)"),
        ({"pred_fn": lambda X: X.mean(axis=(1, 2))}, "expected .n_trials, n_filters"),
        ({"examples": np.ones((20, 12))}, "inputs must be"),
        ({"examples": np.ones((20, 2, 12, 3))}, "inputs must be"),
        ({"n_iterations": 0}, "n_iterations must be at least 1"),
    ],
)
def test_bad_input(changes, message):
    settings = {"pred_fn": lambda X: X.mean(-1), "examples": np.ones((20, 2, 12)), "n_iterations": 2, **changes}
    with pytest.raises(ValueError, match=message):
        p.compute_amplitude_prediction_correlations(**settings)


def test_one_batch_is_in_memory():
    X = np.random.RandomState(0).normal(size=(400, 4, 128)).astype(np.float32)

    def predict(X):
        return (X**2).mean(-1)

    tracemalloc.start()
    p.compute_amplitude_prediction_correlations(predict, X, 2, batch_size=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * X.nbytes
