"""Ensembles: means by hand, maps as means of maps, gradients by autograd, and members that do not fit."""

import functools
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier

from eegexplain import FLEXAttributor, PerturbationCorrelator
from eegexplain.inspection import cross_validate_explanations, cross_validate_models, model_randomization
from eegexplain.models import EnsembleClassifier, EnsembleRegressor
from eegexplain.reverse_correlation import ReverseCorrelator
from tests.estimators import (
    AmplitudeClassifier,
    closed_classifier,
    fast_classifier,
    fast_eegnet,
    fast_eegnet_regressor,
    fast_regressor,
    trials,
)

X, Y = trials()
X3, Y3 = trials(seed=2, n_trials=15)[0], np.array(["a", "b", "c"])[np.arange(15) % 3]


def frozen(nets, X=X, y=Y):
    return [FrozenEstimator(net.fit(X, y)) for net in nets]


@functools.cache
def fitted_kinds():
    return frozen([fast_classifier(), fast_eegnet(max_epochs=1), closed_classifier(num_filters=3, filter_width=16)])


def three_kinds():
    """Members of different architectures: fitted once, since analyses leave them as they are."""
    return list(fitted_kinds())


def skorch_net(n_outputs=2, classes=("left", "right"), seed=0, **settings):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(96, n_outputs))
    generator = torch.Generator().manual_seed(seed)
    torch.nn.init.normal_(module[1].weight, generator=generator)
    net = NeuralNetClassifier(module, criterion=torch.nn.CrossEntropyLoss, classes=list(classes), **settings)
    return FrozenEstimator(net.initialize())


