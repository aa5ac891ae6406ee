"""PerturbationCorrelator: maps known by hand, agreement of its two methods, and its contract."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

from eegexplain.perturbation import PerturbationCorrelator, phase_perturbation

from .nets import Amplitudes, ChannelPower, PhaseDifference, Squares, frozen

BANDS = {"low": (0.05, 0.2), "high": (0.2, 0.45)}


def noise_trials(n_trials=40, n_channels=3, n_times=32, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_trials, n_channels, n_times)), np.arange(n_trials) % 3


def fitted(net, X, y, **params):
    return PerturbationCorrelator(net, random_state=0, **params).fit(X, y)


def log_power(X):
    return np.log(np.abs(np.fft.rfft(X)[..., 1:-1]) ** 2).reshape(len(X), -1)


# ------------------------------------------------------------------------------------------------- maps known by hand
@pytest.mark.parametrize("bands", [None, BANDS])
def test_weights_on_amplitudes_give_the_map_known_by_hand(bands):
    X, y = noise_trials()
    weights = np.random.default_rng(1).normal(size=(3, 3, 17))
    correlator = fitted(frozen(Amplitudes(weights), 3), X, y, bands=bands, response="logit", scale=0.01)
    effect = weights * np.abs(np.fft.rfft(X)).std(axis=0)
    if bands is not None:
        frequencies = np.arange(17) / 32
        effect = np.stack([effect[..., (frequencies >= a) & (frequencies < b)].sum(-1) for a, b in bands.values()], -1)
    expected = effect / np.sqrt((effect**2).sum(axis=(1, 2), keepdims=True))
    np.testing.assert_allclose(correlator.correlations_, expected, atol=1e-12)
    given = correlator.explain_population(X)["standard_error"]
    np.testing.assert_allclose(given, 0, atol=1e-7)  # every trial has the same gradient
    assert correlator.standard_errors_.min() > 1e-5  # but the deviations of the amplitudes have errors
    assert correlator.method_ == "gradient"
    np.testing.assert_array_equal(correlator.frequencies_, np.arange(17) / 32)


def test_multiplicative_noise_averages_amplitude_times_gradient():
    X, y = noise_trials()
    weights = np.random.default_rng(1).normal(size=(3, 3, 17))
    net = frozen(Amplitudes(weights), 3)
    correlator = fitted(net, X, y, perturbation="multiplicative", response="logit")
    effect = np.abs(np.fft.rfft(X))[:, None] * weights
    expected = effect.mean(axis=0) / np.sqrt((effect**2).sum(axis=(2, 3)).mean(axis=0))[:, None, None]
    np.testing.assert_allclose(correlator.correlations_, expected, atol=1e-12)


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # of amplitudes, as it should be
def test_phase_differences_have_a_lag_map_on_their_two_channels_and_no_amplitude_map():
    X, y = noise_trials(60, 4, 32)
    X[:, 1] = X[:, 0] + 0.3 * X[:, 1]  # the phases agree, so that a shift can only lower the cosine
    net = frozen(PhaseDifference(5))
    amplitude = fitted(net, X, y % 2)
    assert not amplitude.correlations_.any()
    lag = fitted(net, X, y % 2, perturbation="lag", n_iterations=60)
    assert lag.method_ == "sampling"
    r = lag.correlations_[1]
    z = r / lag.standard_errors_[1].clip(1e-12)
    assert np.all(r[:2, 5] < -0.3)
    assert np.all(z[:2, 5] < -10)
    elsewhere = np.ones(r.shape, dtype=bool)
    elsewhere[:2, 5] = False
    assert np.abs(z[elsewhere]).max() < 4.5


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # of lags, as it should be
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_channel_power_has_no_lag_map_although_rounding_moves_it(dtype):
    X, y = noise_trials(20)
    X = X.astype(dtype)
    lag = PerturbationCorrelator(frozen(ChannelPower()), perturbation="lag", n_iterations=10, random_state=0)
    with pytest.warns(UserWarning, match="cannot be told from the noise"):
        lag.fit(X, y % 2)
    assert not lag.correlations_.any()
    power = fitted(frozen(ChannelPower()), X, y % 2).correlations_[1]
    assert np.all(power[0] > 0)
    assert not power[1:].any()


@pytest.mark.parametrize("bands", [None, BANDS])
@pytest.mark.parametrize(
    ("perturbation", "noise"), [("additive", "independent"), ("additive", "data"), ("multiplicative", "independent")]
)
def test_draws_scatter_around_the_closed_form_as_their_error_says(perturbation, noise, bands):
    X, y = noise_trials(n_channels=4)
    params = {"perturbation": perturbation, "noise": noise, "bands": bands}
    exact = fitted(frozen(Squares(4), 3), X, y, **params)
    drawn = fitted(frozen(Squares(4), 3), X, y, method="sampling", n_iterations=150, control_variate=False, **params)
    z = (drawn.correlations_ - exact.correlations_) / drawn.mc_standard_errors_
    z = z[np.isfinite(z)]
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert 0.7 < z.std() < 1.25
    assert np.abs(z).max() < 4.5
    assert not exact.mc_standard_errors_.any()
    assert exact.perturbed_score_ == drawn.perturbed_score_ == 1


# ------------------------------------------------------------------------------- average reference, volume conduction
class Lopsided(nn.Module):
    """Reads channel 0, plus the same number of all channels: arbitrary where their mean is zero."""

    def __init__(self, common):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 0, 0, 0, 0, 0], dtype=torch.float64) + common)

    def forward(self, x):
        score = torch.log((torch.einsum("c,bct->bt", self.weight, x) ** 2).mean(-1))
        return torch.stack([-score, score], dim=1)


def test_nets_that_behave_alike_on_the_data_have_one_map_in_its_space():
    X, y = noise_trials(n_channels=6)
    X -= X.mean(axis=1, keepdims=True)
    nets = [frozen(Lopsided(common)) for common in (0.0, 10.0)]

    def agreement(**params):
        a, b = (fitted(net, X, y % 2, **params).correlations_ for net in nets)
        return np.corrcoef(a.ravel(), b.ravel())[0, 1]

    assert agreement() > 1 - 1e-9
    assert agreement(noise="data") > 1 - 1e-9
    assert agreement(subspace="full") < 0.95
    assert fitted(nets[0], X, y % 2).rank_ == 5


# --------------------------------------------------------------------------------------------------------- the contract
def test_explanation_is_labelled_and_the_same_numbers():
    X, y = noise_trials()
    correlator = fitted(frozen(Squares(), 3), X, y, bands=BANDS, ch_names=["C3", "Cz", "C4"], sfreq=1.0)
    dataset = correlator.explanation_
    assert dataset["value"].dims == ("output", "channel", "band")
    assert list(dataset["channel"].values) == ["C3", "Cz", "C4"]
    assert list(dataset["band"].values) == ["low", "high"]
    np.testing.assert_array_equal(dataset["value"], correlator.correlations_)
    np.testing.assert_array_equal(dataset["standard_error"], correlator.standard_errors_)
    assert dataset.attrs["method"] == "perturbation correlation"
    assert dataset.attrs["estimation"] == "gradient"
    assert dataset.attrs["response"] == "centered_logit"
    assert list(correlator.get_feature_names_out()[:2]) == ["C3@low@0", "C3@high@0"]


def test_single_trials_average_to_the_map():
    X, y = noise_trials()
    exact = fitted(frozen(Squares(), 3), X, y)
    np.testing.assert_allclose(exact.explain(X)["value"].mean("trial"), exact.correlations_, atol=1e-12)
    assert exact.transform(X).shape == (40, 3 * 3 * 17)
    drawn = fitted(frozen(Squares(), 3), X, y, bands=BANDS, method="sampling", n_iterations=200)
    trials = drawn.explain(X[:12])["value"].to_numpy()
    reference = fitted(frozen(Squares(), 3), X, y, bands=BANDS).explain(X[:12])["value"].to_numpy()
    assert np.corrcoef(trials.ravel(), reference.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("method", ["gradient", "sampling"])
def test_workers_batches_and_memory_maps_do_not_matter(method, tmp_path):
    X, y = noise_trials(70)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    params = {"method": method, "n_iterations": 8, "bands": BANDS}
    net = frozen(Squares(), 3)
    reference = fitted(net, X, y, **params)
    for other in (fitted(net, X, y, n_jobs=2, **params), fitted(net, mapped, y, **params)):
        np.testing.assert_array_equal(other.correlations_, reference.correlations_)
        np.testing.assert_array_equal(other.standard_errors_, reference.standard_errors_)
    small = fitted(net, X, y, batch_size=3, **params)
    np.testing.assert_allclose(small.correlations_, reference.correlations_, atol=1e-12)


@pytest.mark.parametrize("method", ["gradient", "sampling"])
def test_groups_cluster_the_error_and_leave_the_map(method, monkeypatch):
    monkeypatch.setattr("eegexplain.perturbation._influence._SLOPE_TRIALS", 180)  # all
    X, y = noise_trials(30)
    net, params = frozen(Squares(), 3), {"bands": BANDS, "method": method, "n_iterations": 20}
    single = fitted(net, X, y, **params)
    copies = np.tile(X, (6, 1, 1)), np.tile(y, 6)
    clustered = PerturbationCorrelator(net, random_state=0, **params).fit(*copies, groups=np.tile(np.arange(30), 6))
    alone = fitted(net, *copies, **params)
    if method == "gradient":  # six copies of a trial tell no more than one
        np.testing.assert_allclose(clustered.correlations_, single.correlations_, atol=1e-12)
        np.testing.assert_allclose(clustered.standard_errors_, single.standard_errors_, rtol=1e-9)
    assert np.median(clustered.standard_errors_ / alone.standard_errors_) > 1.3
    one = PerturbationCorrelator(net, random_state=0, **params).fit(X, y, groups=np.zeros(30))
    assert np.isnan(one.standard_errors_).all()


def varied_trials():
    """Pairs of trials that are alike in size, which differs between pairs: 24 groups, or 48 trials."""
    X, y = noise_trials(48, n_times=16)
    X[:, 1] *= np.exp(0.5 * np.random.default_rng(1).normal(size=(24, 1)).repeat(2, axis=0))
    return X, y, np.arange(48) // 2


WHOLE, PER_CLASS = {}, {"per_class": True}


@pytest.mark.parametrize(
    ("noise", "params", "clustered", "bands"),
    [
        ("data", WHOLE, True, None),
        ("data", WHOLE, True, BANDS),
        ("independent", WHOLE, True, None),
        ("independent", WHOLE, True, BANDS),
        ("data", WHOLE, False, None),
        ("independent", WHOLE, False, BANDS),
        ("data", PER_CLASS, True, BANDS),
        ("independent", PER_CLASS, True, None),
        pytest.param("data", WHOLE, False, BANDS, marks=pytest.mark.slow),
        pytest.param("independent", WHOLE, False, None, marks=pytest.mark.slow),
        pytest.param("data", PER_CLASS, True, None, marks=pytest.mark.slow),
        pytest.param("independent", PER_CLASS, True, BANDS, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_error_of_fit_is_that_of_the_jackknife(noise, params, clustered, bands):
    """Leaving out one trial (or group) also changes the size of the noise."""
    params = {"noise": noise, **params}
    X, y, groups = varied_trials()
    units, net = groups if clustered else np.arange(48), frozen(Squares(), 3)
    found = PerturbationCorrelator(net, bands=bands, random_state=0, **params).fit(X, y, groups=units)
    kept = [units != unit for unit in np.unique(units)]
    maps = np.array([fitted(net, X[k], y[k], bands=bands, **params).correlations_ for k in kept])
    jackknife = np.sqrt((len(maps) - 1) * maps.var(axis=0))
    ratio = found.standard_errors_ / jackknife
    assert 0.85 < np.median(ratio) < 1.1 and 0.5 < ratio.min() and ratio.max() < 1.5
    given = found.explain_population(X, y, groups=units)["standard_error"].to_numpy()
    assert np.median(np.abs(given / jackknife - 1)) > 1.1 * np.median(np.abs(ratio - 1))


class Outputs(ClassifierMixin, BaseEstimator):
    """A network as a classifier that nobody can take gradients of."""

    def __init__(self, net):
        self.net = net

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return self.net.estimator.module_(torch.from_numpy(X)).detach().numpy()

    def predict(self, X):
        return self.classes_[self.decision_function(X).argmax(axis=1)]


@pytest.mark.parametrize("bands", [None, BANDS])
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("noise", ["independent", "data"])
@pytest.mark.parametrize("kind", ["control", "plain", "no network"])
def test_draws_have_the_errors_of_the_closed_form_and_their_own(kind, noise, per_class, bands):
    X, y, groups = varied_trials()
    net, params = frozen(Squares(), 3), {"noise": noise, "per_class": per_class, "bands": bands, "random_state": 0}
    exact = PerturbationCorrelator(net, **params).fit(X, y, groups=groups)
    estimator = FrozenEstimator(Outputs(net).fit(X, y)) if kind == "no network" else net
    control = "auto" if kind == "control" else False
    drawn = PerturbationCorrelator(estimator, method="sampling", n_iterations=150, control_variate=control, **params)
    drawn.fit(X, y, groups=groups)
    expected = np.sqrt(exact.standard_errors_**2 + drawn.mc_standard_errors_**2)
    ratio = drawn.standard_errors_ / expected
    assert 0.93 < np.median(ratio) < 1.1 and np.mean(np.abs(ratio - 1) < 0.3) > 0.9
    given = drawn.explain_population(X, y, groups=groups)["standard_error"].to_numpy()
    distance = [np.sqrt(np.mean(np.square(error / expected - 1))) for error in (given, drawn.standard_errors_)]
    assert distance[0] > 1.1 * distance[1]


def test_only_fit_knows_that_the_noise_was_measured_on_these_trials():
    """Given trials have the errors of given noise, also those that look like the trials of `fit`."""
    X, y = noise_trials(40)
    found = fitted(frozen(Squares(), 3), X, y, noise="data")
    order = np.random.default_rng(0).permutation(40)
    given = found.explain_population(X, y), found.explain_population(X[order], y[order])
    np.testing.assert_allclose(given[0]["standard_error"], given[1]["standard_error"], atol=1e-12)
    assert np.median(found.standard_errors_ / given[0]["standard_error"].to_numpy()) > 1.1
    alike = noise_trials(40, seed=1)[0]
    other = found.explain_population(alike)["standard_error"]
    alike[[0, -1]] = X[[0, -1]]
    borrowed = found.explain_population(alike)["standard_error"]
    assert 0.9 < np.median(borrowed / other) < 1.1


def test_noise_of_the_data_in_small_parts(monkeypatch):
    """Trials one by one, put together where their influence is asked, give the map and errors of large parts."""
    X, y = noise_trials(14, n_channels=6)
    whole = fitted(frozen(Squares(6), 3), X, y, noise="data")
    monkeypatch.setattr("eegexplain.perturbation._spectra._VALUES", 1)
    parts = fitted(frozen(Squares(6), 3), X, y, noise="data")
    np.testing.assert_allclose(parts.correlations_, whole.correlations_, atol=1e-9)
    np.testing.assert_allclose(parts.standard_errors_, whole.standard_errors_, atol=1e-9)


def test_population_of_other_trials_is_the_fit_of_them():
    X, y = noise_trials(60)
    correlator = fitted(frozen(Squares(), 3), X[:40], y[:40])
    again = correlator.explain_population(X[:40], y[:40])
    np.testing.assert_array_equal(again["value"], correlator.correlations_)
    held_out = correlator.explain_population(X[40:])
    assert held_out["value"].shape == correlator.correlations_.shape
    assert np.abs(held_out["value"].to_numpy() - correlator.correlations_).max() > 1e-3


def test_network_is_left_as_found_also_by_an_exception():
    X, y = noise_trials()
    net = frozen(Squares(), 3)
    module = net.estimator.module_.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    correlator = fitted(net, X, y, layers=["square"], n_iterations=4)

    def interrupt(amps, phases, rng):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(net, X, y, perturbation=interrupt, layers=["square"])
    assert correlator.estimator_ is net
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert not any(m._forward_hooks for m in module.modules())


@pytest.mark.parametrize("method", ["gradient", "sampling"])
def test_same_seed_same_map_and_pickles(method):
    X, y = noise_trials(20)
    net = frozen(Squares(), 3)
    state = np.random.get_state()[1].copy()
    torch_state = torch.random.get_rng_state()
    correlator = fitted(net, X, y, method=method, n_iterations=6, bands=BANDS)
    again = pickle.loads(pickle.dumps(correlator)).fit(X, y)
    np.testing.assert_array_equal(again.correlations_, correlator.correlations_)
    np.testing.assert_array_equal(again.transform(X), correlator.transform(X))
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert torch.equal(torch.random.get_rng_state(), torch_state)


def test_subset_and_order_of_trials_do_not_matter_to_single_trials():
    X, y = noise_trials(20)
    for method in ("gradient", "sampling"):
        correlator = fitted(frozen(Squares(), 3), X, y, method=method, n_iterations=6, bands=BANDS)
        whole = correlator.transform(X)
        order = np.random.default_rng(0).permutation(20)[:7]
        np.testing.assert_allclose(correlator.transform(X[order]), whole[order], atol=1e-12)


def class_trials():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    X = rng.normal(size=(60, 3, 32))
    X[y == 1, 1] += 2 * np.sin(2 * np.pi * 0.25 * np.arange(32) + rng.uniform(0, 6, (30, 1)))
    return X, y


@pytest.mark.parametrize("perturbation", ["additive", "multiplicative"])
def test_any_pipeline_is_explained_by_sampling(perturbation):
    X, y = class_trials()
    pipeline = make_pipeline(FunctionTransformer(log_power), StandardScaler(), LogisticRegression())
    correlator = fitted(pipeline, X, np.array(["rest", "move"])[y], bands=BANDS, perturbation=perturbation)
    assert correlator.method_ == "sampling"
    assert list(correlator.explanation_["output"].values) == ["move", "rest"]
    np.testing.assert_allclose(correlator.correlations_[0], -correlator.correlations_[1], atol=1e-9)
    strongest = np.unravel_index(correlator.correlations_[0].argmax(), (3, 2))
    assert strongest == (1, 1)
    assert correlator.score(X, np.array(["rest", "move"])[y]) > 0.8
    search = GridSearchCV(PerturbationCorrelator(pipeline, bands=BANDS, n_iterations=40), {"scale": [0.02, 0.1]}, cv=2)
    assert search.fit(X, y).best_score_ > 0.7


def test_regressors_and_two_dimensional_trials():
    X, y = class_trials()
    target = np.log((X[:, 1] ** 2).mean(-1))
    pipeline = make_pipeline(FunctionTransformer(log_power), Ridge())
    flat = fitted(pipeline, X[:, 1], target, bands=BANDS)
    assert flat.correlations_.shape == (1, 1, 2)
    assert flat.correlations_[0, 0, 1] > 0.3
    assert flat.perturbed_score_ > 0.99
    deep = fitted(pipeline, X[:, 1:2], target, bands=BANDS)
    np.testing.assert_array_equal(deep.correlations_, flat.correlations_)
    assert list(flat.get_feature_names_out()) == ["ch0@low", "ch0@high"]


def test_per_class_pools_the_trials_of_each_class():
    X, y = noise_trials()
    net = frozen(Squares(), 3)
    correlator = fitted(net, X, y, per_class=True)
    assert correlator.explanation_["value"].dims == ("class", "output", "channel", "frequency")
    alone = correlator.explain_population(X, y)
    for k in range(3):
        one = PerturbationCorrelator(net, random_state=0, scale_by="absolute").fit(X, y)
        reference = PerturbationCorrelator(net, random_state=0, scale_by="absolute", per_class=True).fit(X, y)
        np.testing.assert_allclose(one.explain_population(X[y == k])["value"], reference.correlations_[k], atol=1e-12)
    np.testing.assert_array_equal(alone["value"], correlator.correlations_)
    with pytest.raises(ValueError, match="at least 2 trials"):
        fitted(net, X[:5], np.array([0, 0, 1, 1, 2]), per_class=True)
    with pytest.raises(ValueError, match="needs a classifier and y"):
        correlator.explain_population(X)


# -------------------------------------------------------------------------------------------------------------- layers
def test_layers_are_labelled_and_those_of_a_linear_layer_follow_the_outputs():
    X, y = noise_trials()
    net = frozen(Squares(), 3)
    params = {"bands": BANDS, "method": "sampling", "response": "logit", "control_variate": False}
    correlator = fitted(net, X, y, layers=["square", "out"], **params)
    assert correlator.layer_correlations_["square"].shape == (4, 3, 2)
    np.testing.assert_allclose(correlator.layer_correlations_["out"], correlator.correlations_, atol=1e-10)
    assert correlator.explanation_["layer_square"].dims == ("unit_square", "channel", "band")
    assert correlator.explanation_["layer_square_standard_error"].shape == (4, 3, 2)
    gradient = fitted(net, X, y, layers=["square"], bands=BANDS, n_iterations=100)
    assert gradient.method_ == "gradient"
    np.testing.assert_allclose(  # the same draws; sums with other neighbors round differently
        gradient.layer_correlations_["square"], correlator.layer_correlations_["square"], atol=1e-12
    )


def test_difference_of_layers_may_be_correlation_or_a_function():
    X, y = noise_trials(20)
    net = frozen(Squares(), 3)

    def largest(new, old):
        return new.max(axis=-1) - old.max(axis=-1)

    maps = [
        fitted(net, X, y, layers=["square"], bands=BANDS, n_iterations=20, difference=difference)
        for difference in ("mean", "correlation", largest)
    ]
    values = [m.layer_correlations_["square"] for m in maps]
    assert all(np.isfinite(value).all() and value.any() for value in values)
    assert np.abs(values[0] - values[2]).max() > 0.01
    with pytest.raises(ValueError, match="one number per trial and unit"):
        fitted(net, X, y, layers=["square"], difference=lambda new, old: new - old)


class Seen(Squares):
    """A layer that holds the input, brought to another unit."""

    def __init__(self, unit=1.0):
        super().__init__(dtype=torch.float32)
        self.seen, self.unit = nn.Identity(), unit

    def forward(self, x):
        return super().forward(self.seen(x) / self.unit)


def mean_square(new, old):
    return np.square(new).mean(axis=-1) - np.square(old).mean(axis=-1)


@pytest.mark.parametrize("difference", ["mean", "power", "correlation", mean_square])
def test_layers_do_not_depend_on_the_unit_of_their_activations(difference):
    X, y = noise_trials(20)
    params = {"layers": ["seen"], "bands": BANDS, "n_iterations": 10, "difference": difference}
    first, *others = (
        fitted(frozen(Seen(unit), 3), np.float32(unit) * X.astype(np.float32), y, **params).layer_correlations_["seen"]
        for unit in (1.0, 2.0**-30, 2.0**20)
    )
    assert np.diagonal(first).any() != (difference == "mean")  # bands do not move the mean
    for found in others:
        np.testing.assert_allclose(found, first, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:after 10 draws")
def test_rounding_of_layers_is_no_change(dtype):
    X, y = noise_trials(20)
    params = {"layers": ["seen"], "perturbation": "lag", "n_iterations": 10, "bands": BANDS}
    found = {
        difference: fitted(frozen(Seen(), 3), X.astype(dtype), y, difference=difference, **params)
        for difference in ("mean", "power", "correlation", mean_square)
    }
    for difference in ("mean", "power", mean_square):  # shifts of one channel keep its mean and its power
        assert not found[difference].layer_correlations_["seen"].any()
    assert np.all(np.diagonal(found["correlation"].layer_correlations_["seen"]) < -0.1)


class Odd(Squares):
    """A layer that never runs, one that returns a pair, one that is constant, and cropped outputs."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(1, 1)
        self.pair = Pair()
        self.constant = nn.Identity()

    def forward(self, x):
        windows = self.square(self.conv(x) ** 2).unfold(-1, 13, 13).mean(-1)
        self.pair(windows)
        self.constant(torch.ones_like(windows))
        return self.out(torch.log1p(windows).transpose(1, 2)).transpose(1, 2)


