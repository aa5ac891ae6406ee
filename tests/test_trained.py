"""Bare torch modules as fitted, frozen estimators: what they answer, what they say, what stays as it was."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, cross_val_score
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet, NeuralNetClassifier
from torch import nn

from eegexplain import TrainedModule, as_estimator
from eegexplain.attribution import FLEXAttributor
from eegexplain.models import EnsembleClassifier, EnsembleRegressor
from eegexplain.perturbation import PerturbationCorrelator
from eegexplain.reverse_correlation import EnvelopeCorrelator, ReverseCorrelator
from tests.estimators import trials

X, NAMES = trials()
X, y = X.astype(np.float32), (NAMES == "right").astype(int)


def network(n_outputs=2, end=None, extra_axis=False):
    """Convolution, ELU, linear; `end` closes it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = nn.Conv2d(1, 4, (3, 9)) if extra_axis else nn.Conv1d(3, 4, 9)
        layers = [first, nn.ELU(), nn.Flatten(), nn.Linear(4 * 24, n_outputs), *([end] if end else [])]
        return nn.Sequential(*layers).eval()


class Parts(nn.Module):
    """Returns features beside its outputs."""

    def __init__(self, kind):
        super().__init__()
        self.net, self.kind = network(), kind

    def forward(self, x):
        outputs = self.net(x)
        return {"features": x, "logits": outputs} if self.kind is dict else (x.mean(-1), outputs)


def raw(module, X=X):
    with torch.no_grad():
        return module(torch.from_numpy(X)).double().numpy()


def skorch_twin(module, classes):
    """The same weights in a skorch classifier: the road that was there before."""
    net = NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, classes=classes, train_split=None, verbose=0)
    return net.initialize()


