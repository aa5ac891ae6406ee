"""InformationMapper: definitions re-derived trial by trial, planted truths, what must be zero, what is refused."""

import itertools

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.frozen import FrozenEstimator

from eegexplain import SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.information import InformationMapper, _game, _hybrids, total_information
from eegexplain.information._partners import draw_partners
from eegexplain.inspection import usable_information

SFREQ, N_CHANNELS, N_TIMES = 64.0, 4, 64
BANDS = {"low": (2.0, 7.0), "alpha": (8.0, 12.0), "beta": (15.0, 25.0)}


class PowerReader(ClassifierMixin, BaseEstimator):
    """Log power of 10 Hz in channel 1 plus that of 20 Hz in channel 2, and nothing else."""

    def __init__(self, strength=2.0, use=(1.0, 1.0)):
        self.strength = strength
        self.use = use

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        power = np.log(np.abs(np.fft.rfft(X)) ** 2 / X.shape[-1] + 1e-3)
        return self.strength * (self.use[0] * power[:, 1, 10] + self.use[1] * power[:, 2, 20])

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


class Probabilities(PowerReader):
    """The same as probabilities, rounded to `digits`."""

    def __init__(self, digits=2, strength=2.0):
        super().__init__(strength)
        self.digits = digits

    @property
    def decision_function(self):
        raise AttributeError("none")

    def predict_proba(self, X):
        p = np.round(1 / (1 + np.exp(-PowerReader(self.strength).decision_function(X))), self.digits)
        return np.stack([1 - p, p], axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class PowerPredictor(RegressorMixin, BaseEstimator):
    """Log power of 10 Hz in channel 1."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.log(np.abs(np.fft.rfft(X)[:, 1, 10]) ** 2 + 1e-3)


class ThreeBands(ClassifierMixin, BaseEstimator):
    """One band of channel 0 speaks for each class."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return np.log(np.abs(np.fft.rfft(X)[:, 0, [5, 10, 20]]) ** 2 + 1e-3)

    def predict(self, X):
        return self.classes_[self.decision_function(X).argmax(axis=1)]


def trials(n_trials=120, seed=0, strength=1.5):
    """Noise, and in class 1 more of 10 Hz in channel 1."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n_trials, N_CHANNELS, N_TIMES)), np.arange(n_trials) % 2
    phase = rng.uniform(0, 2 * np.pi, n_trials)
    X[:, 1] += strength * y[:, None] * np.sin(2 * np.pi * 10 * np.arange(N_TIMES) / SFREQ + phase[:, None])
    return X, y


def mapper(estimator=None, **settings):
    X, y = trials()
    inner = FrozenEstimator((estimator or PowerReader()).fit(X, y))
    return InformationMapper(inner, **{"sfreq": SFREQ, "random_state": 0, "bands": BANDS, **settings})


def named(found, attribute="information_"):
    return dict(zip(found.explanation_["band"].values, getattr(found, attribute), strict=False))


# ------------------------------------------------------------ definitions


def band(X, limits):
    """One band of trials."""
    spectra, frequencies = np.fft.rfft(X), np.fft.rfftfreq(N_TIMES, 1 / SFREQ)
    spectra[..., (frequencies < limits[0]) | (frequencies > limits[1])] = 0
    return np.fft.irfft(spectra, N_TIMES)


def naive_rows(reader, X, partners, exchanged, alone):
    """Hybrids one by one, and the least squares of trials and partners."""
    n_trials, n_partners = partners.shape
    outputs, design = np.empty(partners.size), np.zeros((partners.size, 2 * n_trials))
    for k, (n, place) in enumerate(itertools.product(range(n_trials), range(n_partners))):
        m = partners[n, place]
        own, other = (m, n) if alone else (n, m)
        hybrid = X[own] + sum(band(X[other], one) - band(X[own], one) for one in exchanged)
        outputs[k] = reader.decision_function(hybrid[None])[0]
        design[k, [n, n_trials + m]] = 1
    found = np.linalg.lstsq(design, outputs, rcond=None)[0]
    return found[:n_trials] + found[n_trials:].mean()


@pytest.mark.parametrize("kind", ["unique", "alone"])
def test_information_is_what_the_definition_says(kind, monkeypatch):
    X, y = trials(40)
    monkeypatch.setattr("eegexplain.information._explainer.order_by_content", lambda X: np.arange(len(X)))
    found = mapper(decomposition=kind).fit(X, y)
    partners = draw_partners(np.arange(40), 4, np.random.RandomState(found._seed))
    reader, seed = PowerReader().fit(X, y), found._seed
    whole = usable_information(y, reader.decision_function(X), random_state=seed).trial_values
    for name, limits in BANDS.items():
        rows = naive_rows(reader, X, partners, [limits], kind == "alone")
        values = usable_information(y, rows, random_state=seed).trial_values
        expected = values if kind == "alone" else whole - values
        assert named(found)[name] == pytest.approx(expected.mean(), abs=1e-6)
        errors = named(found, "standard_errors_")
        assert errors[name] == pytest.approx(expected.std(ddof=1) / np.sqrt(40), abs=1e-6)
    if kind == "alone":
        dataset = found.explanation_
        np.testing.assert_allclose(dataset["redundancy_value"], dataset["value"] - dataset["unique_value"], atol=1e-12)


def test_shapley_values_are_means_over_orders(monkeypatch):
    X, y = trials(40)
    monkeypatch.setattr("eegexplain.information._explainer.order_by_content", lambda X: np.arange(len(X)))
    bands = {name: BANDS[name] for name in ("alpha", "beta")}
    found = mapper(bands=bands, decomposition="shapley").fit(X, y)
    partners = draw_partners(np.arange(40), 4, np.random.RandomState(found._seed))
    reader, players = PowerReader().fit(X, y), ["alpha", "beta", "outside"]
    judged = {"random_state": found._seed}

    def value(members):
        if not members:
            return 0.0
        if len(members) == 3:
            return usable_information(y, reader.decision_function(X), **judged).value
        outside = "outside" in members
        moved = [bands[name] for name in bands if (name in members) != outside]
        return usable_information(y, naive_rows(reader, X, partners, moved, not outside), **judged).value

    known = {frozenset(one): value(set(one)) for size in range(4) for one in itertools.combinations(players, size)}
    for place, player in enumerate(players):
        orders = list(itertools.permutations(players))
        gains = [known[frozenset(o[: o.index(player) + 1])] - known[frozenset(o[: o.index(player)])] for o in orders]
        assert found.information_[place] == pytest.approx(np.mean(gains), abs=1e-6)


def test_sampled_shapley_values_add_up_and_are_near_the_exact_ones(monkeypatch):
    X, y = trials()
    exact = mapper(decomposition="shapley").fit(X, y)
    monkeypatch.setattr("eegexplain.information._measured.MOST_PLAYERS", 2)
    sampled = mapper(decomposition="shapley", n_orders=12).fit(X, y)
    errors = sampled.explanation_["sampling_error"].values
    assert sampled.information_.sum() == pytest.approx(sampled.total_, abs=1e-9)
    assert errors.max() > 0 and (exact.explanation_["sampling_error"] == 0).all()
    assert (np.abs(sampled.information_ - exact.information_) <= 5 * errors + 1e-9).all()
    assert (sampled.standard_errors_ >= errors).all()
    assert _game.MOST_PLAYERS == 10


@pytest.mark.parametrize("decomposition", ["unique", "shapley"])
def test_cells_that_are_not_used_have_nothing(decomposition):
    X, y = trials()
    found = mapper(decomposition=decomposition).fit(X, y)
    assert abs(named(found)["low"]) < 1e-7 and found.p_values_[0] == 1.0
    if decomposition == "shapley":
        assert list(found.explanation_["band"].values) == [*BANDS, "outside"]
        assert found.information_.sum() == pytest.approx(found.total_, abs=1e-9)


def test_what_is_not_kept_in_memory_is_computed_again(monkeypatch):
    X, y = trials()
    kept = mapper(space="channels").fit(X, y)
    monkeypatch.setattr(_hybrids, "KEPT", 0)
    again = mapper(space="channels").fit(X, y)
    np.testing.assert_allclose(again.information_, kept.information_, atol=1e-9)


def test_hybrids_behind_the_first_stage_are_hybrids(monkeypatch):
    X, y = trials()
    net = SyncNetClassifier(sfreq=SFREQ, num_filters=4, random_state=0).fit(X, y)
    fast = mapper(net).fit(X, y)
    monkeypatch.setattr("eegexplain._stages.affine_stage", lambda *given: None)
    plain = mapper(net).fit(X, y)
    np.testing.assert_allclose(fast.information_, plain.information_, atol=1e-4)
    np.testing.assert_allclose(fast.transform(X[:5]), plain.transform(X[:5]), atol=1e-3)


# --------------------------------------------------------- planted truths


def test_a_band_that_is_used_and_informative_has_information():
    X, y = trials()
    found = mapper().fit(X, y)
    assert named(found)["alpha"] > 0.2 and found.p_values_[1] < 0.01
    assert named(found)["beta"] < 0.02  # noise that the decoder reads: it may only lose
    assert found.total_ <= 1.0 and found.total_p_ < 1e-3
    np.testing.assert_allclose(found.evidence_[0], found.evidence_[1])  # each for its own class
    assert found.evidence_[1, 1] > 0


def test_channels_and_bands_of_a_network_are_those_planted():
    eeg = make_oscillatory_eeg(360, random_state=5)
    net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X[:240], eeg.y[:240])
    settings = {"space": "channels", "sfreq": eeg.sfreq, "ch_names": eeg.ch_names, "random_state": 0}
    bands = {"alpha": (8.0, 12.0), "beta": (16.0, 28.0), "gamma": (30.0, 45.0)}
    found = InformationMapper(FrozenEstimator(net), bands=bands, **settings).fit(eeg.X[240:], eeg.y[240:])
    map_ = found.explanation_["value"]
    assert map_.dims == ("channel", "band")
    assert str(map_.sel(band="beta").idxmax("channel").values) == "C3"
    assert str(map_.sel(band="alpha").idxmax("channel").values) in ("O1", "O2")
    assert float(map_.sel(band="gamma").max()) < 0.1 * float(map_.max())


def test_classes_have_their_own_evidence():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((150, 2, N_TIMES)), np.array(["a", "b", "c"])[np.arange(150) % 3]
    time = np.arange(N_TIMES) / SFREQ
    for place, hertz in enumerate((5, 10, 20)):
        X[place::3, 0] += 1.2 * np.sin(2 * np.pi * hertz * time + rng.uniform(0, 6, (50, 1)))
    found = InformationMapper(FrozenEstimator(ThreeBands().fit(X, y)), sfreq=SFREQ, bands=BANDS, random_state=0)
    found.fit(X, y)
    assert list(found.explanation_["output"].values) == ["a", "b", "c"]
    assert (found.evidence_.argmax(axis=0) == [0, 1, 2]).all() and (np.diag(found.evidence_) > 0).all()
    assert (found.information_ > 0.05).all() and found.total_ <= np.log2(3)
    assert found.transform(X).shape == (150, 9)


def test_numbers_are_judged_by_a_gaussian():
    rng = np.random.default_rng(0)
    X, _ = trials(400, strength=0)
    y = PowerPredictor().predict(X)
    y = (y - y.mean()) / y.std() + rng.standard_normal(400)  # half of the variance is known
    found = InformationMapper(FrozenEstimator(PowerPredictor().fit(X, y)), sfreq=SFREQ, bands=BANDS, random_state=0,
                              unit="nat").fit(X, y)  # fmt: skip
    assert found.total_ == pytest.approx(np.log(2) / 2, abs=0.08)
    assert named(found)["alpha"] == pytest.approx(found.total_, abs=0.03)
    assert abs(named(found)["beta"]) < 1e-9 and found.p_values_.argmin() == 1
    assert found.evidence_.shape == (1, 3) and found.evidence_[0, 1] > 0


def test_evidence_of_new_trials_is_that_of_the_population():
    X, y = trials(200)
    found = mapper().fit(X[:100], y[:100])
    single = found.explain(X[100:])["value"]
    own = [single.values[y[100:] == k].mean(axis=0) for k in (0, 1)]
    contrast = np.stack([own[0] - own[1], own[1] - own[0]])[[0, 1], [0, 1]]
    other = found.explain_population(X[100:], y[100:])["evidence_value"].values
    np.testing.assert_allclose(contrast, other, atol=0.1 * np.abs(other).max())
    np.testing.assert_allclose(found.transform(X[103:105]), found.transform(X[100:110])[3:5], atol=1e-9)


def test_evidence_is_in_log_odds():
    X, y = trials()
    reader = PowerReader(use=(1.0, 0.0)).fit(X, y)
    odds = reader.decision_function(X)  # all that it reads is alpha: the cell says what the whole trial says
    found = mapper(reader).fit(X, y)
    np.testing.assert_allclose(found.evidence_[:, 1], odds[y == 1].mean() - odds[y == 0].mean(), rtol=1e-6)


def test_groups_are_never_their_own_partners_and_carry_the_errors():
    """A level that belongs to the group tells the class only through the group."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(12), 20)
    X, y = rng.standard_normal((240, N_CHANNELS, N_TIMES)), (rng.random(240) < np.repeat([0.2, 0.8], 120)).astype(int)
    wave = np.sin(2 * np.pi * 10 * np.arange(N_TIMES) / SFREQ + rng.uniform(0, 6, (240, 1)))
    X[:, 1] += y[:, None] * wave
    X[:, 1] *= np.repeat(rng.permutation(np.repeat([1.0, 2.0], 6)), 20)[:, None]  # not the class, but the person
    single, clustered = (mapper().fit(X, y, groups=one) for one in (None, groups))
    assert clustered.explanation_.attrs["degrees_of_freedom"] == 11
    assert clustered.total_error_ > 1.3 * single.total_error_


# ------------------------------------------------- nothing, little, bad


def test_a_constant_output_knows_nothing():
    X, y = trials()
    found = mapper(PowerReader(strength=0.0))
    with pytest.warns(UserWarning, match="whole map is 0"):
        found.fit(X, y)
    assert found.total_ == 0 and found.total_p_ == 1 and (found.p_values_ == 1).all()
    assert not found.information_.any() and not total_information(found.explanation_).shown


def test_outputs_without_the_label_have_no_information():
    X, _ = trials(300)
    y = np.random.default_rng(7).integers(0, 2, 300)
    found = mapper().fit(X, y)
    assert found.total_ <= 0.02 and found.total_p_ > 0.05 and (found.information_ < 0.03).all()


@pytest.mark.parametrize(("groups", "told"), [(None, "16 trials.*1.29e.04 arrangements"), (3, "3 groups")])
def test_too_few_for_a_test_is_said(groups, told):
    X, y = trials(16)
    codes = None if groups is None else np.arange(16) // 2 % groups
    with pytest.warns(UserWarning, match=told):
        found = mapper().fit(X, y, groups=codes)
    assert np.isnan(found.p_values_).all() and np.isfinite(found.information_).all()


def test_labels_and_groups_that_say_nothing_are_refused():
    X, y = trials(40)
    with pytest.raises(ValueError, match="at least 2 classes, but all trials are of 0\\."):
        mapper().fit(X, np.zeros(40, int))
    with pytest.raises(ValueError, match="class 1 are of one group"):
        mapper().fit(X, y, groups=np.where(y == 1, 0, 1 + np.arange(40) % 3))
    with pytest.warns(UserWarning, match="2 groups"), pytest.raises(ValueError, match="At least 3 groups"):
        mapper().fit(X, y, groups=np.arange(40) // 2 % 2)
    with pytest.raises(ValueError, match="give y"):
        mapper().fit(X, y).explain_population(X)
    with pytest.raises(ValueError, match="decomposition"):
        mapper(decomposition="halves").fit(X, y)
    with pytest.raises(ValueError, match="n_partners must be a whole number of at least 3"):
        mapper(n_partners=2).fit(X, y)


def test_training_trials_are_said_to_be_so():
    X, y = trials(40)
    with pytest.warns(UserWarning, match="have trained the network"):
        InformationMapper(PowerReader(), sfreq=SFREQ, bands=BANDS, random_state=0).fit(X, y)


def test_certain_probabilities_are_counted():
    X, y = trials()
    certain = ((p := Probabilities().fit(X, y).predict_proba(X[:64])) == 0).any(axis=1).sum()
    assert 0 < certain < 64 and p.max() == 1
    with pytest.warns(UserWarning, match=f"{certain} of 64 trials have a probability below"):
        found = mapper(Probabilities()).fit(X, y)
    assert found.information_.argmax() == 1


def test_decision_values_that_are_the_log_odds_never_saturate():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    X, y = trials()

    def powers(X):
        return np.log(np.abs(np.fft.rfft(X)[:, 1, 8:13]) ** 2 + 1e-3)

    decoder = make_pipeline(FunctionTransformer(powers), LogisticRegression(C=100)).fit(X, y)
    decoder[-1].coef_ *= 40  # certain of everything
    found = InformationMapper(FrozenEstimator(decoder), sfreq=SFREQ, bands=BANDS, random_state=0)
    found.fit(X, y)  # a warning would be an error
    assert found.slope_ < 0.2 and found.information_.argmax() == 1


def test_cells_that_do_not_add_up_are_said():
    class Product(PowerReader):
        """A sign that two channels share."""

        def decision_function(self, X):
            spectra = np.fft.rfft(X)
            return 3 * np.sign(spectra[:, 1, 10].real) * np.sign(spectra[:, 2, 20].real)

    X, y = trials()
    with pytest.warns(UserWarning, match="do not add up"):
        found = mapper(Product()).fit(X, y)
    assert found.interaction_.max() > 0.4


def test_an_underconfident_head_is_a_lower_bound():
    X, y = trials(300)
    found = mapper(PowerReader(strength=0.05, use=(1.0, 0.0))).fit(X, y)
    attrs = found.explanation_.attrs
    assert found.slope_ == 1 and attrs["free_total"] > found.total_ + 0.1 and "lower bound" in attrs["note"]
