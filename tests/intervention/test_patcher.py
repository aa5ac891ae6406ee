"""Activation patching: networks whose circuits are known, loops over trials, the package's own tools."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.frozen import FrozenEstimator
from torch import nn

from eegexplain import ActivationPatcher, as_estimator, intervene
from eegexplain.inspection import cross_validate_explanations, permutation_test
from tests.estimators import closed_classifier, fast_classifier, fast_regressor, trials


class Circuit(nn.Module):
    """Units are means of channels over time; a formula makes the evidence of them."""

    def __init__(self, formula):
        super().__init__()
        self.units, self.formula = nn.Identity(), formula

    def forward(self, x):
        evidence = self.formula(self.units(x.mean(-1)))
        return torch.stack([-evidence, evidence], 1)


def planted(n_trials=20, carriers=(0, 1, 2), n_units=5):
    """Trials whose first channels are 1 or -1 by class; the others are noise."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(n_trials) % 2)
    level = rng.standard_normal((n_trials, n_units))
    level[:, carriers] = 2.0 * y[:, None] - 1
    wave = rng.standard_normal((n_trials, n_units, 16))
    return level[..., None] + wave - wave.mean(-1, keepdims=True), y


FORMULAS = {
    "one": lambda h: h[:, 0],
    "sum": lambda h: (h[:, 0] + h[:, 1]) / 2,
    "enough": lambda h: h[:, :2].amax(1),
    "both": lambda h: h[:, :2].amin(1),
    "majority": lambda h: h[:, :3].median(1).values,
}
# what class 0 and class 1 lose of an evidence of 1 or -1, per unit
EXPECTED = {
    "one": [[2, 0, 0, 0, 0], [2, 0, 0, 0, 0]],
    "sum": [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0]],
    "enough": [[2, 2, 0, 0, 0], [0, 0, 0, 0, 0]],
    "both": [[0, 0, 0, 0, 0], [2, 2, 0, 0, 0]],
    "majority": [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
}


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # of the majority
@pytest.mark.parametrize("name", FORMULAS)
def test_known_circuits(name):
    X, y = planted()
    patcher = ActivationPatcher(Circuit(FORMULAS[name]), layers="units", n_draws=3, random_state=0).fit(X, y)
    np.testing.assert_allclose(patcher.effects_, EXPECTED[name], atol=1e-5)
    np.testing.assert_allclose(patcher.contrast_, 2, rtol=1e-5)
    whole = ActivationPatcher(Circuit(FORMULAS[name]), layers="units", by="layer", n_draws=3, random_state=0).fit(X, y)
    np.testing.assert_allclose(whole.effects_, 2, rtol=1e-5)
    # log odds of 2 one way or the other: the loss grows by log(1 + e^2) - log(1 + e^-2)
    np.testing.assert_allclose(whole.loss_effects_, 2, rtol=1e-5)
    np.testing.assert_allclose(whole.explanation_["clean_loss"], np.log1p(np.exp(-2)), rtol=1e-5)


def test_a_majority_shows_when_units_are_replaced_together():
    X, y = planted()
    net, other = Circuit(FORMULAS["majority"]), -X
    for units, kept in (([0], 1), ([1, 2], -1)):
        found = intervene(net, X, {"units": {"units": units, "with": other}}, response="logit")[:, 1]
        np.testing.assert_allclose(found, kept * (2 * y - 1), atol=1e-5)


def noisy(n_trials=120):
    """Trials with the class in the first unit, not without errors."""
    rng = np.random.default_rng(1)
    y = np.arange(n_trials) % 2
    X = rng.standard_normal((n_trials, 4, 16)) + rng.standard_normal((n_trials, 4, 1))
    X[:, :2] += 1.5 * (2 * y[:, None, None] - 1)
    return X, y


def test_what_nobody_reads_and_what_says_nothing_has_no_effect():
    """Unit 1 carries the class and is not read, unit 2 is read and carries nothing."""
    X, y = noisy()
    net = Circuit(lambda h: h[:, 0] + 2 * h[:, 2])
    patcher = ActivationPatcher(net, layers="units", random_state=0).fit(X, y)
    for effects, errors in ((patcher.effects_, patcher.standard_errors_),
                            (patcher.loss_effects_, patcher.loss_standard_errors_)):  # fmt: skip
        z = effects / np.where(errors > 0, errors, 1)
        assert (z[:, 0] > 5).all() and (errors[:, 2] > 0).all() and (np.abs(z[:, 2]) < 3).all()
        assert np.abs(effects[:, [1, 3]]).max() < 1e-6 and errors[:, [1, 3]].max() < 1e-6
    difference = X.mean(-1)[y == 1, 0].mean() - X.mean(-1)[y == 0, 0].mean()
    assert np.abs(patcher.effects_[:, 0] - difference).max() < 0.35 * difference