# ------------------------------------------------------------------ answers
def test_classes_come_from_the_outputs_width_and_the_answers_from_its_logits():
    module = network(3)
    trained = as_estimator(module).fit(X)
    logits = raw(module)
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert trained.classes_.tolist() == [0, 1, 2] and is_classifier(trained) and not is_regressor(trained)
    np.testing.assert_allclose(trained.predict_proba(X), odds, rtol=1e-5)
    np.testing.assert_allclose(trained.decision_function(X), logits - logits.mean(1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(trained.predict(X), logits.argmax(1))
    assert trained.score(X, logits.argmax(1)) == 1.0


def test_two_classes_have_one_decision_value():
    module = network()
    decision = as_estimator(module, classes=["left", "right"]).decision_function(X)
    np.testing.assert_allclose(decision, np.diff(raw(module))[:, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("end", "n_outputs", "probability"),
    [
        (None, 2, lambda raw: np.exp(raw[:, 1]) / np.exp(raw).sum(1)),
        (nn.Softmax(1), 2, lambda raw: raw[:, 1]),
        (nn.LogSoftmax(1), 2, lambda raw: np.exp(raw[:, 1])),
        (None, 1, lambda raw: 1 / (1 + np.exp(-raw[:, 0]))),
        (nn.Sigmoid(), 1, lambda raw: raw[:, 0]),
    ],
)
def test_whatever_closes_the_module_its_probabilities_are_right(end, n_outputs, probability):
    module = network(n_outputs, end)
    trained = as_estimator(module, classes=["a", "b"])
    np.testing.assert_allclose(trained.predict_proba(X)[:, 1], probability(raw(module)), rtol=1e-4)
    np.testing.assert_array_equal(trained.predict(X), np.where(probability(raw(module)) > 0.5, "b", "a"))


@pytest.mark.parametrize("made", [
    lambda net: PerturbationCorrelator(net, random_state=0),
    lambda net: ReverseCorrelator(net, layer="0", per_class=True),
    lambda net: FLEXAttributor(net, basis="bands", sfreq=64.0),
], ids=["perturbation", "reverse", "flex"])  # fmt: skip
def test_classes_in_any_order_are_the_same_answers(made):
    module, swapped, labels = network(), network(), np.array(["a", "z"])[y]
    with torch.no_grad():
        for parameter in swapped[-1].parameters():
            parameter.copy_(parameter.flip(0))
    ordered, other = as_estimator(module, classes=["a", "z"]), as_estimator(swapped, classes=["z", "a"])
    assert other.classes_.tolist() == ["a", "z"]
    np.testing.assert_array_equal(other.predict(X), ordered.predict(X))
    np.testing.assert_allclose(other.predict_proba(X), ordered.predict_proba(X), rtol=1e-6)
    one, two = made(ordered).fit(X, labels).explanation_, made(other).fit(X, labels).explanation_
    for name in one:
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("end", [None, nn.Sigmoid()])
def test_one_output_for_the_first_class_by_name(end):
    module = network(1, end)
    ordered, other = as_estimator(module, classes=["a", "z"]), as_estimator(module, classes=["z", "a"])
    np.testing.assert_allclose(other.predict_proba(X), ordered.predict_proba(X)[:, ::-1], rtol=1e-5)
    np.testing.assert_allclose(other.decision_function(X), -ordered.decision_function(X), rtol=1e-4, atol=1e-6)


def test_numbers_are_a_regressors_predictions():
    module = network(1)
    trained = as_estimator(module, classes=False)
    assert is_regressor(trained) and not hasattr(trained, "predict_proba") and not hasattr(trained, "classes_")
    np.testing.assert_allclose(trained.predict(X), raw(module)[:, 0], rtol=1e-6)
    assert trained.score(X, raw(module)[:, 0]) == pytest.approx(1)
    assert as_estimator(network(3), classes=False).predict(X).shape == (len(X), 3)


@pytest.mark.parametrize(("kind", "output"), [(dict, "logits"), (tuple, 1), (dict, lambda parts: parts["logits"])])
def test_output_picks_a_part(kind, output):
    trained = as_estimator(Parts(kind), output=output)
    np.testing.assert_allclose(trained.decision_function(X), np.diff(raw(network()))[:, 0], atol=1e-6)


def test_an_extra_axis():
    flat, deep = network(), network(extra_axis=True)
    with torch.no_grad():
        deep[0].weight.copy_(flat[0].weight[:, None])
        deep[0].bias.copy_(flat[0].bias)
        deep[3].load_state_dict(flat[3].state_dict())
    np.testing.assert_allclose(
        as_estimator(deep, add_axis=True).predict_proba(X), as_estimator(flat).predict_proba(X), rtol=1e-5
    )


# ------------------------------------------------------------- explanations
@pytest.mark.parametrize(
    "explainer",
    [
        lambda net: PerturbationCorrelator(net, sfreq=64.0),
        lambda net: FLEXAttributor(net, sfreq=64.0, n_steps=5),
        lambda net: ReverseCorrelator(net, layer="0", sfreq=64.0),
        lambda net: EnvelopeCorrelator(net, layer="0", sfreq=64.0, bands={"low": (4, 12)}),
    ],
    ids=["perturbation", "flex", "reverse", "envelope"],
)
def test_a_bare_module_is_explained_as_its_skorch_twin_is(explainer):
    module = network()
    bare = explainer(module).fit(X, y)
    twin = explainer(FrozenEstimator(skorch_twin(module, [0, 1]))).fit(X, y)
    assert bare.estimator is module  # the parameter is as it was given
    np.testing.assert_array_equal(bare.explanation_["value"], twin.explanation_["value"])
    np.testing.assert_array_equal(bare.transform(X), twin.transform(X))
    assert bare.classes_.tolist() == [0, 1] and bare.score(X, y) == twin.score(X, y)


def test_nothing_of_the_module_changes():
    module = network().train()
    module[0].register_forward_hook(lambda *_: None)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    PerturbationCorrelator(module).fit(X, y)
    assert module.training and module[0].training and len(module[0]._forward_hooks) == 1
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


def test_dropout_is_off_while_explained():
    module = nn.Sequential(nn.Dropout(0.5), *network()).train()
    trained = as_estimator(module)
    np.testing.assert_array_equal(trained.predict_proba(X), trained.predict_proba(X))


@pytest.mark.parametrize("how", ["traced", "scripted", "exported", "compiled"])
def test_modules_that_torch_has_rewritten(how):
    module, example = network(), torch.from_numpy(X[:2])
    batch = {0: torch.export.Dim("batch", min=1, max=1024)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of what it deprecates
        other = {
            "traced": lambda: torch.jit.trace(module, example),
            "scripted": lambda: torch.jit.script(module),
            "exported": lambda: torch.export.export(module, (example,), dynamic_shapes=(batch,)).module(),
            "compiled": lambda: torch.compile(module),
        }[how]()
    found, plain = PerturbationCorrelator(other).fit(X, y), PerturbationCorrelator(module).fit(X, y)
    np.testing.assert_allclose(found.correlations_, plain.correlations_, rtol=1e-5, atol=1e-7)
    if how == "compiled":
        ReverseCorrelator(other, layer="0", sfreq=64.0).fit(X, y)  # layers by the names of what was compiled


def test_an_ensemble_of_modules_is_the_mean_of_their_centered_logits():
    one, other = network(), network()
    with torch.no_grad():
        other[3].weight.mul_(-0.3)
    together = EnsembleClassifier([one, other]).fit(X, y)
    logits = [raw(net) - raw(net).mean(1, keepdims=True) for net in (one, other)]
    np.testing.assert_allclose(together.decision_function(X), np.diff(np.mean(logits, axis=0))[:, 0], atol=1e-6)
    assert PerturbationCorrelator(FrozenEstimator(together)).fit(X, y).method_ == "gradient"
    numbers = EnsembleRegressor([network(1), network(1)]).fit(X, X[:, 0, 0].astype(float))
    np.testing.assert_allclose(numbers.predict(X), raw(network(1))[:, 0], rtol=1e-5)


def test_a_skorch_net_that_was_never_told_its_classes():
    net = FrozenEstimator(skorch_twin(network(), None))
    found = FLEXAttributor(net, sfreq=64.0, n_steps=3).fit(X, y)
    assert found.classes_.tolist() == [0, 1] and found.explanation_["output"].values.tolist() == ["0", "1"]
    with pytest.raises(ValueError, match="2 outputs without names: give it classes"):
        FLEXAttributor(net, sfreq=64.0, n_steps=3).fit(X, NAMES)


def test_labels_that_do_not_exclude_each_other():
    several = np.stack([y, 1 - y, X[:, 0, 0] > 0], axis=1).astype(float)
    module = network(3)
    numbers = FLEXAttributor(as_estimator(module, classes=False), sfreq=64.0, n_steps=3).fit(X, several)
    net = NeuralNet(module, nn.BCEWithLogitsLoss, train_split=None, verbose=0).initialize()
    skorch = FLEXAttributor(FrozenEstimator(net), sfreq=64.0, n_steps=3).fit(X, several)
    assert numbers.output_names_ == skorch.output_names_ == ["output0", "output1", "output2"]
    np.testing.assert_array_equal(numbers.explanation_["value"], skorch.explanation_["value"])
    with pytest.raises(ValueError, match="3 columns.*explained as numbers"):
        FLEXAttributor(as_estimator(module), sfreq=64.0).fit(X, several)


# -------------------------------------------------------------- scikit-learn
def test_it_is_a_fitted_and_frozen_estimator():
    trained = as_estimator(network(), classes=["a", "b"])
    check_is_fitted(trained)
    assert clone(trained) is trained and trained.fit(X, y) is trained
    assert repr(trained) == "TrainedModule(Sequential, add_axis=False, classes=['a', 'b'])"
    assert "TrainedModule" in estimator_html_repr(trained)
    again = pickle.loads(pickle.dumps(trained))
    np.testing.assert_array_equal(again.predict_proba(X), trained.predict_proba(X))
    scores = cross_val_score(trained, X, trained.predict(X), cv=KFold(3))
    np.testing.assert_array_equal(scores, 1.0)


def test_a_network_knows_its_sampling_rate_and_number_of_outputs():
    module = network()
    module._sfreq, module.n_outputs = 250.0, 2  # as braindecode's networks do
    trained = as_estimator(module)
    assert trained.sfreq == 250.0 and trained.classes_.tolist() == [0, 1]
    assert PerturbationCorrelator(module).fit(X, y).sfreq_ == 250.0
    assert as_estimator(module, sfreq=100.0).sfreq == 100.0


# -------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: as_estimator("net.pt"), TypeError, "must be a torch.nn.Module, got str"),
        (lambda: as_estimator(network(), sfreq=-1), ValueError, "sfreq"),
        (lambda: as_estimator(network(1)).fit(X), ValueError, r"one output. Is it a number, or the second of two"),
        (lambda: as_estimator(network(3), classes=["a", "b"]).fit(X), ValueError, "has 3 outputs, but classes names 2"),
        (lambda: as_estimator(Parts(dict)).fit(X), ValueError, r"returns dict with the parts \['features', 'logits'\]"),
        (lambda: as_estimator(Parts(tuple), output=2).fit(X), ValueError, r"the parts \[0, 1\], not 2"),
        (lambda: as_estimator(network(extra_axis=True)).fit(X), ValueError, r"takes them with .*add_axis=True"),
        (lambda: as_estimator(network()).fit(X.transpose(0, 2, 1)), ValueError, r"\(3, 32\): are channels and times"),
        (lambda: as_estimator(network()).fit(X[:, :2]), ValueError, r"does not take trials of shape \(2, 32\)"),
        (lambda: as_estimator(network()).predict(X[:, 0, 0]), ValueError, "X"),
        (lambda: PerturbationCorrelator(network()).fit(X, NAMES), ValueError, "or name them: as_estimator"),
        (lambda: PerturbationCorrelator(network()).fit(X, None), ValueError, "requires y"),
        (lambda: as_estimator(network()).classes_, AttributeError, "known from its first trials on"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_continuous_targets_make_numbers_of_the_outputs():
    found = PerturbationCorrelator(network(1)).fit(X, X[:, 0, 0].astype(float))
    assert found.output_names_ == ["output"] and isinstance(found.estimator_, TrainedModule)
    assert found.estimator_.classes is False
