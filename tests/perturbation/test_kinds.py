"""Kinds of perturbation: what they change, what they leave, and what a user's own may not do."""

import numpy as np
import pytest
from scipy import stats

from eegexplain._bands import frozen_bins
from eegexplain.perturbation import PerturbationCorrelator
from eegexplain.perturbation._noise import Noise
from eegexplain.perturbation._spectra import Spectra, data_scale
from eegexplain.perturbation.kinds import (
    KINDS,
    Perturbation,
    by_amplitude,
    by_phase,
    normal,
    resolve_kind,
    turn,
    with_data_noise,
)

from .nets import Squares, frozen


def disturbed(kind, X, *, amount=1.0, n_draws=4, membership=None, projector=None, seed=0):
    kind = resolve_kind(kind)
    lengths = {"channel": X.shape[1], "frequency": X.shape[-1] // 2 + 1}
    amount = np.full([n if axis in kind.axes else 1 for axis, n in lengths.items()], amount)
    noise = Noise(kind, amount, membership, projector)
    new, values = noise.perturb(Spectra.of(X), n_draws, np.random.default_rng(seed))
    return new.reshape(n_draws, *X.shape), values


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(5, 3, 16))


@pytest.mark.parametrize("n_times", [15, 16])
@pytest.mark.parametrize("kind", ["phase", "lag"])
def test_phase_kinds_keep_every_amplitude_and_leave_dc_and_nyquist_alone(kind, n_times):
    X = np.random.default_rng(0).normal(size=(5, 3, n_times))
    new, values = disturbed(kind, X)
    before, after = np.fft.rfft(X), np.fft.rfft(new)
    np.testing.assert_allclose(np.abs(after), np.abs(before)[None].repeat(4, 0), atol=1e-12)
    frozen = [0, -1] if n_times % 2 == 0 else [0]
    np.testing.assert_allclose(after[..., frozen], before[None][..., frozen].repeat(4, 0), atol=1e-12)
    assert not values[..., frozen].any()
    shift = np.abs(np.angle(after / before))
    np.testing.assert_allclose(np.broadcast_to(values, shift.shape), shift, atol=1e-5)


def test_phase_shifts_all_channels_alike_and_lag_one_in_n_channels(X):
    _, values = disturbed("phase", X)
    assert values.shape == (4, 5, 1, 9)
    _, values = disturbed("lag", np.random.default_rng(1).normal(size=(40, 4, 64)))
    share = (values[..., 1:-1] > 0).mean()
    assert abs(share - 0.25) < 0.01


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_amplitude_kinds_move_along_the_phase_and_report_the_noise(kind, X):
    new, values = disturbed(kind, X, amount=0.8)
    before, after = np.fft.rfft(X)[None], np.fft.rfft(new)
    along = after * np.exp(-1j * np.angle(before))
    np.testing.assert_allclose(along.imag, 0, atol=1e-12)
    change = along.real - np.abs(before) if kind == "additive" else along.real / np.abs(before) - 1
    np.testing.assert_allclose(values, change, atol=1e-6)
    assert abs(values.std() - 0.8) < 0.05


def test_band_noise_is_shared_by_the_bins_of_a_band_and_leaves_other_bins_alone(X):
    membership = np.zeros((1, 9), dtype=np.float32)
    membership[0, 2:5] = 1
    _, values = disturbed("multiplicative", X, amount=0.1, membership=membership)
    assert np.ptp(values[..., 2:5], axis=-1).max() < 1e-7
    assert not values[..., [0, 1, 5, 6, 7, 8]].any()


@pytest.mark.parametrize("n_times", [15, 16])
def test_data_noise_has_the_cross_spectrum_of_the_trials(n_times):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3, 3)) @ rng.normal(size=(400, 3, n_times)) + 5
    scale = data_scale(X, cross=True)
    kind = with_data_noise(KINDS["additive"], scale.cross.cross)
    new, _ = disturbed(kind, X[:2], n_draws=4000)
    added = np.fft.rfft(new - X[:2]).reshape(-1, *scale.spread.shape)
    found = np.einsum("ncf,ndf->fcd", added, added.conj()) / len(added)
    expected = scale.cross.cross.copy()
    expected[[0, -1] if n_times % 2 == 0 else [0]] /= 2  # real bins hold half the variance, in the real part
    assert np.abs(found - expected).max() < 0.08 * np.abs(expected).max()
    empirical = np.fft.rfft(X)
    empirical = empirical - empirical.mean(axis=0)
    covariance = np.einsum("ncf,ndf->fcd", empirical, empirical.conj()) / 400
    np.testing.assert_allclose(scale.cross.cross, covariance, atol=1e-8)