class Deep(nn.Module):
    """A convolution whose units act together behind it, and a path around them."""

    def __init__(self, around=False):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.around = nn.Conv1d(3, 4, 5), nn.Linear(4, 3), around

    def forward(self, x):
        power = self.conv(x).square().mean(-1)
        return self.head(torch.tanh(power) * power.flip(1)) + self.around * x.mean(-1)


@pytest.mark.parametrize("around", [False, True])
def test_against_loops_over_all_pairs_of_trials(around):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9, 3, 24)), np.array(["b", "c", "a"] * 3)
    net = Deep(around).double()
    classes = ["c", "a", "b"]  # in the order of the outputs, which is not that of the alphabet
    patcher = ActivationPatcher(as_estimator(net, classes=classes), layers="conv", n_draws=6, response="logit",
                                random_state=0)  # fmt: skip
    patcher.fit(X, y)  # 2 others of the class, 6 of others: each as often as any

    def answers(taker, giver, unit):
        with torch.no_grad():
            x = torch.from_numpy(X)
            state, other = (net.conv(x[[k]]) for k in (taker, giver))
            state[:, unit] = other[:, unit]
            power = state.square().mean(-1)
            outputs = net.head(torch.tanh(power) * power.flip(1)) + around * x[[taker]].mean(-1)
            return outputs[0, np.argsort(classes)].numpy()

    for place, name in enumerate("abc"):
        own, others = np.flatnonzero(y == name), np.flatnonzero(y != name)
        for unit in range(4):
            same = [answers(i, j, unit) for i in own for j in own if i != j]
            other = [answers(i, j, unit) for i in own for j in others]
            lost = np.mean(same, axis=0)[place] - np.mean(other, axis=0)[place]
            assert patcher.effects_[place, unit] == pytest.approx(lost, rel=1e-9)
            loss = log_softmax(same, axis=1)[:, place].mean() - log_softmax(other, axis=1)[:, place].mean()
            assert patcher.loss_effects_[place, unit] == pytest.approx(loss, rel=1e-9)
    clean = [answers(0, 0, 0)[k] - np.mean([answers(0, j, 0)[k] for name in "abc" for j in np.flatnonzero(y == name)])
             for k in range(3)]  # fmt: skip
    np.testing.assert_allclose(patcher.transform(X[:1]).reshape(3, 4)[:, 0], clean, rtol=1e-9)
    assert list(patcher.explanation_["output"].values) == sorted(classes)


def test_a_layer_that_all_passes_loses_the_contrast():
    X, y = noisy()
    net = Circuit(lambda h: torch.tanh(h[:, 0]) + h[:, 2] * h[:, 3])
    found = ActivationPatcher(net, layers="units", by="layer", n_draws=200, random_state=0).fit(X, y)
    np.testing.assert_allclose(found.effects_[:, 0], found.contrast_, rtol=1e-5)
    np.testing.assert_allclose(found.standard_errors_[:, 0], found.contrast_standard_errors_, rtol=0.05)
    loss = found.explanation_
    np.testing.assert_allclose(loss["loss_value"][:, 0], loss["loss_contrast_value"], rtol=1e-4)


def test_responses_batches_and_draws():
    X, y = noisy(30)
    net = Deep().double()
    X = X[:, :3].astype(float)
    settings = {"layers": ["conv", "head"], "n_draws": 2, "random_state": 0}
    one = ActivationPatcher(as_estimator(net, classes=[0, 1, 2]), **settings).fit(X, y % 3)
    small = ActivationPatcher(as_estimator(net, classes=[0, 1, 2]), batch_size=7, **settings).fit(X, y % 3)
    np.testing.assert_allclose(small.effects_[:2], one.effects_[:2], rtol=1e-9, atol=1e-12)
    assert np.isnan(one.effects_[2]).all()  # no trial of this class
    assert one.units_ == ["conv[0]", "conv[1]", "conv[2]", "conv[3]", "head[0]", "head[1]", "head[2]"]
    assert one.explanation_["layer"].values.tolist() == ["conv"] * 4 + ["head"] * 3
    other = ActivationPatcher(as_estimator(net, classes=[0, 1, 2]), **settings | {"random_state": 1}).fit(X, y % 3)
    assert np.abs(other.effects_[:2] - one.effects_[:2]).max() > 1e-6
    prob = ActivationPatcher(as_estimator(net, classes=[0, 1, 2]), response="prob", **settings).fit(X, y % 3)
    assert prob.explanation_.attrs["response"] == "prob" and np.nanmax(np.abs(prob.effects_)) < 1


def test_scores_and_states_are_held_in_parts(monkeypatch):
    X, y = noisy(20)
    net, settings = Circuit(lambda h: h.sum(1)).double(), {"layers": "units", "n_draws": 2, "random_state": 0}
    one = ActivationPatcher(net, **settings).fit(X, y)
    monkeypatch.setattr("eegexplain.intervention.patcher.HELD", 20 * 2 * 2 * 16 * 3)  # scores of three units, no states
    other = ActivationPatcher(net, **settings).fit(X, y)
    np.testing.assert_allclose(other.effects_, one.effects_, rtol=1e-12)
    np.testing.assert_allclose(other.standard_errors_, one.standard_errors_, rtol=1e-12)