class Pair(nn.Module):
    def forward(self, x):
        return x, x


def test_layers_that_cannot_be_explained_say_why_and_constant_ones_are_zero():
    X, y = noise_trials(12)
    with pytest.raises(ValueError, match="'unused' does not run"):
        fitted(frozen(Odd(), 3), X, y, layers=["unused"])
    with pytest.raises(ValueError, match="'pair' returns a tuple"):
        fitted(frozen(Odd(), 3), X, y, layers=["pair"])
    for difference in ("mean", "power", "correlation"):
        found = fitted(frozen(Odd(), 3), X, y, layers=["constant"], difference=difference, n_iterations=4)
        assert not found.layer_correlations_["constant"].any()


def test_cropped_outputs_are_averaged_over_positions():
    X, y = noise_trials()
    assert Odd()(torch.tensor(X)).shape == (40, 3, 2)
    params = {"bands": BANDS, "n_iterations": 60}
    exact = fitted(frozen(Odd(), 3), X, y, **params)
    drawn = fitted(frozen(Odd(), 3), X, y, method="sampling", control_variate=False, **params)
    assert exact.correlations_.shape == (3, 3, 2)
    z = (drawn.correlations_ - exact.correlations_) / drawn.mc_standard_errors_
    assert np.abs(z).max() < 4.5


