"""SynchronyMapper: planted relations, what must be zero, both controls, permuted labels, odd data."""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.frozen import FrozenEstimator

from eegexplain.datasets import make_synchrony_eeg
from eegexplain.information import SynchronyMapper
from eegexplain.inspection import cross_validate_explanations

SFREQ, N_CHANNELS, N_TIMES = 64.0, 4, 64
ALPHA = {"alpha": (8.0, 13.0)}


def spectra(X):
    return np.fft.rfft(X)[..., 8:13] / X.shape[-1]


class RelationReader(ClassifierMixin, BaseEstimator):
    """The relation of channels 1 and 2 in alpha at one lag (radians), and nothing else."""

    def __init__(self, lag=0.0, strength=12.0, offset=0.4):
        self.lag = lag
        self.strength = strength
        self.offset = offset

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        c = spectra(X)
        return self.strength * ((c[:, 1] * c[:, 2].conj() * np.exp(-1j * self.lag)).real.sum(axis=1) - self.offset)

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


class PowerReader(RelationReader):
    """The power of channel 1, and no relation."""

    def decision_function(self, X):
        return self.strength * ((np.abs(spectra(X)[:, 1]) ** 2).sum(axis=1) - self.offset)


class Constant(RelationReader):
    """Says the same of everything."""

    def decision_function(self, X):
        return np.full(len(X), 0.3)


class ThreeClasses(RelationReader):
    """A column for each of three classes, from relations of channel 1 with 0, 2 and 3."""

    def decision_function(self, X):
        c = spectra(X)
        return np.stack([self.strength * (c[:, 1] * c[:, k].conj()).real.sum(axis=1) for k in (0, 2, 3)], axis=1)

    def predict(self, X):
        return self.classes_[self.decision_function(X).argmax(axis=1)]


