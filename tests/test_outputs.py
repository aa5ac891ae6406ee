"""What any fitted model answers: one table of responses, and networks and other models behind one door."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from eegexplain._explanation import make_explanation
from eegexplain._meta import Explainer
from eegexplain._outputs import RESPONSES, ScikitOutputs, resolve_response
from eegexplain._torch import TorchNet
from tests.estimators import fast_classifier, fast_regressor, trials

BY_HAND = {
    "logit": lambda z: z,
    "centered_logit": lambda z: z - z.mean(),
    "logprob": log_softmax,
    "prob": softmax,
    "margin": lambda z: np.array([z[k] - np.delete(z, k).max() for k in range(len(z))]),
}


def logits(n_classes=4):
    return np.random.default_rng(0).normal(scale=3, size=(6, n_classes))


def flat(X):
    return X.reshape(len(X), -1)


# ---------------------------------------------------------------------------------------------- the table of responses
@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_response_is_the_same_for_arrays_and_tensors(name, n_classes):
    z = logits(n_classes)
    found = RESPONSES[name].of(z, np)
    assert found.shape == z.shape
    np.testing.assert_allclose(RESPONSES[name].of(torch.tensor(z), torch).numpy(), found, rtol=1e-12, atol=1e-12)
    if name in BY_HAND:
        np.testing.assert_allclose(found, [BY_HAND[name](row) for row in z], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", RESPONSES)
def test_the_gradient_of_a_response_is_that_of_its_numbers(name):
    z, step = logits(), 1e-6
    direction = np.random.default_rng(1).normal(size=z.shape)
    tensor = torch.tensor(z, requires_grad=True)
    found = [
        torch.autograd.grad(RESPONSES[name].of(tensor, torch)[:, k].sum(), tensor)[0].numpy() for k in range(z.shape[1])
    ]
    moved = [RESPONSES[name].of(z + sign * step * direction, np) for sign in (1, -1)]
    along = np.stack([(gradient * direction).sum(axis=1) for gradient in found], axis=1)
    np.testing.assert_allclose(along, (moved[0] - moved[1]) / (2 * step), atol=1e-7)


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_declares_what_it_is(name):
    response = RESPONSES[name]
    assert response.name == name
    assert response.formula
    assert response.sums_to_zero == np.allclose(response.of(logits(), np).sum(axis=1), 0)


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_of_extreme_logits_or_of_one_class_is_a_number(name):
    z = np.array([[1e3, -1e3, 0.0], [-1e3, -1e3, -1e3]])
    for values in (z, z[:, :1]):
        assert np.isfinite(RESPONSES[name].of(values, np)).all()
        assert torch.isfinite(RESPONSES[name].of(torch.tensor(values), torch)).all()


def test_a_response_is_resolved_by_what_the_outputs_are():
    assert resolve_response("auto", classes=True) == "centered_logit"
    assert resolve_response("auto", classes=False) == "output"
    with pytest.raises(ValueError, match="Did you mean 'logprob'"):
        resolve_response("logprobs", classes=True)
    with pytest.raises(ValueError, match="choose one of 'output'"):
        resolve_response("prob", classes=False)


# -------------------------------------------------------------------------------------------------------- any model
class NetworkAsScikit(ClassifierMixin, BaseEstimator):
    """A network that shows only its decision values."""

    def __init__(self, net):
        self.net = net

    def __sklearn_is_fitted__(self):
        return True

    def decision_function(self, X):
        return self.net.outputs(X, "logit")


@pytest.mark.parametrize("response", ["auto", *RESPONSES])
def test_networks_and_other_models_answer_alike(response):
    X, y = trials(n_trials=24)
    y = np.arange(24) % 3
    net = TorchNet(fast_classifier().fit(X, y), X.shape[1:])
    other = ScikitOutputs(NetworkAsScikit(net), X.shape[1:])
    assert net.check_response(response) == other.check_response(response)
    assert net.n_outputs == other.n_outputs == 3
    np.testing.assert_allclose(other.outputs(X, response), net.outputs(X, response), atol=1e-5)
    assert net.eps == np.finfo(np.float32).eps
    assert other.eps == np.finfo(float).eps


def test_outputs_of_regressors_are_their_predictions():
    X, y = trials(regression=True, n_trials=24)
    model = Ridge().fit(flat(X), np.c_[y, X[:, 0, 0]])
    outputs = ScikitOutputs(make_pipeline(FunctionTransformer(flat), model), X.shape[1:])
    assert outputs.n_outputs == 2
    np.testing.assert_array_equal(outputs.outputs(X), model.predict(flat(X)))
    net = TorchNet(fast_regressor().fit(X, y), X.shape[1:])
    assert net.n_outputs == ScikitOutputs(Ridge().fit(flat(X), y), (flat(X).shape[1],)).n_outputs == 1
    assert net.check_response("auto") == outputs.check_response("auto") == "output"


class Responses(Explainer):
    """The least analysis of outputs alone: their mean."""

    def __init__(self, estimator=None, *, response="auto", sfreq=None, ch_names=None):
        self.estimator = estimator
        self.response = response
        self.sfreq = sfreq
        self.ch_names = ch_names

    def _explain_population(self, X, y, groups):
        value = self._explain_trials(X).mean(axis=0)
        return make_explanation(value, ("output",), self._trial_coords(), method="outputs")

    def _trial_coords(self):
        return {"output": self.output_names_}

    def _explain_trials(self, X):
        return self._outputs().outputs(X, self.response)


@pytest.mark.parametrize("make", [
    lambda: fast_classifier(),
    lambda: make_pipeline(FunctionTransformer(flat), LogisticRegression()),
    lambda: make_pipeline(FunctionTransformer(flat), LinearSVC()),
    lambda: GridSearchCV(fast_classifier(), {"max_epochs": [1, 2]}, cv=2),
    lambda: GridSearchCV(make_pipeline(FunctionTransformer(flat), LogisticRegression()),
                         {"logisticregression__C": [1.0, 2.0]}, cv=2),
], ids=["network", "probabilities", "decision values", "search over networks", "search"])  # fmt: skip
def test_one_door_for_any_model(make):
    X, y = trials(n_trials=24)
    explainer = Responses(make(), response="prob").fit(X, y)
    found = explainer.transform(X)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(explainer.classes_[found.argmax(axis=1)], explainer.predict(X))
    again = Responses(FrozenEstimator(explainer.estimator_), response="prob").fit(X, y)
    np.testing.assert_array_equal(again.transform(X), found)
    with pytest.raises(ValueError, match="Did you mean 'prob'"):
        Responses(explainer.estimator_, response="prop").fit(X, y)


def test_what_has_no_continuous_outputs_is_refused():
    with pytest.raises(TypeError, match="neither predict_proba nor decision_function"):
        ScikitOutputs(FunctionTransformer(), (3, 8))


def class_trials():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    X = rng.normal(size=(60, 3, 32))
    X[y == 1, 1] += 2 * np.sin(2 * np.pi * 0.25 * np.arange(32) + rng.uniform(0, 6, (30, 1)))
    return X, y


# ------------------------------------------------------------------------------------------------------- any estimator
def test_responses_of_decision_functions_and_probabilities():
    X, y = class_trials()
    X = X[:, 0]
    machine, logistic = LinearSVC().fit(X, y), LogisticRegression().fit(X, y)
    score = machine.decision_function(X)
    expected = {"logit": np.c_[-score, score] / 2, "margin": np.c_[-score, score], "prob": expit(np.c_[-score, score])}
    for response, values in expected.items():
        np.testing.assert_allclose(ScikitOutputs(machine, X.shape[1:], np.asarray).outputs(X, response), values)
    found = ScikitOutputs(logistic, X.shape[1:], np.asarray).outputs(X, "margin")
    score = logistic.decision_function(X)
    np.testing.assert_allclose(found, np.c_[-score, score])