def test_phase_has_one_channel_and_shows_the_use_of_absolute_timing():
    X, y = noise_trials(60)
    wave = np.cos(2 * np.pi * 5 / 32 * np.arange(32))
    X[:, 0] += 2 * wave
    template = make_pipeline(FunctionTransformer(template_score), Ridge())
    found = fitted(template, X, X[:, 0] @ wave, perturbation="phase", n_iterations=60)
    assert found.explanation_["value"].dims == ("output", "channel", "frequency")
    assert list(found.explanation_["channel"].values) == ["all"]
    assert found.correlations_.shape == (1, 1, 17)
    own = fitted(template, X, X[:, 0] @ wave, perturbation=phase_perturbation, n_iterations=60)
    assert own.correlations_.shape == (1, 3, 17)  # a function has values for each channel, here three times the same
    assert own.correlations_[0, 0].argmin() == 5
    assert found.correlations_[0, 0].argmin() == 5
    assert found.correlations_[0, 0, 5] < -0.5
    assert np.abs(np.delete(found.correlations_[0, 0], 5)).max() < 0.1


def template_score(X):
    return (X[:, 0] @ np.cos(2 * np.pi * 5 / 32 * np.arange(32)))[:, None]


def test_labels_not_seen_in_fit_are_never_right():
    X, y = noise_trials(24)
    correlator = fitted(frozen(Squares(), 3), X, y)
    score = correlator.explain_population(X, np.where(y == 2, 7, y)).attrs["perturbed_score"]
    assert score == 1 or np.isnan(score)