class Number(RegressorMixin, BaseEstimator):
    """The relation of channels 1 and 2, as a number."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        c = spectra(X)
        return 2 * (c[:, 1] * c[:, 2].conj()).real.sum(axis=1)


def trials(n_trials=120, seed=0, lag=0.0):
    """Noise, and in class 1 a common rhythm of 10 Hz in channels 1 and 2, in class 0 one of each its own."""
    rng = np.random.default_rng(seed)
    X, y = 0.5 * rng.standard_normal((n_trials, N_CHANNELS, N_TIMES)), np.arange(n_trials) % 2
    own = rng.uniform(0, 2 * np.pi, (2, n_trials))
    phases = np.stack([own[0], np.where(y, own[0] - lag, own[1])])
    X[:, 1:3] += 2 * np.cos(2 * np.pi * 10 * np.arange(N_TIMES) / SFREQ + phases.T[..., None])
    return X, y


def mapper(estimator=None, **settings):
    inner = FrozenEstimator((estimator or RelationReader()).fit(*trials()))
    options = {"sfreq": SFREQ, "bands": ALPHA, "space": "channels", "random_state": 0, "n_permutations": 199}
    return SynchronyMapper(inner, **{**options, **settings})


# ------------------------------------------------------------------ planted
def test_the_relation_that_is_read_is_found_and_no_other():
    X, y = trials()
    found = mapper(bands={"theta": (4.0, 8.0), **ALPHA}).fit(X, y)
    assert found.information_.shape == (2, 4, 4) and found.evidence_.shape == (2, 2, 4, 4)
    assert found.information_[1, 1, 2] == found.information_[1, 2, 1] > 0.3
    assert found.p_values_[1, 1, 2] == 1 / 200
    others = found.information_.copy()
    others[1, [1, 2], [2, 1]] = 0
    np.testing.assert_array_equal(others, 0.0)
    np.testing.assert_array_equal(found.p_values_[0], 1.0)
    assert (np.sum(found.p_values_ < 1)) == 2
    assert found.relations_[0] == 0.0 and found.relations_p_[0] == 1.0
    assert found.relations_[1] == pytest.approx(found.total_, abs=0.1)
    assert found.interaction_[1] < 1e-20
    assert "theta: all phase relations 0.000 +- 0.000 bits (p = 1): not shown to be above 0." in found.summary()


def test_evidence_is_the_term_itself():
    X, y = trials()
    found = mapper().fit(X, y)
    scores = found.decision_function(X) + 12 * 0.4
    contrast = scores[y == 1].mean() - scores[y == 0].mean()
    np.testing.assert_allclose(found.evidence_[:, 0, 1, 2], [contrast, contrast], rtol=1e-9)  # log odds


@pytest.mark.filterwarnings("ignore:The whole map is 0")
def test_power_is_no_relation():
    X, _ = trials()
    strong = 1 + (np.abs(spectra(X)[:, 1]) ** 2).sum(axis=1)
    y = (strong > np.median(strong)).astype(int)
    found = mapper(PowerReader(offset=np.median(strong) - 1)).fit(X, y)
    assert found.total_ > 0.1
    assert found.relations_[0] == 0.0 and not found.information_.any() and (found.p_values_ == 1).all()
    assert found.reversal_[0] == 0.0


def test_planted_weights_are_found_by_a_network(synchronous):
    eeg, net = synchronous
    found = SynchronyMapper(FrozenEstimator(net), bands=ALPHA, space="channels", random_state=0, n_permutations=99)
    found.fit(eeg.X[200:], eeg.y[200:])
    weights = np.outer(eeg.truth.patterns[0], eeg.truth.patterns[0])[np.triu_indices(5, 1)]
    assert np.corrcoef(found.evidence_[1, 0][np.triu_indices(5, 1)], weights)[0, 1] > 0.6
    assert found.total_p_ < 1e-3 and found.relations_p_[0] < 1e-3
    assert found.reversal_z_[0] > 4 and found.diagonal_p_[0] < 0.01
    text = found.summary()
    assert "lags carry information" in text and text.endswith(found.explanation_.attrs["caution"])
    assert "no test on the scalp tells them apart" in text


@pytest.fixture(scope="module")
def synchronous():
    from eegexplain import SyncNetClassifier

    eeg = make_synchrony_eeg(320, n_channels=5, random_state=11)
    net = SyncNetClassifier(sfreq=eeg.sfreq, readout="log_power", training="closed", num_filters=6, random_state=0)
    return eeg, net.fit(eeg.X[:200], eeg.y[:200])


# ------------------------------------------------------------------ controls
@pytest.mark.parametrize(("lag", "turned"), [(0.0, False), (np.pi / 2, True)])
def test_time_reversal_tells_lags_from_coupling_in_phase(lag, turned):
    X, y = trials(200, lag=lag)
    found = mapper(RelationReader(lag)).fit(X, y)
    assert found.relations_p_[0] < 1e-3
    assert (found.reversal_z_[0] > 5) == turned
    assert turned or abs(found.reversal_[0]) < 1e-6
    assert (np.nanmin(found.diagonal_p_values_) <= 0.05) == turned
    words = "lags carry information" if turned else "neither control shows lags"
    assert words in found.summary()


def test_reversal_is_that_of_the_band():
    X, y = trials(40)
    found = mapper(RelationReader(1.0)).fit(X, y)
    own = np.zeros((40, 4, 33), complex)
    own[..., 8:13] = np.fft.rfft(X)[..., 8:13]
    own = np.fft.irfft(own)
    inner = found.decision_function(X - own + own[..., ::-1])
    z = RelationReader(-1.0).fit(X, y).decision_function(X)  # lags have changed their sign
    np.testing.assert_allclose(inner, z, atol=1e-9)


# ---------------------------------------------------------------- what is none
def test_a_decoder_that_says_nothing_has_nothing():
    X, y = trials()
    with pytest.warns(UserWarning, match="whole map is 0"):
        found = mapper(Constant()).fit(X, y)
    assert found.total_ == 0.0 and found.total_p_ == 1.0
    assert not found.information_.any() and (found.p_values_ == 1).all() and (found.relations_p_ == 1).all()
    assert found.diagonal_[0] == 0.0 and found.diagonal_p_[0] == 1.0 and found.reversal_z_[0] == 0.0
    assert "not shown above 0" in found.summary()


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # where calibration takes a slope of 0
def test_permuted_labels_are_called_as_often_as_they_should():
    X, y = trials(40)
    rng, called = np.random.RandomState(0), 0
    for _ in range(20):
        found = mapper(n_permutations=39, n_components=2).fit(X, rng.permutation(y))
        called += (found.p_values_ <= 0.05).any()
        assert found.total_p_ > 0.01
    assert called <= 4


@pytest.mark.filterwarnings("ignore:The whole map is 0")
def test_networks_of_other_labels_are_gated():
    X, y = trials(200, lag=1.0)
    wrong = mapper(RelationReader(np.pi)).fit(X, y)  # anti-phase: the opposite of what is there
    assert wrong.total_p_ > 0.05 and "not shown above 0" in wrong.summary()


# -------------------------------------------------------------- kinds of data
def test_three_classes():
    rng = np.random.default_rng(0)
    X, y = 0.5 * rng.standard_normal((150, 4, N_TIMES)), np.arange(150) % 3
    phase = rng.uniform(0, 2 * np.pi, (150, 4))
    partner = np.array([0, 2, 3])[y]
    phase[np.arange(150), partner] = phase[:, 1]
    X += 2 * np.cos(2 * np.pi * 10 * np.arange(N_TIMES) / SFREQ + phase[..., None])
    found = mapper(ThreeClasses().fit(X, y)).set_params(estimator=FrozenEstimator(ThreeClasses().fit(X, y))).fit(X, y)
    assert found.evidence_.shape == (3, 1, 4, 4)
    of_channel_1 = found.information_[0, 1, [0, 2, 3]]
    assert (of_channel_1 > 0.1).all() and found.information_[0, 0, 2] == 0
    # the relation with the own partner speaks for the class
    assert (found.evidence_[np.arange(3), 0, 1, [0, 2, 3]] > 0.5).all()
    assert found.total_ < np.log2(3)


def test_numbers():
    X, y = trials(100)
    target = Number().fit(X, y).predict(X) + 0.1 * np.random.default_rng(0).standard_normal(100)
    inner = FrozenEstimator(Number().fit(X, y))
    found = SynchronyMapper(inner, sfreq=SFREQ, bands=ALPHA, space="channels", unit="nat", random_state=0)
    found.fit(X, target)
    assert found.information_[0, 1, 2] > 1 and found.information_[0, 0, 3] == 0
    assert found.evidence_.shape == (1, 1, 4, 4) and found.p_values_[0, 1, 2] <= 0.001
    assert found.diagonal_.shape == (1,)


def test_average_reference_stays_in_its_space():
    X, y = trials()
    X = X - X.mean(axis=1, keepdims=True)
    means = []

    class Watcher(RelationReader):
        def decision_function(self, X):
            means.append(np.abs(X.mean(axis=1)).max())
            return super().decision_function(X)

    mapper(Watcher()).fit(X, y)
    assert max(means[1:]) < 1e-9  # the first are probed by noise


@pytest.mark.parametrize(
    ("space", "dim", "names"),
    [
        ("principal", "unit", ["1", "2", "3", "rest"]),
        (np.eye(4)[[1, 2]], "component", ["component0", "component1", "rest"]),
        ({"left": ["ch0", "ch1"], "right": ["ch2", "ch3"]}, "region", ["left", "right"]),
    ],
    ids=["principal", "filters", "regions"],
)
def test_spaces(space, dim, names):
    X, y = trials()
    found = mapper(space=space, n_components=3).fit(X, y)
    assert list(found.explanation_[dim].values) == names
    if dim != "unit":
        assert found.information_[0, 0, 1] > 0.2 and found.p_values_[0, 0, 1] <= 0.01


def test_filters_of_a_network_that_see_the_same_are_refused(synchronous):
    eeg, net = synchronous
    found = SynchronyMapper(FrozenEstimator(net), bands=ALPHA, space="patterns", random_state=0)
    with pytest.raises(ValueError, match="filters see only"):
        found.fit(eeg.X[200:], eeg.y[200:])


def test_in_phase_relations_depend_on_coordinates():
    """What is a relation of channels is power of their sum and difference: principal components show nothing."""
    X, y = trials()
    found = mapper(space="principal", n_components=4).fit(X, y)
    assert found.relations_[0] < 0.2 * found.total_


# -------------------------------------------------------------- single trials
def test_transform_gives_the_terms_of_each_trial():
    X, y = trials()
    found = mapper().fit(X, y)
    values = found.transform(X[:5])
    names = list(found.get_feature_names_out())
    assert values.shape == (5, 12) and "ch1~ch2@alpha@1" in names
    expected = found.decision_function(X[:5]) + 12 * 0.4
    np.testing.assert_allclose(values[:, names.index("ch1~ch2@alpha@1")], expected, atol=1e-9)
    np.testing.assert_allclose(values[:, names.index("ch0~ch3@alpha@1")], 0, atol=1e-9)
    np.testing.assert_allclose(found.transform(X[3:4]), values[3:4], atol=1e-12)
    shown = found.explain(X[:5])["value"]
    assert shown.dims == ("trial", "output", "band", "pair")


def test_batches_do_not_matter():
    X, y = trials(60)
    first, second = mapper().fit(X, y), mapper(batch_size=7).fit(X, y)
    for name in ("information_", "evidence_", "p_values_", "relations_", "diagonal_", "reversal_"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=1e-9)


# ------------------------------------------------------------------- groups
def test_errors_and_halves_are_by_groups():
    X, y = trials(120)
    groups = np.arange(120) // 12
    alone, grouped = mapper().fit(X, y), mapper().fit(X, y, groups=groups)
    assert grouped.explanation_.attrs["degrees_of_freedom"] == 9
    assert alone.relations_errors_[0] != grouped.relations_errors_[0]
    assert alone.information_[0, 1, 2] == pytest.approx(grouped.information_[0, 1, 2], abs=0.1)


# ---------------------------------------------------------------- over folds
def test_folds_average_channels_and_totals_but_no_components():
    X, y = trials(90, lag=1.0)
    settings = {"sfreq": SFREQ, "bands": ALPHA, "random_state": 0, "n_permutations": 19}
    over = SynchronyMapper(RelationReader(1.0), space="channels", **settings)
    averaged = cross_validate_explanations(over, X, y, cv=3, random_state=0)
    found = averaged.dataset
    assert type(averaged.plot()).__name__ == "SynchronyDisplay"
    assert {"total_value", "total_standard_error", "relations_value", "evidence_value"} <= set(found.data_vars)
    assert float(found["total_value"]) > 0.2 and found["value"].sel(channel="ch1", other_channel="ch2").item() > 0.2
    with pytest.raises(ValueError, match="units cannot be averaged"):
        cross_validate_explanations(SynchronyMapper(RelationReader(), **settings), X, y, cv=3, random_state=0)


# ------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"space": "electrodes"}, "space"),
        ({"space": np.ones((2, 3))}, "filters of shape"),
        ({"space": np.ones((2, 4))}, "see only 1 different"),
        ({"bands": {"gap": (10.2, 10.8)}}, "no frequency bin"),
        ({"bands": {"dc": (0.0, 0.5)}}, "no bin with a phase"),
        ({"n_rotations": 2}, "n_rotations"),
        ({"n_components": 0}, "n_components"),
        ({"unit": "byte"}, "unit"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        mapper(**settings).fit(*trials(40))


def test_one_class():
    X, _ = trials(40)
    with pytest.raises(ValueError, match="2 classes"):
        mapper().fit(X, np.zeros(40, int))


def test_a_group_that_is_a_class():
    X, y = trials(40)
    with pytest.raises(ValueError, match="of one group"):
        mapper().fit(X, y, groups=y)


def test_too_few_trials_have_no_p_values():
    X, y = trials(16)
    with pytest.warns(UserWarning, match="16 trials are too few .* arrangements"):
        found = mapper().fit(X, y)
    assert np.isnan(found.p_values_[0, 1, 2]) and np.isnan(found.diagonal_p_values_[0, 0, 1])
    assert np.isfinite(found.information_).all()


def test_one_channel_has_no_relations():
    X, y = trials(40)
    with pytest.warns(UserWarning) as caught:
        found = SynchronyMapper(
            FrozenEstimator(FirstSample().fit(X[:, :1], y)), sfreq=SFREQ, bands=ALPHA, random_state=0
        ).fit(X[:, :1], y)
    assert any("One channel" in str(one.message) for one in caught)
    assert found.information_.shape == (1, 1, 1) and not found.information_.any() and found.relations_[0] == 0
    assert found.transform(X[:3, :1]).shape == (3, 0)


class FirstSample(RelationReader):
    """Reads one sample."""

    def decision_function(self, X):
        return X[:, 0, 0]


def test_few_rotations_warn_and_shrink():
    X, y = trials(60)
    with pytest.warns(UserWarning, match="ridge shrinks"):
        few = mapper(n_rotations=20).fit(X, y)
    assert few.explanation_.attrs["ridge"] > 0
    assert 0 < few.evidence_[1, 0, 1, 2] < mapper().fit(X, y).evidence_[1, 0, 1, 2]


def test_training_trials_warn():
    X, y = trials(40)
    with pytest.warns(UserWarning, match="have trained the network"):
        SynchronyMapper(RelationReader(), sfreq=SFREQ, bands=ALPHA, random_state=0, n_permutations=19).fit(X, y)


def test_several_numbers_per_trial():
    X, y = trials(40)
    with pytest.raises(ValueError, match="one label or number per trial"):
        SynchronyMapper(FrozenEstimator(Number().fit(X, y)), sfreq=SFREQ, bands=ALPHA).fit(X, np.ones((40, 2)))


def test_labels_are_needed():
    X, y = trials(40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mapper().fit(X, y)
    with pytest.raises(ValueError, match="give y"):
        found.explain_population(X)
