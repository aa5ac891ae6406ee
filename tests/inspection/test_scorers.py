"""Scorers of explanations: against loops and sums by hand, planted maps, searches, and bad input."""

import pickle

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier, NeuralNetRegressor

from eegexplain import FLEXAttributor, PerturbationCorrelator
from eegexplain.bases import as_basis
from eegexplain.inspection import (
    accuracy_and_faithfulness,
    faithfulness_scorer,
    sparsity_scorer,
    stability_scorer,
)
from eegexplain.reverse_correlation import ReverseCorrelator
from eegexplain.timecourse import TimeResolvedCoefficients
from tests.estimators import AmplitudeClassifier, fast_classifier

N_CHANNELS, N_TIMES = 2, 32
RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, N_CHANNELS, N_TIMES))
Y = np.arange(20) % 2


def linear_net(scale=1.0):
    """A network of sums of samples, two classes, as skorch holds it."""
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(N_CHANNELS * N_TIMES, 2)).double()
    with torch.no_grad():
        module[1].weight.copy_(scale * torch.from_numpy(np.random.default_rng(3).normal(size=(2, X[0].size))))
        module[1].bias.zero_()
    return held(module)


def held(module):
    """A frozen classifier of logits."""
    net = NeuralNetClassifier(module, criterion=torch.nn.CrossEntropyLoss, classes=[0, 1])
    return FrozenEstimator(net.initialize())


def flex(scale=1.0, **params):
    return FLEXAttributor(linear_net(scale), n_steps=2, **params).fit(X, Y)


def centered_weights():
    weights = np.random.default_rng(3).normal(size=(2, X[0].size))
    return (weights - weights.mean(0)).reshape(2, N_CHANNELS, N_TIMES)


@pytest.mark.parametrize("basis", ["fourier", "time"])
def test_faithfulness_of_a_linear_network_by_hand(basis):
    """Attributions of a linear network are what zeroing a cell takes: its curve is a sum, random order a line."""
    weights = centered_weights()
    predicted = np.einsum("kct,nct->nk", weights, X).argmax(1)
    bound = as_basis(basis).bind(N_TIMES, 1.0)
    parts = bound.attribute(weights[predicted], X).reshape(len(X), -1)
    fractions = np.linspace(0, 0.9, 10)
    gains, ranges = [], []
    for cells in parts:
        kept = np.concatenate([[cells.sum()], cells.sum() - np.cumsum(np.sort(cells)[::-1])])
        curve = kept[np.round(fractions * len(cells)).astype(int)]
        line = cells.sum() * (1 - fractions)
        gains.append(np.trapezoid(line - curve, fractions) / 0.9)
        ranges.append(np.ptp(np.concatenate([curve, line])))
    score = faithfulness_scorer(filling="zeros", n_random=40)(flex(basis=basis), X, Y)
    assert 0.1 < score < 1
    np.testing.assert_allclose(score, np.mean(gains) / np.mean(ranges), atol=0.01)


class Reversed(FLEXAttributor):
    """Says that what speaks against a class speaks for it."""

    def explain(self, X, **settings):
        found = super().explain(X, **settings)
        return found.assign(value=-found["value"])


def test_right_maps_are_faithful_and_reversed_ones_are_not():
    for filling in ("surrogate", "zeros"):
        scorer = faithfulness_scorer(filling=filling)
        right, wrong = scorer(flex(), X, Y), scorer(Reversed(linear_net(), n_steps=2).fit(X, Y), X, Y)
        assert right > 0.2 and wrong < -0.2, filling


def test_a_map_that_names_what_is_used_last_is_measured_by_what_random_order_deletes():
    """One sample is used, and deleted by no share up to .9: the score stays, in random order it falls along a line."""
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(N_CHANNELS * N_TIMES, 2)).double()
    with torch.no_grad():
        module[1].weight.zero_()[0, 7] = 1.0
        module[1].bias.zero_()
    last = Reversed(held(module), n_steps=2, basis="time").fit(X, Y)
    np.testing.assert_allclose(faithfulness_scorer(filling="zeros", n_random=60)(last, X, Y), -0.5, atol=0.05)


class SameMap(FLEXAttributor):
    """Gives the map of centered logits, whatever it is asked to explain."""

    def explain(self, X, **settings):
        return flex().explain(X, **settings)