def test_tolerance_stops_early_and_is_kept():
    X, y = noise_trials(60)
    net = frozen(Squares(), 3)
    correlator = fitted(net, X, y, method="sampling", bands=BANDS, tol=0.03, n_iterations=500, control_variate=False)
    assert correlator.mc_standard_errors_.max() < 0.03
    assert correlator.n_iter_ == 32
    full = fitted(net, X, y, method="sampling", bands=BANDS, tol=1e-9, n_iterations=40)
    assert full.n_iter_ == 40


@pytest.mark.parametrize("perturbation", ["additive", "multiplicative"])
def test_gradients_as_control_variate_save_draws_and_keep_the_map(perturbation):
    X, y = noise_trials(40)
    params = {"perturbation": perturbation, "scale": 0.3, "method": "sampling"}
    net = frozen(Squares(), 3)
    with_control = fitted(net, X, y, n_iterations=30, layers=["square"], **params)
    many = fitted(net, X, y, n_iterations=400, layers=["square"], control_variate=False, **params)
    error = np.hypot(with_control.mc_standard_errors_, many.mc_standard_errors_)
    z = ((with_control.correlations_ - many.correlations_) / error)[error > 0]
    assert 0.7 < z.std() < 1.3
    few = fitted(net, X, y, n_iterations=30, layers=["square"], control_variate=False, **params)
    gain = np.mean(few.mc_standard_errors_**2) / np.mean(with_control.mc_standard_errors_**2)
    assert gain > 5
    layers = with_control.layer_correlations_["square"], few.layer_correlations_["square"]
    np.testing.assert_allclose(*layers, atol=0.02)  # layers have no control variate