def centered(net, X):
    logits = np.asarray(net.decision_function(X))
    logits = np.stack([-logits, logits], 1) / 2 if logits.ndim == 1 else logits
    return logits - logits.mean(1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_mean_of_centered_logits_by_hand(classes):
    data = (X, Y) if classes == 2 else (X3, Y3)
    members = three_kinds() if classes == 2 else frozen([fast_classifier(), closed_classifier(num_filters=3)], *data)
    ensemble = EnsembleClassifier(members).fit(*data)
    logits = np.mean([centered(one, data[0]) for one in members], axis=0)
    found = ensemble.decision_function(data[0])
    np.testing.assert_allclose(found, logits[:, 1] - logits[:, 0] if classes == 2 else logits, atol=1e-6)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(ensemble.predict_proba(data[0]), shares, atol=1e-6)
    np.testing.assert_array_equal(ensemble.predict(data[0]), ensemble.classes_[logits.argmax(1)])


@pytest.mark.parametrize("response", ["logit", "centered_logit"])
def test_a_map_by_gradients_of_logits_is_the_mean_of_the_members_maps(response):
    """Sampled at the same nodes, integrated gradients are linear in the network."""
    members = [*three_kinds(), skorch_net()]
    alone = [FLEXAttributor(one, n_steps=5, response="centered_logit").fit(X, Y) for one in members]
    whole = FLEXAttributor(EnsembleClassifier(members), n_steps=5, response=response).fit(X, Y)
    maps = [one.attributions_ for one in alone]
    np.testing.assert_allclose(whole.attributions_, np.mean(maps, axis=0), atol=1e-6 * np.abs(maps).max())
    assert np.abs(whole.attributions_).max() > 1e-3
    np.testing.assert_allclose(whole.transform(X), np.mean([one.transform(X) for one in alone], axis=0), atol=1e-5)


@pytest.mark.parametrize("voting", [False, True])
def test_maps_of_probabilities_against_autograd(voting):
    """A nonlinear response is that of the mean, not the mean of responses - of logits here, of probabilities there."""
    members = three_kinds()
    names = [f"member {k}" for k in range(3)]
    if voting:
        pairs = list(zip(names, members, strict=True))
        model = VotingClassifier(pairs, voting="soft", weights=[1, 2, 5])
    else:
        model = EnsembleClassifier(members)
    flex = FLEXAttributor(model, method="input_x_gradient", response="prob", basis="time").fit(X, Y)
    x = torch.tensor(X, dtype=torch.float32, requires_grad=True)
    logits = [one.estimator.net_.module_.eval()(x) for one in members]
    if voting:
        parts = [share * torch.softmax(one, 1) for share, one in zip((1 / 8, 2 / 8, 5 / 8), logits, strict=True)]
        probability = sum(parts)
    else:
        probability = torch.softmax(sum(logits) / 3, 1)
    np.testing.assert_allclose(flex.predict_proba(X), probability.detach(), atol=1e-6)
    (gradient,) = torch.autograd.grad(probability[:, 1].sum(), x)
    expected = (gradient * x).detach().numpy()
    found = flex.explain(X)["value"].sel(output="right").values
    np.testing.assert_allclose(found, expected, atol=1e-6 * max(1, np.abs(expected).max()))
    mean = np.mean([FLEXAttributor(one, method="input_x_gradient", response="prob", basis="time").fit(X, Y)
                    .explain(X)["value"].sel(output="right").values for one in members], axis=0)  # fmt: skip
    assert not np.allclose(found, mean, atol=1e-4 * np.abs(mean).max())


def test_a_frozen_vote_and_a_vote_of_numbers_have_gradients():
    voting = VotingClassifier([("a", fast_classifier()), ("b", fast_eegnet())], voting="soft").fit(X, Y)
    assert FLEXAttributor(FrozenEstimator(voting), n_steps=2).fit(X, Y).sfreq_ == 64.0
    target = X[:, 0, 0]
    members = frozen([fast_regressor(), fast_eegnet_regressor()], X, target)
    pairs = [("a", members[0]), ("b", members[1])]
    settings = {"n_steps": 4}
    maps = [FLEXAttributor(one, **settings).fit(X, target).attributions_ for one in members]
    for model, shares in ((VotingRegressor(pairs, weights=[3, 1]), [0.75, 0.25]),
                          (EnsembleRegressor(members), [0.5, 0.5])):  # fmt: skip
        found = FLEXAttributor(model, **settings).fit(X, target)
        np.testing.assert_allclose(found.attributions_, np.tensordot(shares, maps, 1), atol=1e-6)
        np.testing.assert_allclose(found.predict(X), np.dot(shares, [one.predict(X) for one in members]), atol=1e-6)


def test_members_may_differ_in_precision():
    double = skorch_net(seed=1)
    double.estimator.module_.double()
    members = [skorch_net(), double]
    ensemble = EnsembleClassifier(members).fit(X, Y)
    weights = [one.estimator.module_[1].weight.detach().numpy().astype(float) for one in members]
    biases = [one.estimator.module_[1].bias.detach().numpy().astype(float) for one in members]
    logits = X.reshape(len(X), -1) @ np.mean(weights, axis=0).T + np.mean(biases, axis=0)
    whole = FLEXAttributor(FrozenEstimator(ensemble), method="input_x_gradient", basis="time").fit(X, Y)
    np.testing.assert_allclose(ensemble.decision_function(X), logits[:, 1] - logits[:, 0], atol=1e-5)
    gradient = np.mean(weights, axis=0)[1] - np.mean(weights, axis=(0, 1))
    found = whole.explain(X)["value"].sel(output="right").values
    np.testing.assert_allclose(found, X * gradient.reshape(X[0].shape), atol=1e-5)


def test_perturbation_correlation_in_closed_form_agrees_with_sampling():
    ensemble = EnsembleClassifier(three_kinds())
    settings = {"sfreq": 64.0, "bands": {"low": (2, 14), "high": (14, 32)}, "random_state": 0}
    exact = PerturbationCorrelator(ensemble, method="gradient", **settings).fit(X, Y)
    drawn = PerturbationCorrelator(ensemble, method="sampling", control_variate=False, n_iterations=100, **settings)
    np.testing.assert_allclose(drawn.fit(X, Y).correlations_, exact.correlations_, atol=0.1)


def test_members_without_gradients_are_explained_by_sampling_alone():
    ensemble = EnsembleClassifier([fast_classifier(), AmplitudeClassifier()], random_state=0)
    assert PerturbationCorrelator(ensemble, n_iterations=5).fit(X, Y).method_ == "sampling"
    with pytest.raises(TypeError, match="EnsembleClassifier is not a torch network"):
        FLEXAttributor(ensemble).fit(X, Y)


def test_an_ensemble_of_ensembles_is_an_ensemble():
    inner = EnsembleClassifier(three_kinds()[:2]).fit(X, Y)
    last = three_kinds()[2]
    found = FLEXAttributor(EnsembleClassifier([FrozenEstimator(inner), last]), n_steps=3).fit(X, Y)
    parts = [FLEXAttributor(one, n_steps=3).fit(X, Y).attributions_ for one in (FrozenEstimator(inner), last)]
    np.testing.assert_allclose(found.attributions_, np.mean(parts, axis=0), atol=1e-6)


def test_unfitted_members_have_starts_of_their_own():
    members = [fast_classifier(), fast_classifier()]  # the same seed, which would be the same network twice
    ensemble = EnsembleClassifier(members, random_state=0).fit(X, Y)
    one, other = (member.net_.module_.omega.detach().numpy() for member in ensemble.estimators_)
    assert not np.allclose(one, other)
    again = clone(ensemble).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), ensemble.predict_proba(X))
    assert not hasattr(members[0], "net_")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ensemble)).predict_proba(X), ensemble.predict_proba(X))