@pytest.mark.parametrize("offset", [0, 1e9])
def test_data_noise_leaves_empty_dimensions_empty(offset):
    """An average reference, a dead channel, and a mean that drowns the spectrum of its bin in rounding."""
    X = np.random.default_rng(0).normal(size=(30, 5, 16))
    X[:, :4] -= X[:, :4].mean(axis=1, keepdims=True)
    X[:, 4] = 0
    scale = data_scale(X + offset * np.array([1, -1, 2, -2, 0])[:, None], cross=True)
    (root,) = with_data_noise(KINDS["additive"], scale.cross.cross).apply.args
    root, cross = root[1:], scale.cross.cross[1:]
    np.testing.assert_allclose(root @ root.conj().swapaxes(1, 2), cross, atol=1e-6 * np.abs(cross).max())
    assert not root[:, 4].any()
    assert np.abs(root[:, :4].sum(axis=1)).max() < 1e-6 * np.abs(root).max()


def test_perturbed_trials_stay_in_the_space_of_the_data(X):
    X = X - X.mean(axis=1, keepdims=True)
    scale = data_scale(X)
    assert scale.rank == 2
    new, _ = disturbed("additive", X, projector=scale.projector)
    np.testing.assert_allclose(new.mean(axis=2), 0, atol=1e-12)
    assert np.abs(disturbed("additive", X)[0].mean(axis=2)).max() > 0.01


def test_own_function_is_given_read_only_arrays_and_must_return_their_shapes(X):
    def halve(amps, phases, rng):
        return amps / 2, phases, rng.random(amps.shape)

    new, values = disturbed(halve, X)
    np.testing.assert_allclose(new, np.broadcast_to(X / 2, new.shape), atol=1e-12)
    assert values.shape == (4, 5, 3, 9)

    def in_place(amps, phases, rng):
        amps *= 2
        return amps, phases, amps

    with pytest.raises(ValueError, match="changes its input in place"):
        disturbed(in_place, X)
    with pytest.raises(ValueError, match="three arrays"):
        disturbed(lambda amps, phases, rng: amps, X)
    with pytest.raises(ValueError, match=r"values \(5, 3\)"):
        disturbed(lambda amps, phases, rng: (amps, phases, amps[..., 0]), X)


def test_unknown_kind_is_suggested():
    with pytest.raises(ValueError, match="Did you mean 'additive'"):
        resolve_kind("aditive")


# ------------------------------------------------------------------------------------------- every kind, by its record
def amplitude_change(before, after):
    """Along the phase, so that an amplitude below 0 counts as such."""
    return (after * np.exp(-1j * np.angle(before))).real - np.abs(before)


def factor(before, after):
    return amplitude_change(before, after) / np.abs(before)


def shift(before, after):
    return np.angle(after * before.conj())


# What each kind changes, measured on spectra; how that is distributed for noise of SD 0.8 in 4 channels.
CHANGES = {
    "additive": (amplitude_change, stats.norm(scale=0.8), 1.0),
    "multiplicative": (factor, stats.norm(scale=0.8), 1.0),
    "phase": (shift, stats.uniform(-np.pi, 2 * np.pi), 1.0),
    "lag": (shift, stats.uniform(-np.pi, 2 * np.pi), 0.25),
}