def test_control_variate_is_refused_where_gradients_do_not_tell():
    X, y = noise_trials(12)
    for params in ({"noise": "data"}, {"perturbation": "lag"}, {"bands": {"a": (0.1, 0.3), "b": (0.2, 0.4)}}):
        with pytest.raises(ValueError, match="control_variate=True needs"):
            fitted(frozen(Squares(), 3), X, y, method="sampling", control_variate=True, **params)


# ----------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"perturbation": "aditive"}, "Did you mean 'additive'"),
        ({"noise": "dat"}, "Did you mean 'data'"),
        ({"method": "gradients"}, "Did you mean 'gradient'"),
        ({"response": "logits"}, "Did you mean 'logit'"),
        ({"scale_by": "std"}, "Did you mean 'sd'"),
        ({"subspace": "all"}, "'full'"),
        ({"difference": "means"}, "Did you mean 'mean'"),
        ({"bands": "egg"}, "Did you mean 'eeg'"),
        ({"bands": {"a": (0.4, 0.9)}}, "Nyquist"),
        ({"bands": {"a": (0.1001, 0.1002)}}, "no frequency bin"),
        ({"perturbation": "lag", "method": "gradient"}, "no closed form"),
        ({"perturbation": "phase", "noise": "data"}, "not defined"),
        ({"n_iterations": 0}, "at least 1"),
        ({"batch_size": 2.5}, "whole number"),
        ({"scale": -1}, "above 0"),
        ({"scale": "0.1"}, "above 0"),
        ({"tol": 0}, "above 0"),
        ({"layers": "square"}, "list of names"),
        ({"control_variate": "no"}, "'auto'"),
        ({"layers": ["sqare"]}, "Did you mean 'square'"),
    ],
)
def test_bad_options_name_the_cure(params, message):
    X, y = noise_trials(12)
    with pytest.raises(ValueError, match=message):
        fitted(frozen(Squares(), 3), X, y, **params)