def test_ensembles_in_procedures_that_retrain():
    data = trials(n_trials=16)
    ensemble = EnsembleClassifier([closed_classifier(), fast_eegnet(max_epochs=1)])
    found = cross_validate_explanations(FLEXAttributor(ensemble, n_steps=2), *data, cv=2, n_seeds=2, random_state=0)
    assert found.dataset["fold_value"].sizes["seed"] == 2 and (found.dataset["seed_sd"] > 0).any()
    grid = {"ensembleclassifier__estimators": [[closed_classifier()], [closed_classifier(num_filters=1)]]}
    search = GridSearchCV(make_pipeline(FunctionTransformer(), ensemble), grid, cv=2, error_score="raise")
    assert np.isfinite(search.fit(*data).best_score_)


def test_networks_of_folds_as_one_model():
    data = trials(n_trials=16)
    models = cross_validate_models(closed_classifier(), *data, cv=2, n_seeds=2, random_state=0)
    nets = [FrozenEstimator(net) for fold in models.folds for net in fold.nets]
    fresh = trials(n_trials=8, seed=5)
    flex = FLEXAttributor(EnsembleClassifier(nets), n_steps=3).fit(*fresh)
    maps = [FLEXAttributor(net, n_steps=3).fit(*fresh).attributions_ for net in nets]
    np.testing.assert_allclose(flex.attributions_, np.mean(maps, axis=0), atol=1e-6)


def test_layers_keep_the_names_of_their_network():
    members = three_kinds()
    whole = EnsembleClassifier(members)
    with pytest.raises(ValueError, match="members.0"):
        ReverseCorrelator(whole).fit(X, Y)
    found = ReverseCorrelator(whole, layer="members.0.conv_out").fit(X, Y)
    alone = ReverseCorrelator(members[0], layer="conv_out").fit(X, Y)
    np.testing.assert_allclose(found.templates_, alone.templates_, atol=1e-6)


def test_analyses_leave_the_members_as_they_are():
    members = three_kinds()
    before = [one.predict_proba(X) for one in members]
    flex = FLEXAttributor(EnsembleClassifier(members), n_steps=2).fit(X, Y)
    model_randomization(flex, X, random_state=0)
    for one, outputs in zip(members, before, strict=True):
        np.testing.assert_array_equal(one.predict_proba(X), outputs)
        assert all(parameter.requires_grad for parameter in one.estimator.net_.module_.parameters())


def other_classes():
    return frozen([fast_classifier()], X, np.where(Y == "left", "up", "down"))[0]


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        (lambda: [], ValueError, "at least one classifier"),
        (lambda: fast_classifier(), ValueError, "must be a list"),
        (lambda: ["net.pt"], TypeError, r"estimators\[0\] is a str: give an estimator or a trained torch module"),
        (lambda: [fast_classifier(), fast_regressor()], TypeError, r"estimators\[1\] \(SyncNetRegressor\) is no class"),
        (lambda: [*three_kinds(), other_classes()], ValueError, r"estimators\[3\] has the classes \['down', 'up'\]"),
        (lambda: [skorch_net(), skorch_net(classes=("right", "left"))], ValueError, "in the same order"),
        (lambda: [skorch_net(), skorch_net(n_outputs=3)], ValueError, "has 3 outputs, but the targets have 2"),
        (lambda: frozen([fast_classifier()], X[:, :, :16]), ValueError, r"shape \(3, 16\), these have \(3, 32\)"),
        (lambda: [FrozenEstimator(fast_classifier())], Exception, "not fitted"),
    ],
)
def test_members_that_do_not_fit(members, error, message):
    with pytest.raises(error, match=message):
        EnsembleClassifier(members()).fit(X, Y)


def test_votes_of_different_outputs_and_hard_votes_are_refused():
    with pytest.raises(TypeError, match="neither predict_proba nor decision_function"):
        PerturbationCorrelator(VotingClassifier([("a", fast_classifier())], voting="hard")).fit(X, Y)
    with pytest.raises(TypeError, match="is no regressor"):
        EnsembleRegressor([LogisticRegression()]).fit(X, X[:, 0, 0])
    with pytest.raises(ValueError, match="outputs"):
        EnsembleRegressor(frozen([fast_regressor()], X, X[:, 0, :2])).fit(X, X[:, 0, 0])


def test_trials_in_another_unit_than_a_frozen_members_are_told():
    with pytest.warns(UserWarning, match="unit"):
        EnsembleClassifier(three_kinds()[:1]).fit(1e6 * X, Y)