def test_faithfulness_has_no_unit_and_candidates_of_any_response_meet_the_same_score():
    score = faithfulness_scorer()(flex(), X, Y)
    np.testing.assert_allclose(faithfulness_scorer()(flex(scale=50.0), X, Y), score, rtol=1e-6)
    assert faithfulness_scorer()(SameMap(linear_net(), n_steps=2, response="prob").fit(X, Y), X, Y) == score
    assert faithfulness_scorer()(flex(response="logit"), X, Y) != score  # another map, judged by the same score
    assert faithfulness_scorer(random_state=1)(flex(), X, Y) != score


def test_faithfulness_of_numbers_is_that_of_each_output():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(N_CHANNELS * N_TIMES, 2)).double()
    net = FrozenEstimator(NeuralNetRegressor(module).initialize())
    targets = RNG.normal(size=(20, 2))
    both = FLEXAttributor(net, n_steps=2).fit(X, targets)
    assert faithfulness_scorer(filling="zeros")(both, X, targets) > 0.2
    single = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(N_CHANNELS * N_TIMES, 1)).double()
    net = FrozenEstimator(NeuralNetRegressor(single).initialize())
    correlator = PerturbationCorrelator(net, method="gradient").fit(X, targets[:, 0])
    assert -1 <= faithfulness_scorer()(correlator, X, targets[:, 0]) <= 1


def test_a_network_that_does_not_care_has_no_faithful_map():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(N_CHANNELS * N_TIMES, 2)).double()
    torch.nn.init.zeros_(module[1].weight)
    net = held(module)
    with pytest.warns(UserWarning, match="map is 0"):
        constant = FLEXAttributor(net, n_steps=2).fit(X, Y)
    assert faithfulness_scorer()(constant, X, Y) == 0


@pytest.mark.parametrize("bands", [None, "eeg"])
def test_faithfulness_without_gradients(bands):
    correlator = PerturbationCorrelator(AmplitudeClassifier(), n_iterations=20, bands=bands, sfreq=64, random_state=0)
    score = faithfulness_scorer(filling="zeros")(correlator.fit(X, Y), X, Y)
    assert -1 <= score <= 1 and score == faithfulness_scorer(filling="zeros")(correlator, X, Y)