def test_estimators_without_gradients_are_told_what_works():
    X, y = class_trials()
    pipeline = make_pipeline(FunctionTransformer(log_power), LogisticRegression())
    with pytest.raises(TypeError, match="sampling"):
        fitted(pipeline, X, y, method="gradient")
    with pytest.raises(TypeError, match="torch network"):
        fitted(pipeline, X, y, layers=["conv"])


class Noisy(Squares):
    """Dropout that stays on."""

    def forward(self, x):
        return nn.functional.dropout(super().forward(x), training=True)


def test_a_model_that_is_not_deterministic_is_refused():
    X, y = noise_trials()
    with pytest.raises(ValueError, match="not deterministic"):
        fitted(frozen(Noisy(), 3), X, y)


def test_constant_channels_and_constant_bins_have_correlation_zero():
    X, y = noise_trials()
    X[:, 1] = 7.0
    X[:, 0] -= X[:, 0].mean(axis=-1, keepdims=True)
    for noise in ("independent", "data"):
        correlator = fitted(frozen(Squares(), 3), X, y, noise=noise)
        assert not correlator.correlations_[:, 1].any()
        assert not correlator.correlations_[:, 0, 0].any()
        assert correlator.correlations_[:, [0, 2], 1:].all()
        assert np.isfinite(correlator.standard_errors_).all()
    assert correlator.rank_ == 3