@pytest.mark.parametrize("n_times", [15, 16])
@pytest.mark.parametrize("name", KINDS)
def test_apply_changes_what_the_record_says(name, n_times):
    assert name in CHANGES, f"say in CHANGES what {name!r} changes and how that is distributed"
    measured, distribution, share = CHANGES[name]
    kind, X = KINDS[name], np.random.default_rng(0).normal(size=(60, 4, n_times))
    new, values = disturbed(kind, X, amount=0.8, n_draws=5)
    before, after = np.fft.rfft(X)[None], np.fft.rfft(new)
    changed = measured(before, after)
    left = np.abs(after) / np.abs(before) if measured is shift else np.sin(2 * shift(before, after))
    np.testing.assert_allclose(left, measured is shift, atol=1e-6)  # amplitudes or phases (but for their sign) stay
    lengths = [n if axis in kind.axes else 1 for axis, n in zip(("channel", "frequency"), X[0].shape, strict=True)]
    assert values.shape == (5, 60, lengths[0], changed.shape[-1] if "frequency" in kind.axes else 1)
    reported = np.abs(changed) if measured is shift else changed
    np.testing.assert_allclose(np.broadcast_to(values, changed.shape), reported, atol=1e-5)
    drawn = changed[..., 1 : (n_times + 1) // 2]  # bins that have a phase
    drawn = drawn if "channel" in kind.axes else drawn[:, :, 0]
    moved = drawn[np.abs(drawn) > 1e-5]
    assert abs(moved.size / drawn.size - share) < 0.02
    assert stats.kstest(moved, distribution.cdf).pvalue > 1e-3
    columns = drawn.reshape(300, -1)  # every value of its own: draws x trials against channels x bins
    correlations = np.corrcoef(columns.T)[np.triu_indices(columns.shape[1], 1)]
    assert np.abs(correlations).max() < 4.5 / np.sqrt(300)


def flat(spectra, rng, draws):
    noise = draws.draw(lambda shape: normal(rng, shape), spectra) * draws.amount
    return spectra.values + noise * spectra.unit, noise


def jitter(spectra, rng, draws):
    angle = draws.draw(lambda shape: normal(rng, shape), spectra) * draws.amount
    angle[..., frozen_bins(spectra.n_times)] = 0
    return spectra.values * turn(angle, spectra), angle


def angular(spectra):
    """Phase that a bin loses per sample of delay."""
    return -2 * np.pi * np.arange(spectra.values.shape[-1]) / spectra.n_times * ~frozen_bins(spectra.n_times)


def delay(spectra, rng, draws):
    samples = draws.draw(lambda shape: normal(rng, shape), spectra) * draws.amount
    return spectra.values * turn(samples * angular(spectra), spectra), samples


OWN = {
    "flat": Perturbation("flat", "A -> A + scale * e", "e ~ N(0, 1)", False, flat, by_amplitude),
    "jitter": Perturbation("jitter", "phi -> phi + scale * e", "e ~ N(0, 1)", False, jitter, by_phase),
    "jitter of all channels": Perturbation(
        "jitter of all channels", "phi -> phi + scale * e", "e ~ N(0, 1)", False, jitter, by_phase, ("frequency",)
    ),
    "delay": Perturbation(
        "delay",
        "x(t) -> x(t - scale * e)",
        "e ~ N(0, 1) per trial; value: the delay in samples",
        False,
        delay,
        lambda gradients, spectra: angular(spectra) * by_phase(gradients, spectra),
        (),
    ),
}


@pytest.mark.parametrize("kind", [*(kind for kind in KINDS.values() if kind.closed_form), *OWN.values()],
                         ids=lambda kind: kind.name)  # fmt: skip
def test_the_slope_of_a_kind_is_what_its_draws_show(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3, 24)) + np.cumsum(rng.normal(size=(40, 3, 24)), axis=-1)
    net, params = frozen(Squares(3), 3), {"perturbation": kind, "random_state": 0, "scale": 0.01}
    exact = PerturbationCorrelator(net, **params).fit(X, np.arange(40) % 3)
    params |= {"method": "sampling", "control_variate": False, "n_iterations": 400}
    drawn = PerturbationCorrelator(net, **params).fit(X, np.arange(40) % 3)
    assert exact.method_ == "gradient"
    shape = [n if axis in kind.axes else 1 for axis, n in (("channel", 3), ("frequency", 13))]
    assert exact.correlations_.shape == drawn.correlations_.shape == (3, *shape)
    difference = (drawn.correlations_ - exact.correlations_) / np.maximum(drawn.mc_standard_errors_, 1e-3)
    assert np.abs(difference).max() < 4.5
    if kind.axes:
        assert np.corrcoef(exact.correlations_.ravel(), drawn.correlations_.ravel())[0, 1] > 0.98
    np.testing.assert_allclose(exact.transform(X[:2]), drawn.transform(X[:2]), atol=0.3)
    size = drawn.explanation_["noise_size"].to_numpy()
    np.testing.assert_allclose(size[size > 0], np.broadcast_to(drawn._noise.amount, size.shape)[size > 0], rtol=0.05)
    assert np.all(exact.correlations_[:, size == 0] == 0)


def test_a_value_per_trial_has_a_map_of_one_cell():
    X = np.random.default_rng(0).normal(size=(40, 3, 24))
    correlator = PerturbationCorrelator(frozen(Squares(3), 3), perturbation=OWN["delay"]).fit(X, np.arange(40) % 3)
    dataset = correlator.explanation_
    assert dataset["value"].dims == ("output", "channel", "band")
    assert dataset["channel"].values.tolist() == dataset["band"].values.tolist() == ["all"]
    assert list(correlator.get_feature_names_out()) == ["all@all@0", "all@all@1", "all@all@2"]
    with pytest.raises(ValueError, match="no value per frequency: use bands=None"):
        PerturbationCorrelator(frozen(Squares(3), 3), perturbation=OWN["delay"], bands={"low": (0, 0.2)}).fit(
            X, np.arange(40) % 3
        )


def test_noise_in_units_of_the_spread_has_values_of_every_channel_and_bin():
    with pytest.raises(ValueError, match="needs values per channel and frequency"):
        Perturbation("shared", "A -> A + e", "e ~ N(0, 1)", True, flat, by_amplitude, ("frequency",))


def test_only_kinds_that_say_so_take_the_noise_of_the_data():
    X, y = np.random.default_rng(0).normal(size=(20, 3, 16)), np.arange(20) % 3
    for kind in (*KINDS.values(), *OWN.values()):
        correlator = PerturbationCorrelator(frozen(Squares(3), 3), perturbation=kind, noise="data")
        if kind.data_noise:
            assert correlator.fit(X, y).explanation_.attrs["noise"] == "data"
        else:
            with pytest.raises(ValueError, match="noise='data' is a kind of additive noise"):
                correlator.fit(X, y)


def test_every_kind_declares_what_it_does():
    for name, kind in KINDS.items():
        assert kind.name == name
        assert kind.formula
        assert kind.noise