class Fade(TransformerMixin, BaseEstimator):
    """Lets trials grow from nothing: other maps than those of the trials as they were."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X * np.linspace(0, 1, X.shape[-1])

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize("make", [faithfulness_scorer, stability_scorer, sparsity_scorer])
def test_in_a_pipeline_the_explainer_meets_transformed_trials(make):
    pipeline = make_pipeline(Fade(), FLEXAttributor(linear_net(), n_steps=2)).fit(X, Y)
    scored = make()(pipeline, X, Y)
    assert scored == make()(pipeline[-1], Fade().transform(X), Y) != make()(pipeline[-1], X, Y)
    assert scored == make()(FrozenEstimator(pipeline), X, Y)
    alone = make_pipeline(FLEXAttributor(linear_net(), n_steps=2)).fit(X, Y)
    assert make()(alone, X, Y) == make()(flex(), X, Y)


def test_stability_is_the_rank_correlation_of_halves_with_equal_shares_of_the_classes():
    seen = []

    class Watched(FLEXAttributor):
        def explain_population(self, X, y=None, groups=None):
            found = super().explain_population(X, y, groups)
            seen.append((X, y, found["value"].values.ravel()))
            return found

    score = stability_scorer(random_state=3)(Watched(linear_net(), n_steps=2).fit(X, Y), X, Y)
    (one, its_y, a), (other, other_y, b) = seen[-2:]
    assert not set(one[:, 0, 0]) & set(other[:, 0, 0]) and len(one) + len(other) == 20
    assert np.bincount(its_y).tolist() == np.bincount(other_y).tolist() == [5, 5]
    np.testing.assert_allclose(score, spearmanr(a, b).statistic)
    twice = np.concatenate([X[:1].repeat(10, 0), X[1:2].repeat(10, 0)])  # both halves hold the same trials
    kinds = np.repeat([0, 1], 10)
    for measure in ("spearman", "cosine", "sign_agreement", "jaccard"):
        np.testing.assert_allclose(stability_scorer(measure=measure, n_repeats=2)(flex(), twice, kinds), 1)


def test_stability_of_regressors_and_of_a_single_class():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(N_CHANNELS * N_TIMES, 1)).double()
    targets = RNG.normal(size=20)
    found = FLEXAttributor(FrozenEstimator(NeuralNetRegressor(module).initialize()), n_steps=2).fit(X, targets)
    assert -1 <= stability_scorer()(found, X, targets) <= 1
    explained = flex()
    for scorer in (faithfulness_scorer(), stability_scorer(), sparsity_scorer()):
        assert np.isfinite(scorer(explained, X[Y == 1], Y[Y == 1]))


def test_a_planted_map_is_sparse():
    """One sample of one channel is all the network uses: everything in one cell. And evenly: nothing is sparse."""
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(N_CHANNELS * N_TIMES, 2)).double()
    torch.nn.init.zeros_(module[1].weight)
    net = held(module)
    with torch.no_grad():
        module[1].weight[0, 7] = 1.0
    score = sparsity_scorer()
    np.testing.assert_allclose(score(FLEXAttributor(net, basis="time", n_steps=2).fit(X, Y), X, Y), 1)
    with torch.no_grad():
        module[1].weight[0] = 1.0
    even = FLEXAttributor(net, basis="time", n_steps=2).fit(X, Y)
    np.testing.assert_allclose(score(even, np.ones_like(X), Y), 0, atol=1e-9)
    with pytest.warns(UserWarning, match="map is 0"):
        assert score(even, np.zeros_like(X), Y) == 0


def test_sparsity_by_hand():
    value = np.abs(flex().explain_population(X, Y)["value"].values)
    share = value / value.sum((1, 2), keepdims=True)
    entropy = -(share * np.log(share)).sum((1, 2))
    expected = np.mean(1 - entropy / np.log(value[0].size))
    np.testing.assert_allclose(sparsity_scorer()(flex(), X, Y), expected)


SCORING = {
    "accuracy": "accuracy",
    "faithfulness": faithfulness_scorer(n_random=1),
    "stability": stability_scorer(),
    "sparsity": sparsity_scorer(),
}


def test_a_nested_search_over_maps_of_different_networks():
    """Widths of filters, kinds of responses: `refit` chooses by the scores, outer folds report others."""
    pipeline = make_pipeline(Fade(), FLEXAttributor(fast_classifier(), n_steps=2))
    names = ("flexattributor__estimator__filter_width", "flexattributor__response")
    grid = [{names[0]: [width], names[1]: [response]} for width, response in ((8, "logit"), (16, "prob"))]
    search = GridSearchCV(pipeline, grid, scoring=SCORING, refit=accuracy_and_faithfulness(chance=0.0), cv=2)
    outer = [(np.arange(14), np.arange(14, 20))]
    found = cross_validate(search, X, Y, cv=outer, scoring=SCORING, return_estimator=True, error_score="raise")
    for inner in found["estimator"]:
        results = inner.cv_results_
        assert inner.best_index_ == accuracy_and_faithfulness(chance=0.0)(results)
        assert all(np.isfinite(results[f"mean_test_{name}"]).all() for name in SCORING)
    assert np.isfinite(found["test_faithfulness"]).all()


def test_a_search_around_a_frozen_network():
    """Only the analysis differs between candidates: accuracy is the same, faithfulness decides."""
    scoring = {name: SCORING[name] for name in ("accuracy", "faithfulness")}
    explained = FLEXAttributor(FrozenEstimator(fast_classifier().fit(X, Y)), n_steps=2, basis="time")
    grid = {"response": ["margin", "prob"], "method": ["input_x_gradient", "saliency"]}
    search = GridSearchCV(explained, grid, scoring=scoring, refit=accuracy_and_faithfulness(chance=0.0), cv=2)
    results = search.fit(X, Y).cv_results_
    assert len(set(results["mean_test_accuracy"])) == 1
    assert search.best_index_ == np.argmax(results["mean_test_faithfulness"])
    assert search.best_params_["method"] == "input_x_gradient"  # sizes of gradients have no sign


@pytest.mark.parametrize("scorer", [*list(SCORING.values())[1:], accuracy_and_faithfulness(0.3)])
def test_scorers_are_copied_pickled_and_written_as_their_call(scorer):
    made = {name: globals()[name] for name in ("accuracy_and_faithfulness", "faithfulness_scorer", "sparsity_scorer",
                                               "stability_scorer")}  # fmt: skip
    for copy in (clone(scorer, safe=False), pickle.loads(pickle.dumps(scorer)), eval(repr(scorer), made)):
        assert copy == scorer and hash(copy) == hash(scorer)


def results(accuracy, faithfulness):
    return {"mean_test_accuracy": np.array(accuracy), "mean_test_faithfulness": np.array(faithfulness)}


def test_the_choice_by_hand():
    table = results([0.6, 0.9, 0.8], [0.9, 0.1, 0.4])
    for weight in (0.0, 0.3, 0.5, 1.0):
        pairs = zip(table["mean_test_accuracy"], table["mean_test_faithfulness"], strict=True)
        values = [((a - 0.5) / 0.5) ** (1 - weight) * f**weight for a, f in pairs]
        assert accuracy_and_faithfulness(weight)(table) == np.argmax(values)
    assert accuracy_and_faithfulness(0.0)(table) == 1 and accuracy_and_faithfulness(1.0)(table) == 0


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_a_candidate_at_chance_or_below_never_wins(weight):
    choose = accuracy_and_faithfulness(weight)
    assert choose(results([0.5, 0.3, 0.55], [0.9, 0.99, 0.01])) == 2
    assert choose(results([np.nan, 0.5, 0.6], [0.9, 0.9, 0.1])) == 2
    assert choose(results([0.7, 0.6], [np.nan, 0.1])) == (0 if weight == 0 else 1)
    with pytest.warns(UserWarning, match="chance"):
        assert choose(results([0.4, 0.5, 0.3], [0.9, 0.1, 0.9])) == 1
    assert accuracy_and_faithfulness(weight, chance=0.25)(results([0.4, 0.2], [0.1, 0.9])) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: faithfulness_scorer(filling="noise"), "filling"),
        (lambda: faithfulness_scorer(n_fractions=1), "n_fractions"),
        (lambda: faithfulness_scorer(n_random=0), "n_random"),
        (lambda: stability_scorer(measure="pearson"), "measure"),
        (lambda: stability_scorer(n_repeats=0), "n_repeats"),
        (lambda: accuracy_and_faithfulness(1.5), "weight"),
        (lambda: accuracy_and_faithfulness(float("nan")), "weight"),
        (lambda: accuracy_and_faithfulness(chance=1.0), "chance"),
        (lambda: accuracy_and_faithfulness()({"mean_test_accuracy": [0.5]}), "'faithfulness', only"),
        (lambda: accuracy_and_faithfulness()(results([np.nan], [0.1])), "NaN for every candidate"),
        (lambda: stability_scorer()(flex(), X[:3], Y[:3]), "at least 4, got 3"),
        (lambda: faithfulness_scorer()(flex(), X[:, :1], Y), "channels|shape"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make", [faithfulness_scorer, stability_scorer, sparsity_scorer])
def test_a_network_alone_is_no_explainer(make):
    with pytest.raises(TypeError, match="LogisticRegression is no explainer"):
        make()(LogisticRegression(), X, Y)
    with pytest.raises(TypeError, match="is no explainer"):
        make()(make_pipeline(FunctionTransformer(), fast_classifier()), X, Y)


def test_deletion_needs_maps_of_outputs():
    for explainer in (ReverseCorrelator(fast_classifier()), TimeResolvedCoefficients(LogisticRegression())):
        with pytest.raises(TypeError, match="deletion needs"):
            faithfulness_scorer()(explainer.fit(X, Y), X, Y)


class PowerClassifier(AmplitudeClassifier):
    """Amplitudes of each channel are all it knows."""

    def _features(self, X):
        return np.log(np.abs(np.fft.rfft(X))[..., 1:-1]).reshape(len(X), -1)


def test_copies_with_the_same_power_are_no_deletion_to_a_model_of_power():
    correlator = PerturbationCorrelator(PowerClassifier(), n_iterations=20, random_state=0).fit(X, Y)
    assert faithfulness_scorer(filling="surrogate")(correlator, X, Y) == 0  # not a ratio of roundings
    assert faithfulness_scorer(filling="surrogate")(flex(), X, Y) != faithfulness_scorer(filling="zeros")(flex(), X, Y)


def test_models_without_continuous_outputs_are_named():
    class Votes(AmplitudeClassifier):
        predict_proba = None

        def __getattribute__(self, name):
            if name == "predict_proba":
                raise AttributeError(name)
            return super().__getattribute__(name)

    with pytest.raises(TypeError, match="neither predict_proba nor decision_function"):
        cross_validate(PerturbationCorrelator(Votes(), n_iterations=5), X, Y, cv=2, scoring=faithfulness_scorer(),
                       error_score="raise")  # fmt: skip