def test_heads_are_patched_one_by_one():
    class Heads(nn.Module):
        """Three heads of two features, of which the projection reads the middle one."""

        def __init__(self):
            super().__init__()
            self.projection = nn.Linear(6, 2, bias=False)
            weight = torch.zeros(2, 6)
            weight[1, 2] = weight[1, 3] = 1
            self.projection.weight = nn.Parameter(weight)

        def forward(self, x):
            return self.projection(x.mean(-1))

    X, y = planted(carriers=(0, 2, 3), n_units=6)
    patcher = ActivationPatcher(Heads(), layers="projection", heads={"projection": 3}, n_draws=3, response="logit",
                                random_state=0).fit(X, y)  # fmt: skip
    np.testing.assert_allclose(patcher.effects_, [[0, 0, 0], [0, 4, 0]], atol=1e-5)


def test_evidence_finds_the_unit_by_permuted_labels():
    X, y = noisy(60)
    patcher = ActivationPatcher(FrozenEstimator(as_estimator(Circuit(lambda h: h[:, 0] + h[:, 2]))), layers="units",
                                random_state=0)  # fmt: skip
    found = permutation_test(patcher, X, y, n_permutations=199, random_state=0)
    shown = found.significant
    assert shown.dims == ("output", "unit")
    assert shown.any("output").values.tolist() == [True, False, False, False]


def test_layers_are_averaged_over_networks_and_units_are_not():
    X, y = trials(n_trials=24)
    settings = {"layers": ["conv_out", "pool_out"], "n_draws": 3}
    found = cross_validate_explanations(
        ActivationPatcher(closed_classifier(), by="layer", **settings), X, y, cv=2, random_state=0
    )
    assert found.dataset["value"].dims == ("output", "layer")
    assert np.isfinite(found.dataset["standard_error"]).all()
    np.testing.assert_allclose(found.dataset["value"][:, 0], found.dataset["value"][:, 1], rtol=1e-3)
    assert "loss_value" in found.dataset and "contrast_standard_error" in found.dataset
    with pytest.raises(ValueError, match="A map over units cannot be averaged"):
        cross_validate_explanations(ActivationPatcher(closed_classifier(), **settings), X, y, cv=2, random_state=0)


def test_groups_cluster_errors():
    X, y = noisy(60)
    groups = np.arange(60) // 6
    X[:, 0] += 2 * np.random.default_rng(3).standard_normal(10)[groups][:, None]
    net = Circuit(lambda h: h[:, 0])
    alone = ActivationPatcher(net, layers="units", random_state=0).fit(X, y)
    grouped = ActivationPatcher(net, layers="units", random_state=0).fit(X, y, groups=groups)
    assert grouped.explanation_.attrs["degrees_of_freedom"] == 9
    assert alone.explanation_.attrs["degrees_of_freedom"] == 29
    # donors come from the own group, so that what groups differ by does not count
    assert (grouped.standard_errors_[:, 0] < 0.8 * alone.standard_errors_[:, 0]).all()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"by": "units"}, "Did you mean 'unit'"),
        ({"layers": "unit"}, "Did you mean 'units'"),
        ({"n_draws": 0}, "n_draws must be a whole number"),
        ({"response": "output"}, "response='output' is not valid"),
        ({"layers": ["units"], "heads": {"units": 3}}, "does not divide"),
    ],
)
def test_mistakes_are_named(params, words):
    X, y = planted()
    with pytest.raises(ValueError, match=words):
        ActivationPatcher(Circuit(FORMULAS["one"]), **{"layers": "units", **params}).fit(X, y)


def test_numbers_and_single_classes_are_refused():
    X, y = planted()
    with pytest.raises(TypeError, match="predicts numbers"):
        ActivationPatcher(fast_regressor()).fit(X, y + 0.5)
    with pytest.raises(TypeError, match="predicts numbers"):
        ActivationPatcher().fit(X, y + np.random.default_rng(0).random(len(y)))
    fitted = ActivationPatcher(Circuit(FORMULAS["one"]), layers="units").fit(X, y)
    with pytest.raises(ValueError, match="one class"):
        fitted.explain_population(X[y == 1], y[y == 1])
    with pytest.raises(ValueError, match="give y"):
        fitted.explain_population(X)
    with pytest.raises(TypeError, match="not a torch network"):
        from sklearn.linear_model import LogisticRegression

        ActivationPatcher(LogisticRegression()).fit(X[:, 0], y)


def test_default_network_and_layer():
    X, y = trials()
    patcher = ActivationPatcher(fast_classifier(), n_draws=2, random_state=0).fit(X, y)
    assert patcher.layers_ == ["conv_out"] and patcher.effects_.shape == (2, 2)