def test_a_map_of_noise_is_announced():
    X, y = noise_trials(6)
    with pytest.warns(UserWarning, match="cannot be told from the noise"):
        fitted(frozen(Squares(), 3), X, y, method="sampling", n_iterations=2, control_variate=False)


@pytest.mark.parametrize("limit", [2**26, 0])
@pytest.mark.parametrize("noise", ["independent", "data"])
def test_gradients_are_asked_for_once(monkeypatch, noise, limit):
    """Those that tell how the map follows the size of its noise are kept for the map, where they are small."""
    monkeypatch.setattr("eegexplain.perturbation._influence._KEPT", limit)
    X, y = noise_trials()
    net, rows = frozen(Squares()), []
    expected = fitted(net, X, y, noise=noise, method="gradient")
    hook = net.estimator.module_.register_forward_pre_hook(
        lambda module, inputs: rows.append(len(inputs[0]) * inputs[0].requires_grad)
    )
    groups = np.arange(len(X)) % 3
    found = PerturbationCorrelator(net, noise=noise, method="gradient").fit(X, y, groups=groups)
    hook.remove()
    assert sum(rows) == len(X) * (1 if limit else 2)  # the network's memory was measured before
    np.testing.assert_allclose(found.correlations_, expected.correlations_, atol=1e-6)
